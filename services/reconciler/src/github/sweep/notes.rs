//! What a sweep writes down: in the ledger what it asked for, and in the history what never comes.

use anyhow::{Context as _, Result};
use ledger::AskedFor;
use proto::{EventId, WorkerName};

use super::{
    super::history::{KEPT, Lost, MOST, Wanted},
    Sweep, TROUBLES, Unsent,
};
use crate::record::{LeftAlone, record};

impl Sweep<'_> {
    /// Says that of some time nobody knows what came.
    pub(super) async fn tell_unseen(&self) -> Result<()> {
        let Some(last) = self.report.unseen_since else { return Ok(()) };
        let (place, oldest) = (self.target(), self.read_at - KEPT);
        let reason = format!(
            "{place} was last swept at {last:.0}, and GitHub keeps what it sent for three days: what it sent from then to \
             {oldest:.0} and nobody took is lost; push again what is missing, and see that a reconciler runs"
        );
        tracing::warn!(place, "{reason}");
        self.record(vec![(format!("unseen since {last}"), reason)]).await
    }

    /// Says once what will never come; a count above the most is the note that it was said.
    pub(super) async fn tell_lost(&self, lost: Vec<Lost>) -> Result<()> {
        let often = format!(
            "it was asked for {MOST} times; see at GitHub what it is answered, and `windlass reconcile --again`"
        );
        let why = |lost: &Lost| {
            if lost.too_old { "GitHub keeps it no longer; do again what it told of".to_owned() } else { often.clone() }
        };
        self.give_up(lost.into_iter().map(|lost| (why(&lost), lost.wanted)).collect()).await
    }

    async fn give_up(&self, lost: Vec<(String, Wanted)>) -> Result<()> {
        let place = self.target();
        let mut reasons = Vec::new();
        for (why, wanted) in &lost {
            let (delivery, first) = (&wanted.guid, wanted.first);
            let reason = format!("{place}: {delivery} of {first:.0} never came, and is not asked for any more: {why}");
            tracing::error!(place, delivery, "{reason}");
            reasons.push((delivery.clone(), reason));
        }
        self.hook.webhook.metrics.given_up(lost.len());
        self.record(reasons).await?;
        let lost = lost.into_iter().map(|(_, wanted)| self.asked_for(&wanted, MOST + 1)).collect();
        self.note_all(lost).await.context("writing down what is given up")
    }

    /// Notes what GitHub did not send. That is a try, unless GitHub failed to send anything, or so many in a row that it
    /// is in trouble: then it is asked for ever less often, and not given up for that.
    pub(super) async fn note_unsent(&mut self) -> Result<()> {
        let (mut noted, mut lost) = (Vec::new(), Vec::new());
        let sends = self.report.asked > 0 && self.troubles < TROUBLES;
        for Unsent { wanted, why, in_trouble } in std::mem::take(&mut self.unsent) {
            let (tries, is_try) = (wanted.tries.unwrap_or(0), sends || !in_trouble);
            let is_last = tries + 1 >= MOST;
            self.report.unsent.push(format!("{}: {why}", wanted.guid));
            if is_try && is_last && tries <= MOST {
                let why =
                    format!("GitHub did not send it, {MOST} times: {why}; `windlass reconcile --again` asks once more");
                self.report.given_up.push(wanted.guid.clone());
                lost.push((why, wanted));
            } else {
                noted.push(self.asked_for(&wanted, u32::from(is_try || !is_last)));
            }
        }
        self.report.missing_still += noted.len() + lost.len();
        self.note_all(noted).await.context("writing down what was not sent")?;
        self.give_up(lost).await
    }

    /// Writes into the history what is left alone, by what it is about.
    async fn record(&self, reasons: Vec<(String, String)>) -> Result<()> {
        let source = &self.hook.webhook.source;
        let left = |(about, reason): (String, String)| LeftAlone {
            of: EventId::of_webhook(source, format!("{} {about}", self.target()).as_bytes()),
            app: None,
            worker: WorkerName::Normalizer,
            time: self.read_at,
            reason,
        };
        record(self.context, reasons.into_iter().map(left).collect()).await
    }

    /// Forgets that these were asked for.
    pub(super) async fn came(&self, deliveries: &[String]) -> Result<()> {
        let settled = self.context.ledger.settle_redeliveries(self.target(), deliveries).await;
        settled.context("writing down what came")
    }

    /// Remembers that these were asked for and have not come, and whether that was a try.
    pub(super) async fn note(&mut self, wanted: Vec<Wanted>, is_try: bool) -> Result<()> {
        self.report.missing_still += wanted.len();
        let asked = wanted.iter().map(|wanted| self.asked_for(wanted, is_try.into())).collect();
        self.note_all(asked).await.context("writing down what was asked for")
    }

    fn asked_for(&self, wanted: &Wanted, times: u32) -> AskedFor {
        let attempt = i64::try_from(self.history.attempt(wanted)).ok();
        AskedFor { delivery: wanted.guid.clone(), times, attempt, first_at: Some(wanted.first) }
    }

    async fn note_all(&self, asked: Vec<AskedFor>) -> Result<()> {
        Ok(self.context.ledger.note_redeliveries(self.target(), &asked).await?)
    }
}
