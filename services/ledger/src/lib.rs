//! What is known and must be remembered: history, claims, dead letters, environments. PostgreSQL or one SQLite file.
//!
//! Both backends pass the one list of tests in `tests/tests/ledger.rs`. Migrations run at opening, under a lock, so
//! any number of processes may start at once. This crate knows no worker's logic and no bus.

mod location;
mod postgres;
mod rows;
mod sqlite;

use std::time::Duration;

use proto::{AppName, Digest, EnvironmentName, EventId, EventType, Message, Timestamp};
use uuid::Uuid;

pub use location::{BadLocation, Location};
pub use rows::{
    Claim, ClaimKey, DeadFilter, EnvironmentState, EventFilter, NewDeadLetter, Quarantined, Recorded, Run, RunState,
    StoredDeadLetter,
};

/// Why the ledger could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Not now: the database is away or overloaded. Try again.
    #[error("the ledger is away: {0}")]
    Unavailable(String),
    /// The database is not what this build needs, and says what to do.
    #[error("the ledger cannot be used: {0}")]
    Unusable(String),
}

type Result<T> = std::result::Result<T, LedgerError>;

/// A handle to the ledger; cheap to clone.
#[derive(Clone)]
pub enum Ledger {
    /// PostgreSQL 13 or later.
    Postgres(postgres::PostgresLedger),
    /// The embedded ledger.
    Sqlite(sqlite::SqliteLedger),
}

/// Calls the method of whichever backend it is.
macro_rules! either {
    ($self:ident . $method:ident ( $($arg:expr),* )) => {
        match $self {
            Self::Postgres(ledger) => ledger.$method($($arg),*).await,
            Self::Sqlite(ledger) => ledger.$method($($arg),*).await,
        }
    };
}

impl Ledger {
    /// Opens the ledger and brings its tables up to date.
    pub async fn open(location: &Location) -> Result<Self> {
        match location {
            Location::Postgres(url) => postgres::PostgresLedger::open(url).await.map(Self::Postgres),
            Location::Sqlite(path) => sqlite::SqliteLedger::open(path).await.map(Self::Sqlite),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        either!(self.ping())
    }

    // Claims: who runs what, and what came of it.

    /// Claims a run for `owner` until `lease` from now by the database's clock.
    pub async fn claim(&self, key: &ClaimKey, owner: Uuid, lease: Duration) -> Result<Claim> {
        either!(self.claim(key, owner, lease))
    }

    /// Extends the lease; false when the claim is no longer `owner`'s, and the run must stop.
    pub async fn heartbeat(&self, key: &ClaimKey, owner: Uuid, lease: Duration) -> Result<bool> {
        either!(self.heartbeat(key, owner, lease))
    }

    /// Marks the run done and keeps its outcomes, in one transaction; false when the claim is no longer `owner`'s.
    pub async fn complete(&self, key: &ClaimKey, owner: Uuid, outcomes: &[Message]) -> Result<bool> {
        either!(self.complete(key, owner, outcomes))
    }

    /// Lets the claim go with the error that ended the run, so that the next delivery may claim it at once.
    /// `parked` says that there will be no next delivery.
    pub async fn release(&self, key: &ClaimKey, owner: Uuid, error: &str, parked: bool) -> Result<()> {
        either!(self.release(key, owner, error, parked))
    }

    /// Every run of an event, by worker and replay.
    pub async fn runs(&self, event: EventId) -> Result<Vec<Run>> {
        either!(self.runs(event))
    }

    // History.

    /// Writes events, readable or not; one that is there already (same id and replay) is left as it is.
    /// Returns how many were new.
    pub async fn record(&self, messages: &[Message]) -> Result<u64> {
        either!(self.record(messages))
    }

    /// Events, newest first.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Recorded>> {
        either!(self.events(filter))
    }

    /// The event with this id, at its highest replay.
    pub async fn event(&self, id: EventId) -> Result<Option<Recorded>> {
        either!(self.event(id))
    }

    /// The newest event of this type, app and subject.
    pub async fn newest(&self, kind: EventType, app: &AppName, subject: &str) -> Result<Option<Recorded>> {
        either!(self.newest(kind, app, subject))
    }

    // Dead letters.

    /// Keeps a dead letter; the same one again (same worker, message id and replay) is left as it is.
    /// Returns its id, and whether it was new.
    pub async fn bury(&self, letter: &NewDeadLetter) -> Result<(Uuid, bool)> {
        either!(self.bury(letter))
    }

    /// Dead letters, newest first.
    pub async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<StoredDeadLetter>> {
        either!(self.dead_letters(filter))
    }

    /// One dead letter.
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<StoredDeadLetter>> {
        either!(self.dead_letter(id))
    }

    /// Notes that a dead letter was published again, and by whom.
    pub async fn mark_replayed(&self, id: Uuid, by: &str) -> Result<()> {
        either!(self.mark_replayed(id, by))
    }

    // Environments.

    /// What is known of an environment.
    pub async fn environment(&self, app: &AppName, environment: &EnvironmentName) -> Result<Option<EnvironmentState>> {
        either!(self.environment(app, environment))
    }

    /// Every environment that is known, by app and name.
    pub async fn environments(&self) -> Result<Vec<EnvironmentState>> {
        either!(self.environments())
    }

    /// Writes what is known of an environment, whole.
    pub async fn put_environment(&self, state: &EnvironmentState) -> Result<()> {
        either!(self.put_environment(state))
    }

    /// Bars a digest from every environment of the app. Barring it again changes nothing.
    pub async fn quarantine(&self, entry: &Quarantined) -> Result<()> {
        either!(self.quarantine(entry))
    }

    /// The entry that bars this digest, if one does.
    pub async fn quarantined(&self, app: &AppName, digest: &Digest) -> Result<Option<Quarantined>> {
        either!(self.quarantined(app, digest))
    }

    /// The database's clock.
    pub async fn now(&self) -> Result<Timestamp> {
        either!(self.now())
    }
}
