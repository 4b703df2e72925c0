//! Whose turn it is: one sweep of a place at a time, wherever reconcilers run.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ledger::{Ledger, LedgerError, SweepEnd, Swept};
use proto::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The turn to sweep a place. Whoever vanishes with it loses it when its lease ends.
pub(crate) struct Turn {
    ledger: Ledger,
    target: String,
    owner: Uuid,
    lease: Duration,
}

impl Turn {
    /// Takes it; `None` when somebody has it, or the place was swept within `every`.
    pub(crate) async fn take(
        ledger: &Ledger,
        target: &str,
        lease: Duration,
        every: Duration,
    ) -> Result<Option<(Self, Swept)>> {
        let owner = Uuid::new_v4();
        let swept = ledger.begin_sweep(target, owner, lease, every).await.context("taking the turn to sweep")?;
        let turn = || Self { ledger: ledger.clone(), target: target.to_owned(), owner, lease };
        Ok(swept.map(|swept| (turn(), swept)))
    }

    /// Does this work while the turn is kept, and notes until when it waits; `None` when it is to stop.
    pub(crate) async fn hold<T>(
        &self,
        stop: &CancellationToken,
        waits_until: impl Fn() -> Option<Timestamp>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        tokio::select! {
            done = work => done.map(Some),
            lost = self.keep(waits_until) => Err(lost),
            () = stop.cancelled() => Ok(None),
        }
    }

    /// Extends the lease until that fails.
    async fn keep(&self, waits_until: impl Fn() -> Option<Timestamp>) -> anyhow::Error {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.ledger.extend_sweep(&self.target, self.owner, self.lease, waits_until()).await {
                Ok(true) => {}
                Ok(false) => return anyhow::anyhow!("the turn went to another; it goes on there"),
                Err(error) => tracing::warn!(%error, "cannot keep the turn for {}: {error}", self.target),
            }
        }
    }

    /// Ends it: the place is swept.
    pub(crate) async fn end(self, end: &SweepEnd) -> Result<()> {
        let ended = self.ledger.end_sweep(&self.target, self.owner, end).await;
        if !ended.context("writing down how far was swept")? {
            bail!("the turn went to another before this sweep was over");
        }
        Ok(())
    }

    /// Ends it with the place unswept; anybody may begin at once.
    pub(crate) async fn break_off(self, end: &SweepEnd) {
        self.unless_away(self.ledger.break_off_sweep(&self.target, self.owner, end).await.map(drop));
    }

    /// Gives it back without a word about how the sweep went.
    pub(crate) async fn give_back(self) {
        self.unless_away(self.ledger.let_sweep_go(&self.target, self.owner).await);
    }

    fn unless_away(&self, ended: Result<(), LedgerError>) {
        if let Err(error) = ended {
            tracing::warn!(%error, "{} is swept again once its lease ends: {error}", self.target);
        }
    }
}
