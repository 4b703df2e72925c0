//! Takes an event's step of a chain: what is known is read, the step is taken, the GitOps repository is asked, and what is
//! known then is left together with the outcomes.
//!
//! Should the process die in between, the event comes again and finds either nothing done, or the commits its first run
//! had made, which are told then, or all of it.

use std::time::Duration;

use anyhow::Context as _;
use ledger::Chain;
use proto::{
    AppName, ApprovalGranted, ApprovalRejected, Deployment, EnvironmentName, Event, FixSettled, HealthReported,
    HoldChanged, QuarantineReleased, Release, ReleaseWaiting, RollbackRequested, Timestamp,
};
use runtime::{Failure, Outcomes, config::App};

use crate::{
    Bumper,
    chain::{Cause, Facts, Step, Wish, as_configured},
    outcome::Target,
    propose::{is_pushed_to_by_now, withdrawn},
    recall::{Recalled, Run},
    release::{Candidate, Released},
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
    Settled(&'a FixSettled),
}

/// What is looked up before a step is taken, once, however often it is taken.
#[derive(Default)]
struct Seen {
    recalled: Vec<Recalled>,
    /// Of a new image.
    image: Released,
    /// Of a verdict: whether it came too late.
    is_older: bool,
    /// Of a verdict that takes back: what is known to have stood there of what the last healthy deployment does not name.
    stood: Release,
    /// Of a rollback: what was healthy there, the last first.
    healthy: Vec<Deployment>,
    /// What was merged since it was looked at last, so that nothing takes the place of what is there already.
    merged: Vec<(Deployment, Wish)>,
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
            Self::Settled(it) => &it.app,
        }
    }

    /// The environments that it may lead to a commit in.
    pub(crate) fn reach<'c>(&'c self, app: &'c App) -> Vec<&'c EnvironmentName> {
        match self {
            Self::Image(it) => app.first_environments(it.lane).map(|(name, _)| name).collect(),
            Self::Verdict(it) if it.healthy => {
                app.environments_after(&it.deployment.environment).map(|(name, _)| name).collect()
            }
            Self::Verdict(it) => vec![&it.deployment.environment],
            Self::Waiting(it) => vec![&it.environment],
            Self::Granted(it) => vec![&it.environment],
            Self::Rollback(it) => vec![&it.environment],
            Self::Rejected(_) | Self::Hold(_) | Self::Released(_) | Self::Settled(_) => Vec::new(),
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
        let before = as_configured(app, before);
        let cause = Cause { id: event.id, replay: event.replay, now: Timestamp::now() };
        let run = self.run_of(event).await?;
        let mut seen = self.look(target, event, run, &input, &before).await?;
        let mut step = self.taken(target, event, &input, &before, &seen, cause).await?;
        // What it would let go may have been merged a moment ago.
        if !takes_a_place(&input) && withdrawn(&before, &step.chain).next().is_some() {
            seen.merged = self.merged_since(target, event, &before, &seen.recalled).await?;
            step = self.taken(target, event, &input, &before, &seen, cause).await?;
        }
        self.carry_out(target, event, &before, &mut step).await?;
        self.withdraw(target, event, &before, &step.chain).await?;
        let Step { chain: after, told, .. } = step;
        if let Some(wait) = told.comes_again {
            if told.events.is_empty() && seen.recalled.is_empty() {
                self.looks.committed_nothing(event, run);
            }
            let reason = format!("{} waits for {}", event.subject, wait.waits_for);
            return Err(Failure::NotYet { after: wait.at_least.clamp(SOONEST, LATEST), reason });
        }
        self.looks.forget(event);
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

    /// Takes the step, and asks the source whatever it must know for that.
    async fn taken<'a>(
        &self,
        target: Target<'a>,
        event: &Event,
        input: &Input<'_>,
        before: &Chain,
        seen: &Seen,
        cause: Cause,
    ) -> Result<Step<'a>, Failure> {
        let mut facts = Facts::default();
        loop {
            let mut step = Step::new(before.clone(), target.name, target.app, cause, facts);
            take(&mut step, event, input, seen);
            let Some(open) = step.facts.open() else { return Ok(step) };
            facts = step.facts;
            for question in open.questions {
                let order = self.sources.answer(target.app, &question).await?;
                facts.learn(question, order);
            }
            for commit in open.authors {
                let author = self.sources.author(target.app, &commit).await?;
                facts.learn_author(commit, author);
            }
        }
    }

    /// Whether the environment was asked for something later than this deployment. A revision the repository does not
    /// know any more was rewritten away: the order of arrival is all there is then.
    pub(crate) async fn overtaken(
        &self,
        target: Target<'_>,
        asked: Option<&Deployment>,
        deployment: &Deployment,
    ) -> Result<bool, Failure> {
        let Some(asked) = asked.filter(|asked| asked.revision != deployment.revision) else {
            return Ok(false);
        };
        let (older, newer) = (deployment.revision.clone(), asked.revision.clone());
        let written = target.written(&deployment.environment);
        Ok(self.repositories.is_before(&written, older, newer).await? == Some(true))
    }

    /// Looks up all that the step is taken upon, but what it asks of the source.
    async fn look(
        &self,
        target: Target<'_>,
        event: &Event,
        run: Run,
        input: &Input<'_>,
        before: &Chain,
    ) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        if self.looks.may_have_committed(event, run) {
            seen.recalled = self.recall(target, event, input, before).await?;
        }
        if takes_a_place(input) || is_pushed_to_by_now(target, input, before) {
            seen.merged = self.merged_since(target, event, before, &seen.recalled).await?;
        }
        match input {
            Input::Image(candidate) => seen.image = self.release(event, target, candidate, before).await?,
            Input::Verdict(report) => {
                let deployment = &report.deployment;
                // Its own rollback, which an earlier run of it may have made, makes no verdict late.
                let mut merged = seen.merged.iter().map(|(merged, _)| merged);
                let asked = merged.find(|merged| merged.environment == deployment.environment);
                let asked = asked.or_else(|| Some(&before.place(&deployment.environment)?.asked.as_ref()?.deployment));
                seen.is_older = self.overtaken(target, asked, deployment).await?;
                if !report.healthy {
                    seen.stood = self.stood(target, event, deployment, before).await?;
                }
            }
            Input::Rollback(asked) => {
                seen.healthy = self.healthy_before(target.name, &asked.environment, before).await?;
            }
            _ => {}
        }
        Ok(seen)
    }

    /// What was merged since anybody looked, but where an earlier run's commit is told of anyway.
    async fn merged_since(
        &self,
        target: Target<'_>,
        event: &Event,
        before: &Chain,
        recalled: &[Recalled],
    ) -> Result<Vec<(Deployment, Wish)>, Failure> {
        let mut merged = self.merged_meanwhile(target, event, before).await?;
        merged.retain(|(it, _)| recalled.iter().all(|ours| ours.deployment.environment != it.environment));
        Ok(merged)
    }
}

/// Whether something may take the place of what waits for its merge. What asks again by itself is looked at by itself, and
/// what people hold or lift takes nothing's place.
fn takes_a_place(input: &Input<'_>) -> bool {
    matches!(input, Input::Image(_) | Input::Verdict(_) | Input::Rollback(_) | Input::Rejected(_))
}

/// Takes the step, as far as it can be without knowing more of the source.
fn take(step: &mut Step<'_>, event: &Event, input: &Input<'_>, seen: &Seen) {
    for Recalled { deployment, overtaken, .. } in &seen.recalled {
        step.was_done(deployment, *overtaken);
    }
    for (deployment, wish) in &seen.merged {
        step.landed(deployment.clone(), wish);
    }
    match input {
        Input::Image(_) => {
            step.told.reasons.extend(seen.image.reasons.clone());
            for (offer, environments) in &seen.image.offers {
                step.offered(offer, environments);
            }
        }
        Input::Waiting(waiting) => step.waited(event.id, waiting),
        Input::Verdict(report) => step.judged(report, seen.is_older, &seen.stood),
        Input::Granted(it) => step.granted(it),
        Input::Rejected(it) => step.rejected(it),
        Input::Hold(change) => step.hold_changed(change),
        Input::Rollback(asked) => step.taken_back(asked, &seen.healthy),
        Input::Released(released) => step.released(released, event.time),
        Input::Settled(settled) => step.settled(settled),
    }
    // As in that earlier run: what came of the event follows what it led to.
    for Recalled { deployment, wish, overtaken } in &seen.recalled {
        step.was_landed(deployment.clone(), wish, *overtaken);
    }
}
