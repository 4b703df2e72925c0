//! Pull requests instead of pushes: a change goes to a branch of its own, `windlass/<app>/<environment>`, and is looked
//! at again and again until it is in the target, however it was merged.
//!
//! One branch for an environment, and so one open pull request: a newer release takes the older one's place in it. Fixes
//! by the fast path and rollbacks have theirs, with `.hotfix` and `.rollback` at the end, so that neither waits for the
//! merge of what it is to replace; no environment's name holds a dot.
//!
//! Whether a change has been made is asked of the target branch alone: its files ask for what was proposed, or they do
//! not. What the host says of the pull request only tells for what is waited.

mod text;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use forge::github::{Api, Cause, Checks, Credentials, Draft, Gates, Later, Pull, Pulls, Rights, State};
use ledger::{Chain, Place, Proposed, Waiting};
use proto::{AppName, BumpReason, CommitSha, Deployment, EnvironmentName, Event, Lane};
use runtime::{
    Config, Failure,
    config::{Merge, MergeMethod},
};

use crate::{
    Bumper,
    carry::ask,
    chain::Wish,
    edit::Ask,
    outcome::Target,
    repo::{Answer, Onto, Proposing},
};

/// Longer than this nothing is put off in one go.
const LATEST: Duration = Duration::from_mins(10);
/// What it takes.
const RIGHTS: Rights = Rights {
    token: "write pull requests and contents, and read checks and commit statuses (classic: `repo`)",
    app: "*Pull requests* and *Contents: read and write*, *Checks* and *Commit statuses: read*",
};

/// Where pull requests are opened, by the app whose they are.
pub(crate) struct Hosts(BTreeMap<AppName, Host>);

struct Host {
    pulls: Pulls,
    method: &'static str,
}

impl Hosts {
    pub(crate) fn new(config: &Config, http: &reqwest::Client) -> anyhow::Result<Self> {
        let gates = Gates::default();
        let mut hosts = BTreeMap::new();
        for (name, app) in &config.apps {
            let Some((gitops, forge)) = app.gitops.as_ref().and_then(|gitops| Some((gitops, gitops.forge.as_ref()?)))
            else {
                continue;
            };
            let at = || format!("`apps.{name}.gitops`: pull requests need a repository of GitHub's");
            let (repository, api) = (gitops.owner_and_name().with_context(at)?, gitops.api().with_context(at)?);
            let owner = format!("repos/{repository}");
            let credentials = Credentials::new(forge.token.as_ref(), forge.app.as_ref(), Some(&owner), RIGHTS)?;
            let api = Api::new(&api, credentials, &gates, http.clone(), |_, _| {}).at_once();
            let method = match forge.merge_method {
                MergeMethod::Merge => "merge",
                MergeMethod::Squash => "squash",
                MergeMethod::Rebase => "rebase",
            };
            hosts.insert(name.clone(), Host { pulls: Pulls::new(api, repository), method });
        }
        Ok(Self(hosts))
    }

    fn of(&self, app: &AppName) -> Result<&Host, Failure> {
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
        // Before the branches are: what is merged meanwhile is then seen there.
        let pull = match &wish.proposed {
            Some(proposed) => host.pulls.get(proposed.number).await.map_err(failure)?,
            None => None,
        };
        let is_open = pull.as_ref().is_none_or(|pull| pull.state == State::Open);
        let is_behind = pull.as_ref().is_some_and(|pull| pull.mergeable == "behind");
        let known = wish.proposed.as_ref().map(|proposed| proposed.head.clone());
        let onto = Onto { branch: branch(target.name, wish), known, fresh: is_behind, push: is_open };
        let (head, landed) = match self.repositories.propose(target.gitops, ask.clone(), onto.clone()).await? {
            Proposing::Decided(answer) => return Ok(answer),
            Proposing::Stands { head, landed } => (head, landed),
        };
        if let Some(pull) = pull.as_ref().filter(|_| !is_open) {
            return Ok(Answer::Closed(over(pull, &wish.environment)));
        }
        let pull = if let Some(pull) = pull.filter(|pull| pull.head == head) {
            pull
        } else {
            let text = text::Text { target, wish, ask, landed: &landed };
            let into = target.gitops.branch.to_string();
            let draft = Draft { branch: onto.branch.clone(), into, title: text.title(), body: text.body() };
            host.pulls.open(&draft).await.map_err(failure)?
        };
        let merge = merge == Merge::WhenChecksPass && wish.may_merge;
        let (waits_for, is_merged) = if merge {
            host.merge_when_green(&pull, &head).await.map_err(failure)?
        } else {
            (format!("the merge of {}", pull.url), false)
        };
        if is_merged {
            let onto = Onto { known: Some(head.clone()), push: false, ..onto };
            if let Proposing::Decided(answer) = self.repositories.propose(target.gitops, ask.clone(), onto).await? {
                return Ok(answer);
            }
        }
        let Pull { number, url, .. } = pull;
        let instead_of = wish.instead_of.clone();
        Ok(Answer::Proposed(Box::new(Proposed { number, url, head, waits_for, instead_of })))
    }

    /// What was merged since anybody looked.
    pub(crate) async fn merged_meanwhile(
        &self,
        target: Target<'_>,
        event: &Event,
        before: &Chain,
    ) -> Result<Vec<(Deployment, Wish)>, Failure> {
        let mut merged = Vec::new();
        for wish in standing(target, before) {
            let Some(ask) = ask(target, event.id, &wish) else { continue };
            let known = wish.proposed.as_ref().map(|proposed| proposed.head.clone());
            let onto = Onto { branch: branch(target.name, &wish), known, fresh: false, push: false };
            let found = self.repositories.propose(target.gitops, ask.clone(), onto).await?;
            if let Proposing::Decided(Answer::Landed(landed)) = found {
                merged.push((self.deployment(target, ask, landed).await, wish));
            }
        }
        Ok(merged)
    }

    /// Closes the pull requests of what was waited for and is no more.
    pub(crate) async fn withdraw(&self, target: Target<'_>, before: &Chain, after: &Chain) -> Result<(), Failure> {
        for (name, was) in &before.places {
            let is = after.place(name);
            let stands: Vec<u64> = is.into_iter().flat_map(proposed).map(|(_, it)| it.number).collect();
            let gone: Vec<_> = proposed(was).filter(|(_, it)| !stands.contains(&it.number)).collect();
            for (waiting, gone) in gone {
                let Ok(host) = self.hosts.of(target.name) else {
                    tracing::warn!(
                        url = gone.url,
                        "{} is left open: no `gitops.forge` is configured any more",
                        gone.url
                    );
                    continue;
                };
                let why = is.and_then(|place| place.why_ended(waiting.id)).unwrap_or("the branch asks for it already");
                host.pulls.close(gone.number, &text::line(why)).await.map_err(failure)?;
            }
        }
        Ok(())
    }
}

impl Host {
    /// Merges it if all is green: for what it waits, and whether it is merged.
    async fn merge_when_green(&self, pull: &Pull, head: &CommitSha) -> anyhow::Result<(String, bool)> {
        let Pull { number, url, mergeable, .. } = pull;
        let checks = self.pulls.checks(head).await?;
        let waits_for = match checks {
            Checks::Failed(names) => format!("{url}: failed there: {}", names.join(", ")),
            Checks::Pending(_) => format!("the checks of {url}"),
            Checks::None => format!("the checks of {url}, of which none has begun"),
            Checks::Passed => match mergeable.as_str() {
                "clean" | "has_hooks" => match self.pulls.merge(*number, head, self.method).await? {
                    Ok(()) => return Ok((format!("{url}, which is merged, to be in the branch"), true)),
                    Err(why) => format!("{url}, which passed, and cannot be merged: {why}"),
                },
                "blocked" => format!("what the branch's rules want besides the checks of {url}"),
                "dirty" => format!("{url}, which conflicts with its branch"),
                _ => format!("the checks of {url}"),
            },
        };
        Ok((waits_for, false))
    }
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
fn standing(target: Target<'_>, chain: &Chain) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for (name, place) in chain.places.iter().filter(|(name, _)| target.app.merge(name).is_some()) {
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
