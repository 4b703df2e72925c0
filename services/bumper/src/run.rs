//! Takes an event's step of a chain: what is known is read, the step is taken, the GitOps repository is asked, and what is
//! known then is left together with the outcomes.
//!
//! Should the process die in between, the event comes again and finds either nothing done, or the commits its first run
//! had made, which are told then, or all of it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use futures_util::future::join_all;
use ledger::{Chain, Offer};
use proto::{
    AppName, ApprovalGranted, ApprovalRejected, BumpReason, ComponentName, Deployment, EnvironmentName, Event, EventId,
    HealthReported, HoldChanged, Lane, QuarantineReleased, Release, ReleaseWaiting, RollbackRequested, Timestamp,
    WorkerName,
};
use runtime::{
    Failure, Outcomes,
    config::{App, TagRule},
};

use crate::{
    Bumper,
    chain::{Cause, Step, Wish},
    edit::Ask,
    outcome::Target,
    release::Candidate,
    repo::Answer,
};

/// How soon a release that waits asks again, and how late.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_mins(10);

/// What happens to a chain.
pub(crate) enum Input<'a> {
    Image(Candidate<'a>),
    Waiting(&'a ReleaseWaiting),
    Verdict(&'a HealthReported),
    Granted(&'a ApprovalGranted),
    Rejected(&'a ApprovalRejected),
    Hold(&'a HoldChanged),
    Rollback(&'a RollbackRequested),
    Released(&'a QuarantineReleased),
}

impl Input<'_> {
    pub(crate) fn app(&self) -> &AppName {
        match self {
            Self::Image(it) => it.app,
            Self::Waiting(it) => &it.app,
            Self::Verdict(it) => &it.deployment.app,
            Self::Granted(it) => &it.app,
            Self::Rejected(it) => &it.app,
            Self::Hold(it) => &it.app,
            Self::Rollback(it) => &it.app,
            Self::Released(it) => &it.app,
        }
    }
}

impl Bumper {
    pub(crate) async fn step(&self, event: &Event, input: Input<'_>) -> Result<Outcomes, Failure> {
        let name = input.app();
        let Some(app) = self.config.apps.get(name) else {
            return Ok(Outcomes::ignored(format!("there is no app `{name}` in the configuration")));
        };
        let Some(gitops) = app.gitops.as_ref().filter(|_| !app.environments.is_empty()) else {
            return Ok(Outcomes::ignored(format!("the app `{name}` has no environment to deploy to")));
        };
        let target = Target { name, app, gitops };
        let turn = self.turn(name).lock_owned().await;
        let (version, before) = self.ledger.chain(name).await.context("asking for the chain")?;
        let cause = Cause { id: event.id, replay: event.replay, now: Timestamp::now() };
        let mut step = Step::new(before.clone(), name, app, cause);
        self.recall(target, event, &input, &mut step).await?;
        self.take(target, event, &input, &mut step).await?;
        self.carry_out(target, event, &mut step).await?;
        let Step { chain: after, told, .. } = step;
        if let Some(wait) = told.comes_again {
            let reason = format!("{} waits for {}", event.subject, wait.waits_for);
            return Err(Failure::NotYet { after: wait.at_least.clamp(SOONEST, LATEST), reason });
        }
        let mut outcomes = Outcomes::none();
        for (subject, data) in told.events {
            outcomes = outcomes.and(subject, data);
        }
        // An event has one `event.ignored` at most, so the reasons share it.
        if !told.reasons.is_empty() {
            outcomes = outcomes.with(Outcomes::ignored(told.reasons.join("; ")));
        }
        if after == before {
            return Ok(outcomes);
        }
        Ok(outcomes.keeping(after.keep(name, version).context("writing down the chain")?, turn))
    }

    /// Whether the environment was asked for something later than this deployment. A revision the repository does not
    /// know any more was rewritten away: the order of arrival is all there is then.
    async fn overtaken(&self, target: Target<'_>, chain: &Chain, deployment: &Deployment) -> Result<bool, Failure> {
        let asked = chain.place(&deployment.environment).and_then(|place| place.asked.as_ref());
        let Some(asked) = asked.filter(|asked| asked.deployment.revision != deployment.revision) else {
            return Ok(false);
        };
        let (older, newer) = (deployment.revision.clone(), asked.deployment.revision.clone());
        Ok(self.repositories.is_before(target.gitops, older, newer).await? == Some(true))
    }

    /// What an earlier run of this event had committed, and died before it could tell.
    async fn recall(
        &self,
        target: Target<'_>,
        event: &Event,
        input: &Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Failure> {
        if !self.was_begun(event).await? {
            return Ok(());
        }
        for environment in target.app.environments.keys() {
            let wish = first_wish(input, event.id, environment, &step.chain);
            let Some(ask) = ask(target, event.id, &wish) else { continue };
            let Some(landed) = self.repositories.landed(target.gitops, ask.clone()).await? else { continue };
            let deployment = self.deployment(target, ask, landed).await;
            let overtaken = self.overtaken(target, &step.chain, &deployment).await?;
            step.was_landed(deployment, &wish, overtaken);
        }
        Ok(())
    }

    /// Whether an earlier run of this event may have got halfway. A replay is no such run: what an earlier one did
    /// has been told, and is asked for once more.
    async fn was_begun(&self, event: &Event) -> Result<bool, Failure> {
        let runs = self.ledger.runs(event.id).await.context("asking for earlier runs")?;
        let again = |run: &ledger::Run| run.worker == WorkerName::Bumper && run.replay == 0 && run.attempts > 1;
        Ok(event.replay == 0 && runs.iter().any(again))
    }

    async fn take(
        &self,
        target: Target<'_>,
        event: &Event,
        input: &Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Failure> {
        match input {
            Input::Image(candidate) => self.offer(event, target, candidate, step).await?,
            Input::Waiting(waiting) => step.waited(event.id, waiting),
            Input::Verdict(report) => {
                let is_older = self.overtaken(target, &step.chain, &report.deployment).await?;
                step.judged(report, is_older);
            }
            Input::Granted(it) => step.granted(it.approval, &it.environment, &it.by),
            Input::Rejected(it) => step.rejected(it.approval, &it.environment, &it.by, it.comment.as_deref()),
            Input::Hold(change) => step.hold_changed(change),
            Input::Rollback(asked) => {
                let healthy = self.healthy_before(target.name, &asked.environment, &step.chain).await?;
                step.taken_back(asked, &healthy);
            }
            Input::Released(released) => step.released(released, event.time),
        }
        Ok(())
    }

    /// Has the files of all environments changed at once, so that they share a push. One that fails does not hold up the
    /// others; the event then fails, and is handled again.
    async fn carry_out(&self, target: Target<'_>, event: &Event, step: &mut Step<'_>) -> Result<(), Failure> {
        let wishes = std::mem::take(&mut step.wishes);
        let asked = wishes.iter().filter_map(|wish| Some((wish, ask(target, event.id, wish)?)));
        let answers = asked.map(async |(wish, ask)| {
            let answer = self.repositories.bump(target.gitops, ask.clone()).await?;
            Ok::<_, Failure>(match answer {
                Answer::Landed(landed) => (wish, Ok(self.deployment(target, ask, landed).await)),
                other => (wish, Err(other)),
            })
        });
        for answer in join_all(answers).await {
            match answer? {
                (wish, Ok(deployment)) => step.landed(deployment, wish),
                (wish, Err(Answer::Same(head))) => step.same(wish, &head),
                (wish, Err(Answer::MovedOn(now))) => step.moved_on(wish, &now),
                (wish, Err(Answer::Older(why))) => step.older(wish, &why),
                (_, Err(Answer::Landed(_))) => {}
            }
        }
        Ok(())
    }
}

/// What the first run of an event wished, as far as it is needed to tell of it.
fn first_wish(input: &Input<'_>, event: EventId, environment: &EnvironmentName, chain: &Chain) -> Wish {
    let of_wait = |approval: EventId| {
        let place = chain.place(environment)?;
        [&place.urgent, &place.waiting].into_iter().flatten().find(|w| w.id == approval).map(|w| w.offer.clone())
    };
    let nothing =
        |reason, lane, note| Offer { release: Release::new(), reason, lane, verified: None, author: None, note };
    let offer = match input {
        Input::Image(candidate) => nothing(BumpReason::Deploy, candidate.lane, candidate.title.map(ToOwned::to_owned)),
        Input::Waiting(it) => of_wait(event).unwrap_or_else(|| nothing(it.reason, it.lane, None)),
        Input::Granted(it) => {
            of_wait(it.approval).unwrap_or_else(|| nothing(BumpReason::Promotion, Lane::Deploy, None))
        }
        Input::Verdict(it) if it.healthy => nothing(BumpReason::Promotion, Lane::Deploy, it.deployment.note.clone()),
        Input::Verdict(it) => nothing(BumpReason::Rollback, Lane::Deploy, Some(it.summary.clone())),
        Input::Rollback(it) => {
            nothing(BumpReason::Rollback, Lane::Deploy, Some(format!("{} asked for it: {}", it.by, it.reason)))
        }
        Input::Rejected(_) | Input::Hold(_) | Input::Released(_) => nothing(BumpReason::Deploy, Lane::Deploy, None),
    };
    Wish::of(environment, offer)
}

/// What is asked of one environment's files; `None` where the config no longer has it.
fn ask(target: Target<'_>, event: EventId, wish: &Wish) -> Option<Ask> {
    let config = target.app.environments.get(&wish.environment)?;
    Some(Ask {
        app: target.name.clone(),
        environment: wish.environment.clone(),
        path: config.path.as_str().to_owned(),
        event,
        reason: wish.reason,
        slots: Ask::slots(target.app, &wish.environment),
        wanted: wish.wanted.clone(),
        instead_of: wish.instead_of.clone(),
        rules: rules(target.app, wish),
        note: wish.note.clone(),
    })
}

/// New images do not come over newer ones; what is promoted or restored was chosen by its health.
fn rules(app: &App, wish: &Wish) -> BTreeMap<ComponentName, TagRule> {
    let components = wish.wanted.keys().filter(|_| wish.reason == BumpReason::Deploy);
    let rule = |name: &ComponentName| app.tag_rule(&wish.environment, name).map(|nearest| nearest.rule.clone());
    components.filter_map(|component| Some((component.clone(), rule(component)?))).collect()
}
