//! What those share who ask with the same credentials, whatever they ask about: hosts count their questions together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Plain, PoisonError},
    time::Duration,
};

use runtime::github_app::Installations;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// Every gate of this process, by the API and by whose limit counts there; and the tokens of Apps' installations.
#[derive(Default)]
pub struct Gates {
    gates: Plain<BTreeMap<(String, String), Arc<Gate>>>,
    installations: Installations,
}

/// Lets one question at a time through, as hosts want them, and none before the time that an answer told.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    turn: Mutex<()>,
    /// Nobody asks before this.
    rest: Plain<Option<Instant>>,
    /// Whoever has the turn waits until this.
    waits: Plain<Option<Instant>>,
}

impl Gates {
    /// Where others use the same tokens: Git, which comes as the same Apps.
    pub fn sharing(installations: Installations) -> Self {
        Self { installations, ..Self::default() }
    }

    pub(crate) fn installations(&self) -> Installations {
        self.installations.clone()
    }

    /// The gate of all that ask this API within this limit.
    pub(crate) fn of(&self, api: &str, limited_as: String) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry((api.to_owned(), limited_as)).or_default())
    }
}

impl Gate {
    /// Waits for one's turn, which lasts as long as what is returned.
    pub(crate) async fn enter(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// How long nobody is to ask from now on, if anybody was told so.
    pub(crate) fn rest(&self) -> Option<Duration> {
        left_until(&self.rest)
    }

    /// Tells until when nobody is to ask.
    pub(crate) fn rest_until(&self, until: Option<Instant>) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// How long whoever has the turn waits from now on, if they do.
    pub(crate) fn waits(&self) -> Option<Duration> {
        left_until(&self.waits)
    }

    /// Tells until when whoever has the turn waits.
    pub(crate) fn waits_until(&self, until: Instant) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

fn left_until(time: &Plain<Option<Instant>>) -> Option<Duration> {
    let until = *time.lock().unwrap_or_else(PoisonError::into_inner);
    until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|wait| !wait.is_zero())
}
