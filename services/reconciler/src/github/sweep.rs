//! One sweep of a webhook: what never came is asked for, and looked for again.
//!
//! It asks in batches and looks after each. Where nothing more is taken it stops: nobody is helped by thousands of
//! deliveries to a door that is shut. What is asked for twice, as after a crash, comes twice under the same id.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, Result};
use ledger::{Ledger, Redelivery, Swept};
use proto::Timestamp;
use tokio::time::Instant;

use super::{
    Hook,
    history::{Fate, History, KEPT, Plan, Wanted},
    webhook::{Asked, Until},
};
use crate::{Mode, report::HookReport};

/// How many are asked for between two looks.
const BATCH: usize = 50;
/// How many may be under way; more would only queue up before the receiver.
const UNDER_WAY: usize = 200;
/// How far before the watermark a sweep begins: GitHub may list an attempt somewhat after it was made.
const OVERLAP: Duration = Duration::from_mins(10);
/// The pauses between looks for what was asked for last. Mostly GitHub sends it within seconds.
const LOOKS: [Duration; 7] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// A sweep under way.
pub(crate) struct Sweep<'a> {
    hook: &'a Hook,
    ledger: &'a Ledger,
    path: String,
    since: Timestamp,
    history: History,
    /// Asked for in this sweep, and not seen again yet.
    under_way: Vec<Wanted>,
    /// When what is not settled was first attempted.
    unsettled: Vec<Timestamp>,
    asked_at: Option<Instant>,
    report: HookReport,
}

/// What one look found of what was under way.
#[derive(Debug, Default)]
struct Seen {
    taken: usize,
    refused: Vec<Wanted>,
    away: Vec<Wanted>,
}

/// What a sweep came to.
pub(crate) struct Done {
    pub(crate) report: HookReport,
    /// What is older need not be looked at again. Nothing where nobody takes what is sent: then the sweep is not over.
    pub(crate) watermark: Option<Timestamp>,
}

impl<'a> Sweep<'a> {
    /// Reads what was attempted since the last sweep; as far back as GitHub sends again, the first time.
    pub(crate) async fn begin(hook: &'a Hook, ledger: &'a Ledger, swept: Option<Swept>) -> Result<Self> {
        let path = hook.webhook.locate().await?;
        let oldest = Timestamp::now() - KEPT;
        let since = swept.and_then(|swept| swept.watermark).map_or(oldest, |mark| (mark - OVERLAP).max(oldest));
        let mut history = History::default();
        hook.webhook.read(&path, &mut history, Until::Time(since)).await?;
        let report = HookReport::new(hook.webhook.name(), since, history.len());
        let (under_way, unsettled) = (Vec::new(), Vec::new());
        Ok(Self { hook, ledger, path, since, history, under_way, unsettled, asked_at: None, report })
    }

    /// Asks for what is missing; only says what that is where `mode` has it so.
    pub(crate) async fn run(mut self, mode: Mode) -> Result<Done> {
        let plan = self.plan(mode).await?;
        self.report.of(&plan);
        if mode.dry_run {
            return Ok(Done { report: self.report, watermark: None });
        }
        self.hook.webhook.metrics.missing(plan.ask.iter().filter(|wanted| !wanted.again).count());
        self.tell_lost(&plan.lost).await?;
        self.unsettled = plan.waiting.iter().map(|(_, first)| *first).collect();
        let mut queue = VecDeque::from(plan.ask);
        let open = self.history.door_is_open() || queue.is_empty() || self.probe(&mut queue).await?;
        if !open || !self.ask_all(&mut queue).await? {
            self.report.door_is_shut = true;
            return Ok(Done { report: self.report, watermark: None });
        }
        self.finish().await
    }

    async fn plan(&self, mode: Mode) -> Result<Plan> {
        let asked = self.ledger.redeliveries(self.target()).await.context("reading what was asked for")?;
        let asked: BTreeMap<String, Redelivery> = asked.into_iter().map(|r| (r.delivery.clone(), r)).collect();
        let now = self.ledger.now().await.context("asking the ledger for the time")?;
        Ok(self.history.plan(&asked, now, mode.again))
    }

    fn target(&self) -> &str {
        &self.report.place
    }

    /// Says once what will never come; a count above the most is the note that it was said.
    async fn tell_lost(&self, lost: &[String]) -> Result<()> {
        let place = self.target();
        for delivery in lost {
            tracing::error!(
                place,
                delivery,
                "{place}: {delivery} never came, and is not asked for any more; see it at GitHub"
            );
        }
        self.hook.webhook.metrics.given_up(lost.len());
        self.ledger.note_redeliveries(place, lost).await.context("writing down what is given up")
    }

    /// Asks for one delivery alone, and waits for what becomes of it: whether somebody is there who answers. Another
    /// one each time, for one may be what can never be taken.
    async fn probe(&mut self, queue: &mut VecDeque<Wanted>) -> Result<bool> {
        let last = self.hook.last_probe();
        let after = |wanted: &Wanted| last.as_ref().is_none_or(|last| *last < wanted.place());
        let next = queue.iter().position(after).unwrap_or(0);
        let Some(probe) = queue.remove(next) else { return Ok(true) };
        self.hook.probed(probe.place());
        self.ask(probe).await?;
        let mut seen = Seen::default();
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            seen = self.look(Until::Known(self.since)).await?;
            if self.under_way.is_empty() {
                break;
            }
        }
        let open = seen.taken + seen.refused.len() > 0;
        self.settle(seen, open).await?;
        Ok(open)
    }

    /// Asks for all of it, and says whether somebody was there throughout.
    async fn ask_all(&mut self, queue: &mut VecDeque<Wanted>) -> Result<bool> {
        while !queue.is_empty() {
            for _ in 0..BATCH {
                let Some(wanted) = queue.pop_front() else { break };
                self.ask(wanted).await?;
            }
            for pause in [Duration::ZERO].into_iter().chain(LOOKS) {
                tokio::time::sleep(pause).await;
                let seen = self.look(Until::Known(self.since)).await?;
                let open = seen.away.is_empty() || seen.taken + seen.refused.len() > 0;
                self.settle(seen, open).await?;
                if !open {
                    return Ok(false);
                }
                if self.under_way.len() <= UNDER_WAY {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Asks for one delivery, no sooner than the pause after the last.
    async fn ask(&mut self, wanted: Wanted) -> Result<()> {
        if let Some(last) = self.asked_at {
            tokio::time::sleep_until(last + self.hook.pause).await;
        }
        self.asked_at = Some(Instant::now());
        match self.hook.webhook.redeliver(&self.path, wanted.attempt).await? {
            Asked::Accepted => {
                self.report.asked += 1;
                self.hook.webhook.metrics.asked();
                self.under_way.push(wanted);
            }
            Asked::Gone(why) => {
                let (place, delivery) = (&self.report.place, &wanted.guid);
                tracing::warn!(place, delivery, "{place}: GitHub does not send {delivery} again: {why}");
                self.note(vec![wanted]).await?;
            }
        }
        Ok(())
    }

    /// Looks what became of what is under way.
    async fn look(&mut self, until: Until) -> Result<Seen> {
        self.hook.webhook.read(&self.path, &mut self.history, until).await?;
        let mut seen = Seen::default();
        for wanted in std::mem::take(&mut self.under_way) {
            match self.history.since(&wanted) {
                None => self.under_way.push(wanted),
                Some(Fate::Taken) => seen.taken += 1,
                Some(Fate::Refused) => seen.refused.push(wanted),
                Some(Fate::Away) => seen.away.push(wanted),
            }
        }
        Ok(seen)
    }

    /// Counts what was seen. What came to a shut door was no try.
    async fn settle(&mut self, seen: Seen, open: bool) -> Result<()> {
        self.report.came += seen.taken;
        self.hook.webhook.metrics.came(seen.taken);
        let failed = seen.refused.into_iter().chain(seen.away.into_iter().filter(|_| open));
        self.note(failed.collect()).await
    }

    /// Remembers that these were asked for and have not come.
    async fn note(&mut self, wanted: Vec<Wanted>) -> Result<()> {
        self.report.missing_still += wanted.len();
        self.unsettled.extend(wanted.iter().map(|wanted| wanted.first));
        let guids: Vec<_> = wanted.into_iter().map(|wanted| wanted.guid).collect();
        self.ledger.note_redeliveries(self.target(), &guids).await.context("writing down what was asked for")
    }

    /// Waits a while for what is still under way, and says how far was swept.
    async fn finish(mut self) -> Result<Done> {
        for pause in LOOKS {
            let seen = self.look(Until::Known(self.since)).await?;
            self.settle(seen, true).await?;
            if self.under_way.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        let left = std::mem::take(&mut self.under_way);
        self.note(left).await?;
        let forget = Timestamp::now() - KEPT * 2;
        self.ledger.forget_redeliveries(self.target(), forget).await.context("forgetting what was asked for")?;
        let watermark = self.unsettled.iter().copied().chain(self.history.newest()).min();
        Ok(Done { report: self.report, watermark })
    }
}
