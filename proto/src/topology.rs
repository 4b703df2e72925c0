//! The one table of queues: who hears what, how many at once, how often again, and for how long.
//!
//! Both buses are built from it, the harness takes its limits from it, and the AsyncAPI page is printed from it.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventType;

/// The topic exchange every event is published to, with routing key `<type>.<app>`.
pub const EVENTS_EXCHANGE: &str = "windlass.events";
/// The exchange for dead letters, and the queue the recorder takes them from.
pub const DEAD: &str = "windlass.dead";
/// The alternate exchange and queue for what no queue took; the recorder takes from it too.
pub const UNROUTED: &str = "windlass.unrouted";
/// Steps of the retry ladder: each is one shared queue whose messages expire back to the queue they came from.
pub const RETRY_STEPS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(10)];

/// A worker, which is also a queue, a binary and a name in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerName {
    /// Raw webhooks to domain events.
    Normalizer,
    /// Test steps and images.
    Builder,
    /// Scanners.
    Scanner,
    /// The GitOps repository.
    Bumper,
    /// Argo CD, or a command.
    Syncer,
    /// Health verdicts.
    Prober,
    /// Slack.
    Notifier,
    /// The ledger's history and dead letters.
    Recorder,
}

/// One worker's queue.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// Whose it is.
    pub worker: WorkerName,
    /// The event types bound to it; empty means every type.
    pub hears: &'static [EventType],
    /// How many deliveries its worker handles at once.
    pub concurrency: u16,
    /// Whether the broker lets one consumer at a time take from it, so that a second replica only stands by.
    pub single_active: bool,
    /// How long one run may take before it is cancelled and counts as a transient failure.
    pub deadline: Duration,
    /// How often a delivery may fail transiently before it is dead.
    pub attempts: u32,
    /// Whether runs are claimed in the ledger. A worker whose only effects are its outcomes needs no claim.
    pub claimed: bool,
}

const MINUTE: Duration = Duration::from_mins(1);

/// Every queue. Two builds or scans at once are what a small machine bears; the others mostly wait for the network.
pub const QUEUES: &[Queue] = &[
    Queue {
        worker: WorkerName::Normalizer,
        hears: &[EventType::WebhookReceived],
        concurrency: 32,
        single_active: false,
        deadline: MINUTE,
        attempts: 8,
        claimed: false,
    },
    Queue {
        worker: WorkerName::Builder,
        hears: &[EventType::PushReceived, EventType::ScanFinished],
        concurrency: 2,
        single_active: false,
        deadline: Duration::from_hours(2),
        attempts: 5,
        claimed: true,
    },
    Queue {
        worker: WorkerName::Scanner,
        hears: &[EventType::TestsFinished],
        concurrency: 2,
        single_active: false,
        deadline: Duration::from_hours(1),
        attempts: 5,
        claimed: true,
    },
    Queue {
        // One writer a GitOps repository; many deliveries at once, so that what waits together is pushed together.
        worker: WorkerName::Bumper,
        hears: &[
            EventType::ImagePushed,
            EventType::ImageBuilt,
            EventType::HealthReported,
            EventType::ReleaseWaiting,
            EventType::ApprovalGranted,
            EventType::ApprovalRejected,
            EventType::HoldChanged,
            EventType::RollbackRequested,
            EventType::QuarantineReleased,
            EventType::FixSettled,
        ],
        concurrency: 64,
        single_active: true,
        deadline: Duration::from_mins(10),
        attempts: 8,
        claimed: true,
    },
    Queue {
        // One at a time in each environment, which one process alone can see to.
        worker: WorkerName::Syncer,
        hears: &[EventType::ManifestBumped],
        concurrency: 16,
        single_active: true,
        deadline: Duration::from_hours(1),
        attempts: 8,
        claimed: true,
    },
    Queue {
        worker: WorkerName::Prober,
        hears: &[EventType::SyncFinished],
        concurrency: 16,
        single_active: false,
        deadline: Duration::from_hours(1),
        attempts: 5,
        claimed: true,
    },
    Queue {
        worker: WorkerName::Notifier,
        hears: &[
            EventType::PushReceived,
            EventType::TestsFinished,
            EventType::ScanFinished,
            EventType::ImageFailed,
            EventType::ManifestBumped,
            EventType::SyncFinished,
            EventType::HealthReported,
            EventType::ReleaseWaiting,
            EventType::ApprovalRequested,
            EventType::ApprovalAnswered,
            EventType::HoldChanged,
            EventType::FixSettled,
            EventType::DeliveryParked,
        ],
        concurrency: 8,
        single_active: false,
        deadline: Duration::from_mins(5),
        attempts: 8,
        claimed: true,
    },
    Queue {
        worker: WorkerName::Recorder,
        hears: &[],
        concurrency: 128,
        single_active: false,
        deadline: MINUTE,
        attempts: 8,
        claimed: false,
    },
];

impl Queue {
    /// The queue's name on the bus: `windlass.<worker>`.
    pub fn name(&self) -> String {
        format!("windlass.{}", self.worker)
    }

    /// The routing keys bound to it, as AMQP topic patterns.
    pub fn patterns(&self) -> Vec<String> {
        if self.hears.is_empty() {
            return vec!["#".to_owned()];
        }
        self.hears.iter().map(|kind| format!("{kind}.*")).collect()
    }

    /// Whether it gets events of this type.
    pub fn takes(&self, kind: EventType) -> bool {
        self.hears.is_empty() || self.hears.contains(&kind)
    }
}

impl WorkerName {
    /// Every worker, in the order of the chain.
    pub const ALL: [Self; 8] = [
        Self::Normalizer,
        Self::Builder,
        Self::Scanner,
        Self::Bumper,
        Self::Syncer,
        Self::Prober,
        Self::Notifier,
        Self::Recorder,
    ];

    /// Its name in queues, logs and the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normalizer => "normalizer",
            Self::Builder => "builder",
            Self::Scanner => "scanner",
            Self::Bumper => "bumper",
            Self::Syncer => "syncer",
            Self::Prober => "prober",
            Self::Notifier => "notifier",
            Self::Recorder => "recorder",
        }
    }

    /// Its row in the table.
    pub fn queue(self) -> &'static Queue {
        // `ALL` and `QUEUES` stand in the same order; a test holds them to it.
        &QUEUES[self as usize]
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WorkerName {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|w| w.as_str() == s).ok_or_else(|| format!("no worker `{s}`; there are {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_its_row() {
        for worker in WorkerName::ALL {
            assert_eq!(worker.queue().worker, worker);
        }
        assert_eq!(QUEUES.len(), WorkerName::ALL.len());
    }

    #[test]
    fn every_event_is_heard_or_known_to_be_only_recorded() {
        let heard = |kind| QUEUES.iter().filter(|q| !q.hears.is_empty()).any(|q| q.takes(kind));
        let only_recorded: Vec<_> = EventType::ALL.iter().copied().filter(|&kind| !heard(kind)).collect();
        assert_eq!(only_recorded, [EventType::PullRequestReceived, EventType::EventIgnored]);
    }
}
