//! One sweep of a webhook: what never came is asked for, and looked for again.
//!
//! It asks in batches and looks after each. Where nothing more is taken it stops: nobody is helped by thousands of
//! deliveries to a door that is shut. What is asked for twice, as after a crash, comes twice under the same id.
//!
//! What was asked for and has not come is noted, with all that it takes to ask again, so one that is never taken does not
//! have the rest of the list read again and again.

mod notes;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use ledger::{Redelivery, Swept};
use proto::Timestamp;
use runtime::Context;
use tokio::time::Instant;

use super::{
    Hook, Read,
    history::{Fate, History, KEPT, Plan, Wanted},
    webhook::{Asked, NotThere, Until},
};
use crate::{Mode, report::HookReport};

/// How many are asked for between two looks.
const BATCH: usize = 50;
/// After so many in a row that GitHub fails to send, GitHub is in trouble, and not a delivery.
const TROUBLES: u32 = 3;
/// How many may be under way; more would only queue up before the receiver.
const UNDER_WAY: usize = 200;
/// How far before the watermark a sweep begins: GitHub may list an attempt somewhat after it was made.
const OVERLAP: Duration = Duration::from_mins(10);
/// How much further back than GitHub sends again it is read after an earlier sweep, at least: to tell of what was lost
/// since.
const LOST: Duration = Duration::from_hours(1);
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
    context: &'a Context,
    path: String,
    /// How far was swept before.
    swept_to: Option<Timestamp>,
    since: Timestamp,
    /// When the list was read, by the ledger's clock.
    read_at: Timestamp,
    /// The newest attempt then. What fails after it, while this sweep asks, is for the next.
    newest: Option<Timestamp>,
    history: History,
    /// Asked for in this sweep, and not seen again yet.
    under_way: Vec<Wanted>,
    asked_at: Option<Instant>,
    /// What GitHub did not send in this sweep, and how many at the end of that it failed to.
    unsent: Vec<Unsent>,
    troubles: u32,
    /// Whether GitHub would not send something, and the webhook was still there after that.
    is_there: bool,
    report: HookReport,
}

/// What GitHub did not send.
#[derive(Debug)]
struct Unsent {
    wanted: Wanted,
    /// In its words.
    why: String,
    /// It failed to; else it cannot any more.
    in_trouble: bool,
}

/// What one look found of what was under way.
#[derive(Debug, Default)]
struct Seen {
    taken: Vec<Wanted>,
    refused: Vec<Wanted>,
    away: Vec<Wanted>,
}

/// What a sweep came to.
pub(crate) struct Done {
    pub(crate) report: HookReport,
    /// What is older need not be looked at again. Nothing where nobody takes what is sent: then the sweep is not over.
    pub(crate) watermark: Option<Timestamp>,
    /// When the list was read, for the next sweep.
    pub(crate) left: Option<String>,
}

impl<'a> Sweep<'a> {
    /// Reads what was attempted since the last sweep; as far back as GitHub sends again, the first time.
    pub(crate) async fn begin(hook: &'a Hook, context: &'a Context, swept: Option<Swept>) -> Result<Self> {
        let read_at = context.ledger.now().await.context("asking the ledger for the time")?;
        let last = swept.as_ref().and_then(last_read);
        let swept_to = swept.and_then(|swept| swept.watermark);
        let oldest = read_at - KEPT;
        // Of what has become too old since it was last read nobody was told, however long ago that is.
        let unread =
            last.filter(|last| *last >= oldest).map_or(LOST, |last| read_at.duration_since(last).unsigned_abs());
        let since = swept_to.map_or(oldest, |mark| (mark - OVERLAP).max(oldest - LOST.max(unread)));
        let known = hook.take_read(swept_to).map(|read| {
            // GitHub may have listed since what it made somewhat before the newest that was read.
            let until = read.newest.map_or(read.since, |newest| (newest - OVERLAP).max(read.since));
            (read.history, Until::Time(until), read.since)
        });
        let (mut history, until, since) = known.unwrap_or_else(|| (History::default(), Until::Time(since), since));
        let path = hook.webhook.path().await?;
        let path = match hook.webhook.read(&path, &mut history, until).await {
            // Made anew since it was found, perhaps.
            Err(error) if error.is::<NotThere>() && hook.webhook.forget_path() => {
                let path = hook.webhook.path().await?;
                hook.webhook.read(&path, &mut history, Until::Time(since)).await?;
                path
            }
            read => read.map(|()| path)?,
        };
        let mut report = HookReport::new(hook.webhook.name(), since, history.len());
        report.unseen_since = last.filter(|last| *last < oldest);
        Ok(Self {
            hook,
            context,
            path,
            swept_to,
            since,
            read_at,
            newest: history.newest(),
            history,
            under_way: Vec::new(),
            asked_at: None,
            unsent: Vec::new(),
            troubles: 0,
            is_there: false,
            report,
        })
    }

    /// Asks for what is missing; only says what that is where `mode` has it so.
    pub(crate) async fn run(mut self, mode: Mode) -> Result<Done> {
        let plan = self.plan(mode).await?;
        self.report.of(&plan);
        if mode.dry_run {
            return Ok(Done { report: self.report, watermark: None, left: None });
        }
        self.hook.webhook.metrics.missing(plan.ask.iter().filter(|wanted| !wanted.is_again()).count());
        self.tell_unseen().await?;
        self.tell_lost(plan.lost).await?;
        self.came(&plan.came).await?;
        match self.recover(VecDeque::from(plan.ask)).await {
            Ok(true) => self.finish(&plan.unnoted).await,
            Ok(false) => self.leave().await,
            Err(error) => {
                if let Err(unnoted) = self.note_rest().await {
                    tracing::warn!(place = self.target(), "what was asked for is asked for again: {unnoted:#}");
                }
                Err(error)
            }
        }
    }

    /// Asks for all of it and looks what becomes of it, and says whether somebody is there.
    async fn recover(&mut self, mut queue: VecDeque<Wanted>) -> Result<bool> {
        let open = self.history.door_is_open() || self.probe(&mut queue).await?;
        if !open || !self.ask_all(&mut queue).await? {
            return Ok(false);
        }
        self.wait_for_rest().await?;
        Ok(true)
    }

    /// Ends before a shut door: what was read is kept, for it need not be read again.
    async fn leave(mut self) -> Result<Done> {
        self.report.door_is_shut = true;
        self.note_unsent().await?;
        let left = Some(self.read_at.to_string());
        let Self { swept_to: watermark, since, newest, history, .. } = self;
        self.hook.keep_read(Read { watermark, since, newest, history });
        Ok(Done { report: self.report, watermark: None, left })
    }

    async fn plan(&self, mode: Mode) -> Result<Plan> {
        let asked = self.context.ledger.redeliveries(self.target()).await.context("reading what was asked for")?;
        let asked: BTreeMap<String, Redelivery> = asked.into_iter().map(|r| (r.delivery.clone(), r)).collect();
        Ok(self.history.plan(&asked, self.read_at, mode.again))
    }

    fn target(&self) -> &str {
        &self.report.place
    }

    /// Asks for one delivery and says whether somebody is there: another one each time, for one may be what nobody can
    /// take. What GitHub does not send any more says nothing of that, so the next is asked for.
    async fn probe(&mut self, queue: &mut VecDeque<Wanted>) -> Result<bool> {
        let last = self.hook.last_probe();
        let after = |wanted: &Wanted| last.as_ref().is_none_or(|last| *last < wanted.place());
        queue.rotate_left(queue.iter().position(after).unwrap_or(0));
        while let Some(probe) = queue.pop_front() {
            self.hook.probed(probe.place());
            self.ask(probe).await?;
            if !self.under_way.is_empty() {
                break;
            }
        }
        queue.make_contiguous().sort_by_key(Wanted::place);
        if self.under_way.is_empty() {
            return Ok(true);
        }
        let mut seen = Seen::default();
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            seen = self.look(Until::Known(self.since)).await?;
            if self.under_way.is_empty() {
                break;
            }
        }
        let open = !seen.taken.is_empty() || !seen.refused.is_empty();
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
                let open = seen.away.is_empty() || !seen.taken.is_empty() || !seen.refused.is_empty();
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
                self.troubles = 0;
                self.report.asked += 1;
                self.hook.webhook.metrics.asked();
                self.under_way.push(wanted);
            }
            Asked::Gone(why) => {
                self.troubles = 0;
                self.check_is_there().await?;
                self.is_unsent(wanted, why, false);
            }
            Asked::Failed(why) => {
                self.troubles += 1;
                self.is_unsent(wanted, why.clone(), true);
                if self.troubles >= TROUBLES {
                    bail!("GitHub failed to send {TROUBLES} deliveries one after the other: {why}");
                }
            }
        }
        Ok(())
    }

    fn is_unsent(&mut self, wanted: Wanted, why: String, in_trouble: bool) {
        let (place, delivery) = (&self.report.place, &wanted.guid);
        tracing::warn!(place, delivery, "{place}: GitHub does not send {delivery} again: {why}");
        self.unsent.push(Unsent { wanted, why, in_trouble });
    }

    /// Fails where not the delivery is gone, but the webhook. Once a sweep is enough.
    async fn check_is_there(&mut self) -> Result<()> {
        if !self.is_there {
            self.hook.webhook.read(&self.path, &mut self.history, Until::Known(self.since)).await?;
            self.is_there = true;
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
                Some(Fate::Taken) => seen.taken.push(wanted),
                Some(Fate::Refused) => seen.refused.push(wanted),
                Some(Fate::Away) => seen.away.push(wanted),
            }
        }
        Ok(seen)
    }

    /// Counts what was seen. What nobody answered was no try; before a shut door it is asked for again at once.
    async fn settle(&mut self, seen: Seen, open: bool) -> Result<()> {
        self.report.came += seen.taken.len();
        self.hook.webhook.metrics.came(seen.taken.len());
        let again = seen.taken.into_iter().filter(Wanted::is_again);
        self.came(&again.map(|wanted| wanted.guid).collect::<Vec<_>>()).await?;
        self.note(seen.refused, true).await?;
        self.note(seen.away.into_iter().filter(|_| open).collect(), false).await
    }

    /// Waits a while for what is still under way.
    async fn wait_for_rest(&mut self) -> Result<()> {
        for pause in [Duration::ZERO].into_iter().chain(LOOKS) {
            if self.under_way.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            let seen = self.look(Until::Known(self.since)).await?;
            self.settle(seen, true).await?;
        }
        Ok(())
    }

    /// Notes what GitHub did not send, and what was not seen again: nobody answered it, as far as is known.
    async fn note_rest(&mut self) -> Result<()> {
        let unseen = std::mem::take(&mut self.under_way);
        self.note(unseen, false).await?;
        self.note_unsent().await
    }

    /// Ends with everything noted that has not come, and says how far was swept.
    async fn finish(mut self, unnoted: &[Timestamp]) -> Result<Done> {
        self.note_rest().await?;
        let forget = Timestamp::now() - KEPT * 2;
        let forgotten = self.context.ledger.forget_redeliveries(self.target(), forget).await;
        forgotten.context("forgetting what was asked for")?;
        let watermark = unnoted.iter().copied().chain(self.newest).min();
        Ok(Done { report: self.report, watermark, left: Some(self.read_at.to_string()) })
    }
}

/// When the list was last read: at a sweep that ended before a shut door too, which an earlier build did not note.
fn last_read(swept: &Swept) -> Option<Timestamp> {
    swept.left.as_ref().and_then(|left| left.parse().ok()).max(swept.swept_at)
}
