//! How an Application takes a sync.

use std::time::Duration;

/// How the operation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncEnd {
    /// It succeeds.
    Succeeded,
    /// Resources could not be applied: phase `Failed`, with this message.
    Failed(String),
    /// It could not even be tried: phase `Error`, with this message, and the condition `SyncError`.
    Error(String),
    /// It never ends.
    Never,
}

/// An Application's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Healthy,
    /// Something is wrong.
    Degraded,
    /// Not there yet.
    Progressing,
    /// Resources are not there.
    Missing,
    /// Paused.
    Suspended,
}

impl Health {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Suspended => "Suspended",
        }
    }
}

/// How an Application takes syncs. The default: they succeed, and it progresses and becomes healthy.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// How the operation ends.
    pub sync: SyncEnd,
    /// What health it comes to, after `Progressing`.
    pub health: Health,
    /// How long the health and revision of the old state are shown after the operation has ended.
    pub stale: Duration,
    /// How long each step takes.
    pub step: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        let step = Duration::from_millis(30);
        Self { sync: SyncEnd::Succeeded, health: Health::Healthy, stale: step, step }
    }
}

impl Behaviour {
    /// The operation ends like this.
    pub fn sync_ends(sync: SyncEnd) -> Self {
        Self { sync, ..Self::default() }
    }

    /// The operation succeeds, and the Application comes to this health.
    pub fn becomes(health: Health) -> Self {
        Self { health, ..Self::default() }
    }
}
