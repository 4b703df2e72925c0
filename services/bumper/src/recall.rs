//! What an earlier run of the same event had committed, and died before it could tell.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use ledger::{Chain, Offer};
use proto::{BumpReason, Deployment, EnvironmentName, Event, EventId, HealthReported, Lane, WorkerName};
use runtime::Failure;

use crate::{
    Bumper,
    carry::ask,
    chain::{Wish, nothing},
    outcome::Target,
    run::Input,
};

/// How many events that wait are remembered; whatever is forgotten is asked for once more.
const REMEMBERED: usize = 10_000;

/// Which run of an event this is: 1 is the first, 0 where nothing tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run(u32);

/// Up to which run each event that waits is known to have committed nothing. A wait is looked at every few seconds, and
/// the repository must not be asked each time for what only a run that died may have left there.
#[derive(Default)]
pub(crate) struct Looks(Mutex<HashMap<EventId, u32>>);

/// A commit that an earlier run of the same event had made.
pub(crate) struct Recalled {
    pub(crate) deployment: Deployment,
    pub(crate) wish: Wish,
    pub(crate) overtaken: bool,
}

impl Looks {
    /// Whether an earlier run may have got halfway. A replay is no such run: what an earlier one did has been told, and is
    /// asked for once more.
    pub(crate) fn may_have_committed(&self, event: &Event, run: Run) -> bool {
        event.replay == 0 && run.0 > 1 && self.known().get(&event.id) != Some(&(run.0 - 1))
    }

    /// This run ends without a commit, as did those before it.
    pub(crate) fn committed_nothing(&self, event: &Event, run: Run) {
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(event.id, run.0);
    }

    pub(crate) fn forget(&self, event: &Event) {
        self.known().remove(&event.id);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<EventId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bumper {
    /// Which run this is. Each begins with a claim, which counts it, so none comes between two that follow each other.
    pub(crate) async fn run_of(&self, event: &Event) -> Result<Run, Failure> {
        let runs = self.ledger.runs(event.id).await.context("asking for earlier runs")?;
        let ours = |run: &&ledger::Run| run.worker == WorkerName::Bumper && run.replay == event.replay;
        Ok(Run(runs.iter().find(ours).map_or(0, |run| run.attempts)))
    }

    /// What an earlier run of this event had committed, and died before it could tell.
    pub(crate) async fn recall(
        &self,
        target: Target<'_>,
        event: &Event,
        input: &Input<'_>,
        before: &Chain,
    ) -> Result<Vec<Recalled>, Failure> {
        let mut recalled = Vec::new();
        for environment in input.reach(target.app) {
            let wish = first_wish(input, event.id, environment, before);
            let Some(ask) = ask(target, event.id, &wish) else { continue };
            let Some(landed) = self.repositories.landed(&target.written(environment), ask.clone()).await? else {
                continue;
            };
            let deployment = self.deployment(target, ask, landed).await;
            let asked = before.place(environment).and_then(|place| place.asked.as_ref()).map(|asked| &asked.deployment);
            let overtaken = self.overtaken(target, asked, &deployment).await?;
            let wish = as_told(input, wish, &deployment);
            recalled.push(Recalled { deployment, wish, overtaken });
        }
        Ok(recalled)
    }
}

/// The wish that a commit of an earlier run was for. Of two that a fix's verdict has led to, what came beside the fix is
/// of another commit, and came by the gates.
pub(crate) fn as_told(input: &Input<'_>, wish: Wish, deployment: &Deployment) -> Wish {
    let is_beside = |verdict: &HealthReported| verdict.healthy && verdict.deployment.commit != deployment.commit;
    let lane = match input {
        Input::Verdict(verdict) if is_beside(verdict) => Lane::Deploy,
        _ => wish.lane,
    };
    Wish { commit: deployment.commit.clone(), lane, ..wish }
}

/// What the first run of an event wished, as far as it is needed to tell of it.
pub(crate) fn first_wish(input: &Input<'_>, event: EventId, environment: &EnvironmentName, chain: &Chain) -> Wish {
    // An answer names what people were asked first, and that may wait under another id by now.
    let of_wait = |id: EventId| {
        let place = chain.place(environment)?;
        let mut waits = [&place.urgent, &place.waiting, &place.back].into_iter().flatten();
        waits.find(|waiting| waiting.is_named(id)).map(|waiting| waiting.offer.clone())
    };
    let offer = match input {
        Input::Image(candidate) => Offer {
            author: candidate.author.map(ToOwned::to_owned),
            ..nothing(BumpReason::Deploy, candidate.lane, candidate.title.map(ToOwned::to_owned))
        },
        Input::Waiting(it) => of_wait(event).unwrap_or_else(|| nothing(it.reason, it.lane, None)),
        Input::Granted(it) => {
            of_wait(it.approval).unwrap_or_else(|| nothing(BumpReason::Promotion, Lane::Deploy, None))
        }
        Input::Verdict(it) if it.healthy => {
            let asked = chain.place(&it.deployment.environment).and_then(|place| place.asked.as_ref());
            let asked = asked.filter(|asked| asked.deployment.revision == it.deployment.revision);
            let (lane, author) = asked.map_or((Lane::Deploy, None), |asked| (asked.lane, asked.author.clone()));
            Offer { author, ..nothing(BumpReason::Promotion, lane, it.deployment.note.clone()) }
        }
        Input::Verdict(it) => nothing(BumpReason::Rollback, Lane::Deploy, Some(it.summary.clone())),
        Input::Rollback(it) => {
            nothing(BumpReason::Rollback, Lane::Deploy, Some(format!("{} asked for it: {}", it.by, it.reason)))
        }
        Input::Rejected(_) | Input::Hold(_) | Input::Released(_) | Input::Settled(_) => {
            nothing(BumpReason::Deploy, Lane::Deploy, None)
        }
    };
    Wish::of(environment, offer)
}
