//! Claims: who runs what, and what came of it.
//!
//! Leases are by the database's clock, and each change of a claim is one statement, so of any number of claimers one
//! is granted. One that would end later than any does was written while that clock was ahead, and has ended. What a run
//! does is none of this module's business.

use std::time::Duration;

use proto::{EventId, Message};
use uuid::Uuid;

use crate::{
    Claim, ClaimKey, Kept, Ledger, LedgerError, Result, Run, RunState,
    db::{Row, args},
    outcomes,
};

/// Longest error kept with a claim, in bytes; the whole chain stands in the log and the dead letter.
const ERROR_LIMIT: usize = 8 * 1024;

// Parameters are numbered in the order in which they first appear: SQLite goes by it.
const CLAIM: &str = "
    INSERT INTO claims (worker, event, replay, owner, state, lease_until, attempts, takeover, started_at)
    VALUES ($1, $2, $3, $4, 'running', clock_timestamp() + CAST($5 AS interval), 1, FALSE, clock_timestamp())
    ON CONFLICT (event, worker, replay) DO UPDATE
    SET owner = excluded.owner, state = 'running', lease_until = clock_timestamp() + CAST($5 AS interval),
        attempts = claims.attempts + 1, takeover = (claims.state = 'running')
    WHERE claims.state IN ('failed', 'parked')
       OR (claims.state = 'running' AND (claims.lease_until <= clock_timestamp()
           OR claims.lease_until > clock_timestamp() + CAST($6 AS interval)))
    RETURNING takeover";

const REFUSED: &str = "
    SELECT state, lease_until, outcomes FROM claims WHERE worker = $1 AND event = $2 AND replay = $3";

const HEARTBEAT: &str = "
    UPDATE claims SET lease_until = clock_timestamp() + CAST($1 AS interval)
    WHERE worker = $2 AND event = $3 AND replay = $4 AND owner = $5 AND state = 'running'
    RETURNING attempts";

// The same outcomes again are the second try of a call whose answer was lost.
const COMPLETE: &str = "
    UPDATE claims
    SET state = 'done', outcomes = $1, outcome_count = $2, finished_at = clock_timestamp(),
        kept_for = $3, kept_version = $4, kept = $5
    WHERE worker = $6 AND event = $7 AND replay = $8 AND owner = $9
      AND ((state = 'running' AND NOT EXISTS
              (SELECT 1 FROM claims AS others WHERE others.kept_for = $3 AND others.kept_version >= $4))
           OR (state = 'done' AND outcomes = $1))
    RETURNING attempts";

const RELEASE: &str = "
    UPDATE claims
    SET state = $1, error = $2, finished_at = clock_timestamp(), lease_until = clock_timestamp()
    WHERE worker = $3 AND event = $4 AND replay = $5 AND owner = $6 AND state = 'running'
    RETURNING attempts";

const RUNS: &str = "
    SELECT worker, replay, state, attempts, started_at, finished_at, error, outcome_count
    FROM claims WHERE event = $1";

impl Ledger {
    /// Claims a run for `owner` until `lease` from now by the database's clock. A live claim is held against its own
    /// owner too: two deliveries of one event in one process must not run together.
    pub async fn claim(&self, key: &ClaimKey, owner: Uuid, lease: Duration) -> Result<Claim> {
        let args = args![key.worker.as_str(), key.event.0, key.replay, owner, lease, longest(lease)];
        if let Some(row) = self.db.write(CLAIM, args).await?.first() {
            return Ok(Claim::Granted { takeover: row.get(0)? });
        }
        let rows = self.db.read(REFUSED, args![key.worker.as_str(), key.event.0, key.replay]).await?;
        let vanished = || LedgerError::Unavailable("the claim vanished while it was read".to_owned());
        let row = rows.first().ok_or_else(vanished)?;
        match run_state(row, 0)? {
            RunState::Done => Ok(Claim::Done { outcomes: outcomes::decode(row.get(2)?)? }),
            // A claim that was let go in between had its lease ended, so `until` is now.
            RunState::Running | RunState::Failed | RunState::Parked => Ok(Claim::Held { until: row.get(1)? }),
        }
    }

    /// Extends the lease; false when the claim is no longer `owner`'s, and the run must stop.
    pub async fn heartbeat(&self, key: &ClaimKey, owner: Uuid, lease: Duration) -> Result<bool> {
        let args = args![lease, key.worker.as_str(), key.event.0, key.replay, owner];
        Ok(!self.db.write(HEARTBEAT, args).await?.is_empty())
    }

    /// Marks the run done and keeps its outcomes, and what it leaves for the next, in one transaction; false when the
    /// claim is no longer `owner`'s, or another run has left this version meanwhile. A second call with the same
    /// outcomes is answered as the first was.
    pub async fn complete(
        &self,
        key: &ClaimKey,
        owner: Uuid,
        outcomes: &[Message],
        kept: Option<&Kept>,
    ) -> Result<bool> {
        let (encoded, count) = (outcomes::encode(outcomes)?, i64::try_from(outcomes.len()).unwrap_or(i64::MAX));
        let (name, version) = (kept.map(|kept| kept.name.as_str()), kept.map(|kept| kept.version));
        let state = kept.map(|kept| kept.state.as_str());
        let run = (key.worker.as_str(), key.event.0, key.replay);
        let args = args![encoded, count, name, version, state, run.0, run.1, run.2, owner];
        Ok(!self.db.write(COMPLETE, args).await?.is_empty())
    }

    /// Lets the claim go with the error that ended the run (its first 8 KiB), so that the next delivery may claim it
    /// at once. `parked` says that there will be no next delivery. Does nothing when the claim is not `owner`'s.
    pub async fn release(&self, key: &ClaimKey, owner: Uuid, error: &str, parked: bool) -> Result<()> {
        let state = if parked { "parked" } else { "failed" };
        let error = &error[..error.floor_char_boundary(ERROR_LIMIT)];
        let args = args![state, error, key.worker.as_str(), key.event.0, key.replay, owner];
        self.db.write(RELEASE, args).await.map(drop)
    }

    /// Every run of an event, by worker and replay.
    pub async fn runs(&self, event: EventId) -> Result<Vec<Run>> {
        let rows = self.db.read(RUNS, args![event.0]).await?;
        let mut runs: Vec<Run> = rows.iter().map(run).collect::<Result<_>>()?;
        runs.sort_by_key(|run| (run.worker, run.replay));
        Ok(runs)
    }
}

/// No lease ends later than this, whoever wrote it: others may have longer ones than this one, but none of days.
pub(crate) fn longest(lease: Duration) -> Duration {
    lease.saturating_add(Duration::from_hours(24))
}

fn run(row: &Row) -> Result<Run> {
    Ok(Run {
        worker: row.parse(0)?,
        replay: row.get(1)?,
        state: run_state(row, 2)?,
        attempts: row.get(3)?,
        started_at: row.get(4)?,
        finished_at: row.get(5)?,
        error: row.get(6)?,
        outcomes: row.get(7)?,
    })
}

fn run_state(row: &Row, column: usize) -> Result<RunState> {
    match row.get::<String>(column)?.as_str() {
        "running" => Ok(RunState::Running),
        "done" => Ok(RunState::Done),
        "failed" => Ok(RunState::Failed),
        "parked" => Ok(RunState::Parked),
        other => Err(LedgerError::Unusable(format!("a claim is in the unknown state `{other}`"))),
    }
}
