//! One event's step of a chain.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use jiff::SignedDuration;
use ledger::{Asked, Barred, Chain, Offer, Place, Proposed, Ruling};
use proto::{
    AppName, BumpReason, CommitSha, ComponentName, Data, Deployment, Digest, EnvironmentName, EventId, EventType, Lane,
    ManifestBumped, Release, ReleasedImage, Timestamp,
};
use runtime::config::{App, Environment};

use super::{
    facts::Facts,
    gate::{Gate, Gates, Wait},
    names,
    waits::{end, superseded},
};

/// The event a step is taken for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) id: EventId,
    pub(crate) replay: u32,
    /// When the step is taken.
    pub(crate) now: Timestamp,
}

/// What the GitOps repository is to be asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    pub(crate) environment: EnvironmentName,
    pub(crate) reason: BumpReason,
    pub(crate) wanted: Release,
    /// The source commit this is of as a whole.
    pub(crate) commit: Option<CommitSha>,
    /// When given: only while it still asks for these.
    pub(crate) instead_of: Option<Release>,
    pub(crate) lane: Lane,
    pub(crate) author: Option<String>,
    pub(crate) note: Option<String>,
    /// What the environment before said of it.
    pub(crate) verified: Option<Ruling>,
    /// Where it was healthy, and for how long.
    pub(crate) healthy_in: BTreeMap<EnvironmentName, SignedDuration>,
    /// The pull request that stands for it.
    pub(crate) proposed: Option<Proposed>,
    /// Whether the gates are open, so that Windlass may merge that.
    pub(crate) may_merge: bool,
}

impl Wish {
    /// What is offered, wherever the environment is now.
    pub(crate) fn of(environment: &EnvironmentName, offer: Offer) -> Self {
        let Offer { release: wanted, commit, reason, lane, author, note, verified, healthy_in } = offer;
        let (environment, instead_of, proposed) = (environment.clone(), None, None);
        Self {
            environment,
            reason,
            wanted,
            commit,
            instead_of,
            lane,
            author,
            note,
            verified,
            healthy_in,
            proposed,
            may_merge: true,
        }
    }
}

/// An offer of nothing yet.
pub(crate) fn nothing(reason: BumpReason, lane: Lane, note: Option<String>) -> Offer {
    let (release, healthy_in) = (Release::new(), BTreeMap::new());
    Offer { release, commit: None, reason, lane, verified: None, healthy_in, author: None, note }
}

/// What is to be told of a step.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Subjects and what happened.
    pub(crate) events: Vec<(String, Data)>,
    /// Why nothing, where nothing was done.
    pub(crate) reasons: Vec<String>,
    /// For what the event itself waits, if it is to come again.
    pub(crate) comes_again: Option<Wait>,
}

/// What an earlier run of the same event had made of an environment, and whether that has been asked for something later
/// since.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) release: Release,
    pub(super) overtaken: bool,
}

/// One event's step.
pub(crate) struct Step<'a> {
    /// What is known, as far as the step has been taken.
    pub(crate) chain: Chain,
    pub(crate) told: Told,
    /// What is known of the source. While questions are open there, what was made of the step does not count.
    pub(crate) facts: Facts,
    /// What the repository is to be asked for. Each is answered by [`Self::landed`], [`Self::same`] or
    /// [`Self::moved_on`].
    pub(crate) wishes: Vec<Wish>,
    pub(super) name: &'a AppName,
    pub(super) app: &'a App,
    pub(super) cause: Cause,
    /// Where an earlier run of the same event had its commit made.
    pub(super) done: BTreeMap<EnvironmentName, Made>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(mut chain: Chain, name: &'a AppName, app: &'a App, cause: Cause, facts: Facts) -> Self {
        names::chain(app, &mut chain);
        let (told, wishes, done) = (Told::default(), Vec::new(), BTreeMap::new());
        Self { chain, told, facts, wishes, name, app, cause, done }
    }

    /// An earlier run of the same event had its commit made, so it is not asked for again. `overtaken` when the
    /// environment has been asked for something later since.
    pub(crate) fn was_done(&mut self, made: &Deployment, overtaken: bool) {
        let release = made.release.clone();
        self.done.insert(made.environment.clone(), Made { release, overtaken });
    }

    pub(super) fn is_done(&self, name: &EnvironmentName) -> bool {
        self.done.contains_key(name)
    }

    /// The commit that was made then, of which that run could not tell.
    pub(crate) fn was_landed(&mut self, deployment: Deployment, wish: &Wish, overtaken: bool) {
        if overtaken {
            // It went all the same, and nothing will ask for it again.
            self.went(wish);
            self.tell(deployment.environment.to_string(), ManifestBumped { deployment });
        } else {
            self.landed(deployment, wish);
        }
    }

    /// A release is there to be deployed to these environments.
    pub(crate) fn offered(&mut self, offer: &Offer, environments: &[EnvironmentName]) {
        self.settle(offer);
        for name in environments {
            match self.app.environments.get(name) {
                Some(config) => self.enter(name, config, offer.clone()),
                None => self.no_environment(name),
            }
        }
    }

    /// The repository asks for it now.
    pub(crate) fn landed(&mut self, deployment: Deployment, wish: &Wish) {
        let (name, now) = (deployment.environment.clone(), self.cause.now);
        self.went(wish);
        if wish.lane == Lane::Hotfix {
            self.owe(wish, &deployment);
        }
        let (lane, author) = (wish.lane, wish.author.clone());
        let was = self.place(&name).asked.take();
        self.interrupted(&name, was.as_ref());
        let asked = Asked { deployment: deployment.clone(), at: now, lane, author, verdict: None, healthy_since: None };
        self.place(&name).asked = Some(asked);
        self.forget_met();
        self.tell(name.to_string(), ManifestBumped { deployment });
    }

    /// The repository asks for it already; `there` is what it asks for. Where others wrote that, it is as good as if it
    /// had been asked for: it gets its verdict, and goes on from there or is taken back.
    pub(crate) fn same(&mut self, wish: &Wish, mut there: Deployment) {
        let asked = self.chain.place(&wish.environment).and_then(|place| place.asked.as_ref());
        let is_known = |name, image| asked.is_some_and(|asked| holds(&asked.deployment.release, name, image));
        let others =
            wish.wanted.iter().filter(|(name, image)| holds(&there.release, name, image) && !is_known(name, image));
        there.changed = others.map(|(name, _)| name.clone()).collect();
        let known = |name: &ComponentName| asked?.deployment.release.get(name);
        let replaced = there.changed.iter().filter_map(|name| Some((name.clone(), known(name)?)));
        there.previous = replaced.map(|(name, image)| (name, format!("{}@{}", image.image, image.digest))).collect();
        if there.changed.is_empty() {
            self.went(wish);
            let (name, head) = (&wish.environment, there.revision.short());
            return self.told.reasons.push(format!("{name} already asks for it, as of {head}"));
        }
        self.landed(there, wish);
    }

    /// Asks for what was healthy, and the source commit that was of.
    pub(super) fn go_back(
        &mut self,
        name: &EnvironmentName,
        (wanted, commit): (Release, Option<CommitSha>),
        instead_of: Option<Release>,
        note: Option<String>,
    ) {
        if !self.is_done(name) {
            let (reason, lane) = (BumpReason::Rollback, Lane::Deploy);
            let (healthy_in, author) = (BTreeMap::new(), None);
            let offer = Offer { release: wanted, commit, reason, lane, verified: None, healthy_in, author, note };
            self.wishes.push(Wish { instead_of, ..Wish::of(name, offer) });
        }
    }

    /// Keeps a digest from every environment; the first reason stays, but a person's order outweighs a verdict.
    pub(super) fn bar(&mut self, digest: &Digest, environment: &EnvironmentName, reason: String, ordered: bool) {
        let entry = Barred { reason, environment: environment.clone(), at: self.cause.now, ordered };
        let known = self.chain.barred.entry(digest.clone()).or_insert_with(|| entry.clone());
        if ordered && !known.ordered {
            *known = entry;
        }
    }

    /// A release comes to an environment's gate.
    pub(super) fn enter(&mut self, name: &EnvironmentName, config: &Environment, offer: Offer) {
        if !self.is_done(name) {
            self.enter_beside(name, config, offer);
        }
    }

    /// The same beside what goes ahead there in this step, or did in an earlier run of it, and has its verdict first.
    pub(super) fn enter_beside(&mut self, name: &EnvironmentName, config: &Environment, mut offer: Offer) {
        if let Some(why) = self.chain.why_barred(&offer.release) {
            return self.told.reasons.push(format!("{name} does not get it: {why}"));
        }
        let known = self.is_known(name, &offer).filter(|_| self.cause.replay == 0);
        let known = known.or_else(|| Some(left(name, &self.behind_deployed(name, &mut offer)?)));
        if let Some(why) = known.or_else(|| Some(left(name, &self.behind_waiting(name, &mut offer)?))) {
            return self.told.reasons.push(why);
        }
        let lane = offer.lane;
        // What is promoted goes as it was verified.
        if offer.reason == BumpReason::Deploy {
            let mut release = self.waits_with(name, lane);
            release.extend(std::mem::take(&mut offer.release));
            offer.release = release;
        }
        self.settle(&offer);
        match self.gates(name, config).ask(&offer, None) {
            Gate::Open if self.is_done(name) || self.wishes.iter().any(|wish| wish.environment == *name) => {
                self.wait(name, config, offer, Wait::for_a_fix());
            }
            Gate::Open => {
                end(self.place(name), lane, &superseded(name, &offer.release));
                self.wish(name, offer);
            }
            Gate::Closed(wait) => self.wait(name, config, offer, wait),
            Gate::Never(why) => self.told.reasons.push(why),
        }
    }

    /// Why there is nothing to do about an offer: it is there, or waits, or its tag is an older one.
    fn is_known(&self, name: &EnvironmentName, offer: &Offer) -> Option<String> {
        if let Some(why) = self.is_there(name, offer) {
            return Some(why);
        }
        if self.waiting(name, offer.lane).is_some_and(|waiting| has(&waiting.offer.release, &offer.release)) {
            return Some(format!("it waits for {name} already"));
        }
        self.is_older(name, offer).map(|why| left(name, &why))
    }

    /// That the environment asks for all of it, and it is not bad there.
    pub(super) fn is_there(&self, name: &EnvironmentName, offer: &Offer) -> Option<String> {
        let asked = self.chain.place(name)?.asked.as_ref().filter(|asked| !is_bad(asked))?;
        let revision = has(&asked.deployment.release, &offer.release).then(|| asked.deployment.revision.short())?;
        Some(format!("{name} already asks for it, as of {revision}"))
    }

    /// What an offered tag is older than, where a rule over tags says so. What the files ask for is looked at again when
    /// they are written.
    fn is_older(&self, name: &EnvironmentName, offer: &Offer) -> Option<String> {
        if offer.reason == BumpReason::Rollback {
            return None;
        }
        let waiting = self.waiting(name, offer.lane).map(|waiting| (&waiting.offer.release, "waits"));
        let asked = self.chain.place(name).and_then(|place| place.asked.as_ref());
        let known = [waiting, asked.map(|asked| (&asked.deployment.release, "is deployed"))];
        known.into_iter().flatten().find_map(|(known, how)| {
            offer.release.iter().find_map(|(component, offered)| {
                let rule = self.app.tag_rule(name, component)?.rule;
                let (offered, known) = (offered.tag.as_deref()?, known.get(component)?.tag.as_deref()?);
                let is_older = rule.compare(offered, known) == Some(Ordering::Less);
                is_older.then(|| format!("{component} {offered} is older than {known}, which {how}"))
            })
        })
    }

    pub(super) fn wish(&mut self, name: &EnvironmentName, offer: Offer) {
        self.wish_for(Wish::of(name, offer));
    }

    pub(super) fn wish_for(&mut self, wish: Wish) {
        // What follows from it once it is there is asked for now: an answer of the repository cannot wait for others.
        if wish.lane == Lane::Hotfix {
            let fixes = self.fixes_of(wish.commit.as_ref(), &wish.wanted);
            let owed = self.chain.owed.iter().map(|owed| owed.commit.clone());
            let older: BTreeSet<_> = owed.chain(fixes.iter().cloned()).collect();
            for (fix, older) in fixes.iter().flat_map(|fix| older.iter().map(move |older| (fix, older))) {
                self.carries(fix, older);
            }
        }
        self.wishes.push(wish);
    }

    pub(super) fn no_environment(&mut self, name: &EnvironmentName) {
        let why = self.not_there(name);
        self.told.reasons.push(why);
    }

    pub(super) fn not_there(&self, name: &EnvironmentName) -> String {
        format!("the configuration has no environment {name} of {} any more", self.name)
    }

    /// The subject of what is told of an environment, unlike that of what was told before: by either lane something may
    /// begin to wait for it at once, and events of one cause, type and subject are one.
    pub(super) fn subject(&self, kind: EventType, name: &EnvironmentName, lane: Lane) -> String {
        let is_taken = |(subject, data): &(String, Data)| data.kind() == kind && subject == name.as_str();
        let by = if lane == Lane::Hotfix { "the fast path" } else { "the gates" };
        if self.told.events.iter().any(is_taken) { format!("{name} by {by}") } else { name.to_string() }
    }

    pub(super) fn tell(&mut self, subject: String, data: impl Into<Data>) {
        self.told.events.push((subject, data.into()));
    }

    pub(super) fn place(&mut self, name: &EnvironmentName) -> &mut Place {
        self.chain.places.entry(name.clone()).or_default()
    }

    pub(super) fn gates<'g>(&'g self, name: &'g EnvironmentName, config: &'g Environment) -> Gates<'g> {
        Gates { chain: &self.chain, app: self.app, name, config, now: self.cause.now }
    }
}

pub(super) fn is_bad(asked: &Asked) -> bool {
    asked.verdict.as_ref().is_some_and(|verdict| !verdict.healthy)
}

/// Whether all of the wanted images are what this release has.
pub(super) fn has(release: &Release, wanted: &Release) -> bool {
    wanted.iter().all(|(name, wanted)| holds(release, name, wanted))
}

/// Whether a release has this very image of a component.
pub(super) fn holds(release: &Release, name: &ComponentName, image: &ReleasedImage) -> bool {
    release.get(name).is_some_and(|held| held.digest == image.digest)
}

/// Whether two releases have the same images, neither more than the other.
pub(super) fn is_same(one: &Release, other: &Release) -> bool {
    has(one, other) && has(other, one)
}

pub(super) fn left(name: &EnvironmentName, why: &str) -> String {
    format!("{name} is left as it is: {why}")
}
