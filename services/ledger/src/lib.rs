//! What is known and must be remembered: history, claims and what runs leave for the next, dead letters, sweeps. PostgreSQL or one SQLite file.
//!
//! What a statement means is written once, for both databases; `db` holds all in which they differ. Both pass the
//! one list of tests in `tests/tests/ledger.rs`. Migrations run at opening, under a lock, so any number of processes
//! may start at once. This crate knows no worker's logic and no bus.

mod chain;
mod claims;
mod columns;
mod db;
mod filter;
mod history;
mod kept;
mod letters;
mod location;
mod outcomes;
mod proofs;
mod rows;
mod sweeps;

use proto::Timestamp;

use db::{Db, args};

pub use chain::{Asked, Barred, Chain, Ended, Hold, Offer, Owed, Place, Proposed, Requested, Ruling, Waiting};
pub use location::{BadLocation, Location};
pub use rows::{
    AskedFor, Claim, ClaimKey, DeadFilter, EventFilter, Kept, NewDeadLetter, OpenLetters, Outline, Proven, Recorded,
    Redelivery, Run, RunState, SeenTag, StoredDeadLetter, SweepEnd, SweepState, Swept,
};

/// Why the ledger could not do it.
#[derive(Debug, Clone, thiserror::Error)]
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
pub struct Ledger {
    db: Db,
}

impl Ledger {
    /// Opens the ledger and brings its tables up to date.
    pub async fn open(location: &Location) -> Result<Self> {
        Db::open(location).await.map(|db| Self { db })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.db.ping().await
    }

    /// The database's clock.
    pub async fn now(&self) -> Result<Timestamp> {
        let rows = self.db.read("SELECT clock_timestamp()", args![]).await?;
        let row = rows.first().ok_or_else(|| LedgerError::Unusable("it does not tell the time".to_owned()))?;
        row.get(0)
    }
}
