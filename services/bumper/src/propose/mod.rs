//! Pull requests instead of pushes: a change goes to a branch of its own, `windlass/<app>/<environment>`, and is looked
//! at again and again until it is in the target, however it was merged.
//!
//! One branch for an environment, and so one open pull request: a newer release takes the older one's place in it. Fixes
//! by the fast path and rollbacks have theirs, with `.hotfix` and `.rollback` at the end, so that neither waits for the
//! merge of what it is to replace; no environment's name holds a dot.
//!
//! Whether a change has been made is asked of the target branch alone: its files ask for what was proposed, or they do
//! not. What the host says of the pull request only tells for what is waited.

mod pushed;
mod text;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, anyhow};
use forge::{Cause, Checks, Draft, Forge, Gates, Later, Merging, Pull, Readiness, State};
use ledger::{Chain, Place, Proposed, Waiting};
use proto::{AppName, BumpReason, CommitSha, EnvironmentName, Event, Lane};
use runtime::{Config, Failure, config::Merge, git::Git, http::Guarded};

use crate::{
    Bumper,
    chain::{LOOK, Wish},
    edit::Ask,
    outcome::Target,
    repo::{Answer, Onto, Proposing},
};

pub(crate) use pushed::is_pushed_to_by_now;

/// Longer than this nothing is put off in one go.
const LATEST: Duration = Duration::from_mins(10);

/// Where pull requests are opened, by the app whose they are.
pub(crate) struct Hosts(BTreeMap<AppName, Forge>);

/// How far a pull request is whose checks are waited for.
enum Progress {
    /// It waits, and for what; something goes on, or will be over.
    Waits(String),
    /// It waits for people, and for what.
    People(String),
    /// It must begin at its target's head.
    Behind,
    /// Windlass has merged it.
    Merged,
}

impl Hosts {
    pub(crate) fn new(config: &Config, http: &Guarded, git: &Git) -> anyhow::Result<Self> {
        let gates = Gates::sharing(git.installations());
        let mut hosts = BTreeMap::new();
        for (name, app) in &config.apps {
            let Some(gitops) = &app.gitops else { continue };
            let forge = Forge::new(gitops, &gates, http).with_context(|| format!("`apps.{name}.gitops`"))?;
            hosts.extend(forge.map(|forge| (name.clone(), forge)));
        }
        Ok(Self(hosts))
    }

    fn of(&self, app: &AppName) -> Result<&Forge, Failure> {
        self.0.get(app).ok_or_else(|| Failure::permanent(format!("`apps.{app}.gitops.forge` is not there any more")))
    }
}

/// The branch of a wish.
fn branch(app: &AppName, wish: &Wish) -> String {
    let way = match (wish.reason, wish.lane) {
        (BumpReason::Rollback, _) => ".rollback",
        (_, Lane::Hotfix) => ".hotfix",
        _ => "",
    };
    format!("windlass/{app}/{}{way}", wish.environment)
}

impl Bumper {
    /// Sees to a wish's pull request; what has become of it.
    pub(crate) async fn propose(
        &self,
        target: Target<'_>,
        wish: &Wish,
        ask: &Ask,
        merge: Merge,
    ) -> Result<Answer, Failure> {
        let host = self.hosts.of(target.name)?;
        let written = target.written(&wish.environment);
        // Before the branches are: what is merged meanwhile is then seen there.
        let pull = match &wish.proposed {
            Some(proposed) => host.get(proposed.number, &proposed.url).await.map_err(failure)?,
            None => None,
        };
        // One into another branch, which the configuration had or a person chose, is none of this environment's.
        let pull = pull.filter(|pull| pull.into == written.branch.as_str());
        let is_open = pull.as_ref().is_none_or(|pull| pull.state == State::Open);
        let is_behind = pull.as_ref().is_some_and(|pull| pull.readiness == Readiness::Behind);
        let known = wish.proposed.as_ref().map(|proposed| proposed.head.clone());
        let onto = Onto { branch: branch(target.name, wish), known, over: None, fresh: is_behind, push: is_open };
        let proposing = self.repositories.propose(&written, ask.clone(), onto.clone()).await?;
        let proposing = match proposing {
            Proposing::OfOthers { head, why } if pull.is_none() => {
                self.anew(target, host, ask, &onto, &head).await?.unwrap_or(Proposing::OfOthers { head, why })
            }
            proposing => proposing,
        };
        let (head, landed) = match proposing {
            Proposing::Decided(answer) => return Ok(answer),
            Proposing::Stands { head, landed } => (head, landed),
            Proposing::OfOthers { why, .. } => return Ok(of_others(wish, why)),
        };
        if let Some(pull) = pull.as_ref().filter(|_| !is_open) {
            return Ok(Answer::Closed(over(pull, &wish.environment)));
        }
        let pull = if let Some(pull) = pull.filter(|pull| pull.head.as_ref() == Some(&head)) {
            pull
        } else {
            let text = text::Text { target, wish, ask, landed: &landed, first: &self.config.git.message };
            let (branch, into) = (onto.branch.clone(), written.branch.to_string());
            let draft = Draft { branch, into, title: text.title(), body: text.body() };
            host.open(&draft).await.map_err(failure)?
        };
        let progress = if merge == Merge::WhenChecksPass && wish.may_merge {
            merge_when_green(host, &pull, &head).await.map_err(failure)?
        } else if merge == Merge::ByHand {
            Progress::People(format!("the merge of {}", pull.url))
        } else {
            Progress::Waits(format!("the merge of {}", pull.url))
        };
        let for_people = matches!(progress, Progress::People(_));
        let (waits_for, again) = match progress {
            Progress::Waits(waits_for) | Progress::People(waits_for) => (waits_for, None),
            Progress::Behind => (checks_of(&pull), Some((true, true))),
            Progress::Merged => (format!("{}, which is merged, to be in the branch", pull.url), Some((false, false))),
        };
        let mut head = head;
        if let Some((fresh, push)) = again {
            let onto = Onto { known: Some(head.clone()), fresh, push, ..onto };
            match self.repositories.propose(&written, ask.clone(), onto).await? {
                Proposing::Decided(answer) => return Ok(answer),
                Proposing::Stands { head: now, .. } => head = now,
                Proposing::OfOthers { why, .. } => return Ok(of_others(wish, why)),
            }
        }
        let Pull { number, url, .. } = pull;
        let instead_of = wish.instead_of.clone();
        Ok(Answer::Proposed(Box::new(Proposed { number, url, head, waits_for, instead_of, for_people })))
    }

    /// Has a change proposed on a branch with this head of others, if its pull request is over: it is nobody's any more then,
    /// and what they did is kept with the pull request. `None` where it is not over.
    async fn anew(
        &self,
        target: Target<'_>,
        host: &Forge,
        ask: &Ask,
        onto: &Onto,
        head: &CommitSha,
    ) -> Result<Option<Proposing>, Failure> {
        let written = target.written(&ask.environment);
        if !host.is_over(&onto.branch, written.branch.as_str(), head).await.map_err(failure)? {
            return Ok(None);
        }
        let onto = Onto { over: Some(head.clone()), ..onto.clone() };
        Ok(Some(self.repositories.propose(&written, ask.clone(), onto).await?))
    }

    /// Closes the pull requests of what was waited for and is no more.
    pub(crate) async fn withdraw(
        &self,
        target: Target<'_>,
        event: &Event,
        before: &Chain,
        after: &Chain,
    ) -> Result<(), Failure> {
        for (name, waiting, gone) in withdrawn(before, after) {
            let url = &gone.url;
            let Ok(host) = self.hosts.of(target.name) else {
                tracing::warn!(url, "{url} is left open: no `gitops.forge` is configured any more");
                continue;
            };
            let Some(pull) = host.get(gone.number, url).await.map_err(failure)? else {
                tracing::warn!(url, "{url} is left alone: it is none of the repository any more");
                continue;
            };
            let why = after.place(name).and_then(|place| place.why_ended(waiting.id));
            if let Some(why) = why.filter(|_| pull.state == State::Merged)
                && self.merged_meanwhile(target, event, before).await?.iter().any(|(_, wish)| wish.environment == *name)
            {
                let why =
                    anyhow!("{url} was merged the moment it was to be closed ({why}); what it brought is told next");
                return Err(Failure::Transient(why));
            }
            let branch = target.written(name).branch;
            let elsewhere = || format!("{name} is written to {branch}, and this goes into {}", pull.into);
            let why = why.map_or_else(
                || if pull.into == branch.as_str() { done(target, name) } else { elsewhere() },
                ToOwned::to_owned,
            );
            host.close(&pull, &text::line(&why)).await.map_err(failure)?;
        }
        Ok(())
    }
}

/// Why a pull request is closed whose release went.
fn done(target: Target<'_>, name: &EnvironmentName) -> String {
    match target.app.merge(name) {
        None => format!("{name} is pushed to by now (`mode: push`), and asks for it already"),
        Some(_) => "the branch asks for it already".to_owned(),
    }
}

/// What waited for its merge in an environment, and does so no more.
pub(crate) fn withdrawn<'a>(
    before: &'a Chain,
    after: &'a Chain,
) -> impl Iterator<Item = (&'a EnvironmentName, &'a Waiting, &'a Proposed)> {
    before.places.iter().flat_map(|(name, was)| {
        let stands: Vec<u64> = after.place(name).into_iter().flat_map(proposed).map(|(_, it)| it.number).collect();
        let gone = proposed(was).filter(move |(_, it)| !stands.contains(&it.number));
        gone.map(move |(waiting, gone)| (name, waiting, gone))
    })
}

/// Others have made a branch theirs: what was proposed there waits until they have done with it.
fn of_others(wish: &Wish, why: String) -> Answer {
    let Some(proposed) = wish.proposed.clone() else { return Answer::OfOthers(why) };
    let waits_for = format!("{}: {why}", proposed.url);
    Answer::Proposed(Box::new(Proposed { waits_for, for_people: true, ..proposed }))
}

/// What would take the place of something that waits on a branch which others have made theirs waits with it. Where
/// nothing does, nobody has been told, and nothing else would say so.
pub(crate) fn waits_for_others(before: &Chain, wish: &Wish, why: String) -> Failure {
    let place = before.place(&wish.environment);
    match place.and_then(|place| wish.slot_in(place)).filter(|waiting| waiting.proposed.is_some()) {
        Some(_) => Failure::NotYet { after: LOOK, reason: format!("{} waits for others: {why}", wish.environment) },
        None => Failure::permanent(why),
    }
}

/// Merges a pull request if all is green.
async fn merge_when_green(host: &Forge, pull: &Pull, head: &CommitSha) -> anyhow::Result<Progress> {
    let url = &pull.url;
    Ok(match host.checks(pull, head).await? {
        Checks::Failed(names) => Progress::People(format!("{url}: failed there: {}", names.join(", "))),
        Checks::Pending(_) => Progress::Waits(checks_of(pull)),
        Checks::None => Progress::Waits(format!("{}, of which none has begun", checks_of(pull))),
        Checks::Passed => match &pull.readiness {
            Readiness::Ready => match host.merge(pull.number, head).await? {
                Merging::Merged => Progress::Merged,
                Merging::Behind => Progress::Behind,
                Merging::Refused(why) => Progress::People(format!("{url}, which passed, and cannot be merged: {why}")),
            },
            Readiness::Blocked(what) => {
                let what = what.as_ref().map(|what| format!(": {what}")).unwrap_or_default();
                Progress::People(format!("what the branch's rules want besides the checks of {url}{what}"))
            }
            Readiness::Conflicts => Progress::People(format!("{url}, which conflicts with its branch")),
            Readiness::Unknown => Progress::Waits(format!("{url}, which passed, to be found mergeable")),
            Readiness::Behind => Progress::Waits(checks_of(pull)),
        },
    })
}

fn checks_of(pull: &Pull) -> String {
    format!("the checks of {}", pull.url)
}

/// Why nothing comes of a pull request that is closed while the target's files do not ask for its change.
fn over(pull: &Pull, environment: &EnvironmentName) -> String {
    let url = &pull.url;
    match pull.state {
        State::Merged => format!("{url} was merged, and the files of {environment} have been changed since"),
        _ => format!("{environment} does not get it: {url} was closed without being merged"),
    }
}

/// What all open pull requests of an app wish.
fn standing(chain: &Chain) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for (name, place) in &chain.places {
        for (waiting, stands) in proposed(place) {
            let (instead_of, proposed) = (stands.instead_of.clone(), Some(stands.clone()));
            wishes.push(Wish { instead_of, proposed, ..Wish::of(name, waiting.offer.clone()) });
        }
    }
    wishes
}

/// What waits with a pull request in an environment.
fn proposed(place: &Place) -> impl Iterator<Item = (&Waiting, &Proposed)> {
    let all = [&place.waiting, &place.urgent, &place.back];
    all.into_iter().flatten().filter_map(|waiting| Some((waiting, waiting.proposed.as_ref()?)))
}

/// What an error of the host's API means for the delivery.
fn failure(error: anyhow::Error) -> Failure {
    match error.downcast_ref::<Later>() {
        Some(later) if later.cause == Cause::Trouble => Failure::Transient(error),
        Some(later) => Failure::NotYet { after: later.after.min(LATEST), reason: error.to_string() },
        None => Failure::Permanent(error),
    }
}
