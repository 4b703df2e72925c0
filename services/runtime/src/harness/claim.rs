//! A claim held while a run lasts: heartbeats extend it, and losing it stops the run.

use std::time::Duration;

use ledger::{Claim, ClaimKey, Kept, Ledger, LedgerError};
use proto::Message;
use tracing::warn;
use uuid::Uuid;

/// One worker's right to run one event, for now.
pub(super) struct Held<'a> {
    ledger: &'a Ledger,
    key: ClaimKey,
    owner: Uuid,
    lease: Duration,
}

/// What asking for a claim led to.
pub(super) enum Asked<'a> {
    /// It is ours.
    Granted(Held<'a>),
    /// It was done before; these came of it.
    Done(Vec<Message>),
    /// Another run has it until then.
    Elsewhere(Duration),
}

/// Asks once. An error means the ledger is away.
pub(super) async fn ask(ledger: &Ledger, key: ClaimKey, lease: Duration) -> Result<Asked<'_>, LedgerError> {
    let owner = Uuid::new_v4();
    Ok(match ledger.claim(&key, owner, lease).await? {
        Claim::Granted { takeover } => {
            if takeover {
                warn!(worker = %key.worker, event = %key.event, "takes over {} from a run that vanished", key.event);
            }
            Asked::Granted(Held { ledger, key, owner, lease })
        }
        Claim::Done { outcomes } => Asked::Done(outcomes),
        Claim::Held { until } => {
            let left = until.duration_since(jiff::Timestamp::now());
            Asked::Elsewhere(Duration::try_from(left).unwrap_or_default())
        }
    })
}

impl Held<'_> {
    /// Extends the claim for as long as this is awaited; returns when it is lost. A ledger that is away does not
    /// lose it: whether somebody took over is found out when it is back.
    pub(super) async fn lost(&self) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.ledger.heartbeat(&self.key, self.owner, self.lease).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => warn!(event = %self.key.event, %error, "cannot extend the claim on {}", self.key.event),
            }
        }
    }

    /// Keeps the outcomes and what the run leaves, and marks it done; false when the claim had been lost, or another run
    /// has left the same meanwhile.
    pub(super) async fn complete(&self, outcomes: &[Message], kept: Option<&Kept>) -> Result<bool, LedgerError> {
        self.ledger.complete(&self.key, self.owner, outcomes, kept).await
    }

    /// Lets go with the error that ended the run.
    pub(super) async fn release(&self, error: &str, parked: bool) -> Result<(), LedgerError> {
        self.ledger.release(&self.key, self.owner, error, parked).await
    }
}
