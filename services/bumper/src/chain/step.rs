//! One event's step of a chain.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use ledger::{Asked, Barred, Chain, Ended, Hold, Offer, Owed, Place, Ruling, Waiting};
use proto::{
    AppName, ApprovalRequested, BumpReason, CommitSha, ComponentName, Data, Deployment, Digest, EnvironmentName,
    EventId, EventType, HealthReported, HoldChanged, Lane, ManifestBumped, QuarantineReleased, Release, ReleaseWaiting,
    RollbackRequested, Timestamp,
};
use runtime::config::{App, Environment, Rollback, Skip};

use super::gate::{Gate, Gates, Wait};

/// The shortest beginning of a revision, commit or digest that names one, as Git has it.
const SHORTEST: usize = 4;

/// The event a step is taken for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) id: EventId,
    pub(crate) replay: u32,
    /// When the step is taken.
    pub(crate) now: Timestamp,
}

/// What the Git repositories say, asked before the step is taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Whether the judged revision came before the one that was asked for last.
    pub(crate) is_older: bool,
    /// Environments that run a source commit which contains the offered one, and that commit.
    pub(crate) ahead: BTreeMap<EnvironmentName, CommitSha>,
    /// Owed fixes that the offered commit contains.
    pub(crate) contains: BTreeSet<CommitSha>,
}

/// What the GitOps repository is to be asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    pub(crate) environment: EnvironmentName,
    pub(crate) reason: BumpReason,
    pub(crate) wanted: Release,
    /// When given: only while it still asks for these.
    pub(crate) instead_of: Option<BTreeMap<ComponentName, Digest>>,
    pub(crate) lane: Lane,
    pub(crate) author: Option<String>,
    pub(crate) note: Option<String>,
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

/// One event's step.
pub(crate) struct Step<'a> {
    /// What is known, as far as the step has been taken.
    pub(crate) chain: Chain,
    pub(crate) told: Told,
    /// What the repository is to be asked for. Each is answered by [`Self::landed`], [`Self::same`] or
    /// [`Self::moved_on`].
    pub(crate) wishes: Vec<Wish>,
    name: &'a AppName,
    app: &'a App,
    cause: Cause,
    facts: &'a Facts,
    /// Where an earlier run of the same event had its commit made.
    done: BTreeSet<EnvironmentName>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(chain: Chain, name: &'a AppName, app: &'a App, cause: Cause, facts: &'a Facts) -> Self {
        let (told, wishes, done) = (Told::default(), Vec::new(), BTreeSet::new());
        Self { chain, told, wishes, name, app, cause, facts, done }
    }

    /// An earlier run of the same event had this commit made and died before it could tell. `overtaken` when the
    /// environment has been asked for something later since.
    pub(crate) fn was_landed(&mut self, deployment: Deployment, wish: &Wish, overtaken: bool) {
        self.done.insert(deployment.environment.clone());
        if overtaken {
            // It went all the same, and nothing will ask for it again.
            self.went(&deployment.environment, wish);
            self.tell(deployment.environment.to_string(), ManifestBumped { deployment });
        } else {
            self.landed(deployment, wish);
        }
    }

    /// A release is there to be deployed to these environments.
    pub(crate) fn offered(&mut self, offer: &Offer, environments: &[&EnvironmentName]) {
        self.chain.owed.retain(|owed| !self.facts.contains.contains(&owed.commit));
        for name in environments {
            match self.app.environments.get(*name) {
                Some(config) => self.enter(name, config, offer.clone()),
                None => self.no_environment(name),
            }
        }
    }

    /// A release that waits asks again.
    pub(crate) fn waited(&mut self, id: EventId, event: &ReleaseWaiting) {
        let (name, lane) = (&event.environment, event.lane);
        let Some(config) = self.app.environments.get(name) else {
            return self.no_environment(name);
        };
        if self.done.contains(name) {
            return;
        }
        let place = self.chain.place(name);
        let Some(waiting) = place.and_then(|place| place.waiting(lane)).filter(|w| w.id == id).cloned() else {
            let ended = place.and_then(|place| place.ended.iter().rfind(|ended| ended.id == id));
            // Without one it went, and that was told.
            self.told.reasons.extend(ended.map(|ended| ended.why.clone()));
            return;
        };
        match self.gates(name, config).ask(&waiting.offer, Some(&waiting)) {
            Gate::Open => self.wish(name, waiting.offer),
            Gate::Closed(wait) => self.told.comes_again = Some(wait),
            Gate::Never(why) => self.end(name, lane, why),
        }
    }

    /// A person lets a release in.
    pub(crate) fn granted(&mut self, approval: EventId, name: &EnvironmentName, by: &str) {
        let Some((config, lane, mut waiting)) = self.asked_of_people(approval, name) else { return };
        if let Gate::Never(why) = self.gates(name, config).ask(&waiting.offer, Some(&waiting)) {
            return self.end(name, lane, why);
        }
        let Some(rules) = Gates::rules(config) else {
            return self.told.reasons.push(format!("{name} asks for no approval any more"));
        };
        if !rules.by.is_empty() && !rules.by.contains(by) {
            let may = rules.by.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return self.told.reasons.push(format!("{by} may not approve for {name}; these may: {may}"));
        }
        if let Some(author) = waiting.offer.author.as_deref().filter(|author| rules.not_author && is_same(author, by)) {
            return self.told.reasons.push(format!("{author} wrote it, so somebody else must approve it"));
        }
        if waiting.granted.insert(by.to_owned(), self.cause.now).is_some() {
            self.told.reasons.push(format!("{by} had approved it already"));
        }
        *slot(self.place(name), lane) = Some(waiting.clone());
        match self.gates(name, config).ask(&waiting.offer, Some(&waiting)) {
            Gate::Open => self.wish(name, waiting.offer),
            // It comes again by itself.
            Gate::Closed(_) => {}
            Gate::Never(why) => self.end(name, lane, why),
        }
    }

    /// A person keeps a release out.
    pub(crate) fn rejected(&mut self, approval: EventId, name: &EnvironmentName, by: &str, comment: Option<&str>) {
        let Some((_, lane, _)) = self.asked_of_people(approval, name) else { return };
        let words = comment.map(|comment| format!(": {comment}")).unwrap_or_default();
        // Its own event tells it; this is for the one that waits.
        end(self.place(name), lane, &format!("{name} does not get it: {by} rejected it{words}"));
    }

    /// A verdict was reached.
    pub(crate) fn judged(&mut self, report: &HealthReported) {
        let deployment = &report.deployment;
        let name = &deployment.environment;
        let Some(config) = self.app.environments.get(name) else { return self.no_environment(name) };
        let asked = self.place(name).asked.take();
        if let Some(later) =
            asked.as_ref().filter(|a| a.deployment.revision != deployment.revision && self.facts.is_older)
        {
            let (old, new) = (deployment.revision.short(), later.deployment.revision.short());
            self.told.reasons.push(format!("superseded: {name} was asked for {new} since, which came after {old}"));
            self.place(name).asked = asked;
            return;
        }
        let asked = asked.filter(|asked| asked.deployment.revision == deployment.revision);
        let ruling = Ruling { healthy: report.healthy, summary: report.summary.clone(), at: self.cause.now };
        let (lane, author) = asked.map_or((Lane::Deploy, None), |asked| (asked.lane, asked.author));
        let asked = Asked {
            deployment: deployment.clone(),
            at: self.cause.now,
            lane,
            author: author.clone(),
            verdict: Some(ruling.clone()),
        };
        self.place(name).asked = Some(asked);
        if report.healthy {
            self.healthy(deployment, lane, author, &ruling);
        } else {
            self.unhealthy(config, report);
        }
    }

    fn healthy(&mut self, verified: &Deployment, lane: Lane, author: Option<String>, ruling: &Ruling) {
        let from = &verified.environment;
        let place = self.place(from);
        place.healthy = Some(verified.clone());
        place.hold.take_if(|hold| hold.automatic);
        // What an earlier verdict over the same environment laid on these digests: it was judged again.
        let released: BTreeSet<_> = verified.release.values().map(|released| &released.digest).collect();
        self.chain.barred.retain(|digest, entry| entry.environment != *from || !released.contains(digest));
        if verified.reason == BumpReason::Rollback {
            let why = format!("{from} is healthy again after a rollback; a rollback is not promoted");
            return self.told.reasons.push(why);
        }
        let mut release = verified.release.clone();
        release.retain(|name, _| self.app.components.contains_key(name));
        let (reason, verified, note) = (BumpReason::Promotion, Some(ruling.clone()), verified.note.clone());
        let offer = Offer { release, reason, lane, verified, author, note };
        let after: Vec<_> = self.app.environments_after(from).collect();
        for (name, config) in after {
            match self.not_yet_healthy(config, &offer.release) {
                Some(other) => {
                    let why = format!("{name} waits for {other} to be healthy with the same images");
                    self.told.reasons.push(why);
                }
                None => self.enter(name, config, offer.clone()),
            }
        }
    }

    /// An environment that must be healthy with this release first, and is not.
    fn not_yet_healthy<'e>(&self, config: &'e Environment, release: &Release) -> Option<&'e EnvironmentName> {
        config.after.iter().find(|before| {
            let healthy = self.chain.place(before).and_then(|place| place.healthy.as_ref());
            healthy.is_none_or(|healthy| !has(&healthy.release, release))
        })
    }

    fn unhealthy(&mut self, config: &Environment, report: &HealthReported) {
        let (bad, summary) = (&report.deployment, &report.summary);
        let name = &bad.environment;
        let left = |why: &str| format!("{name} is unhealthy ({summary}): {why}");
        if bad.reason == BumpReason::Rollback {
            let why = left("this was the rollback itself, so nothing is tried on; a human is needed");
            self.told.reasons.push(why);
            let reason = format!("the rollback itself is unhealthy: {summary}");
            let hold = Hold { by: "Windlass".to_owned(), reason, at: self.cause.now, automatic: true };
            self.place(name).hold.get_or_insert(hold);
            return;
        }
        let place = self.chain.place(name);
        let good = place.and_then(|place| place.healthy.clone());
        let held = config.hold.clone().or_else(|| Some(place?.hold.as_ref()?.reason.clone()));
        self.bar_bad(bad, good.as_ref(), summary);
        let wanted = match self.way_back(bad, good, config, held) {
            Ok(wanted) => wanted,
            Err(why) => return self.told.reasons.push(left(&why)),
        };
        let instead_of = wanted.keys().filter_map(|name| Some((name.clone(), bad.release.get(name)?.digest.clone())));
        let instead_of = Some(instead_of.collect());
        self.go_back(name, wanted, instead_of, Some(summary.clone()));
    }

    /// What to restore of what was last healthy, or why nothing is.
    fn way_back(
        &self,
        bad: &Deployment,
        good: Option<Deployment>,
        config: &Environment,
        held: Option<String>,
    ) -> Result<Release, String> {
        if let Some(why) = held {
            return Err(format!("it is held ({why}), so a person decides; what is bad is not deployed again"));
        }
        if config.rollback == Rollback::Manual {
            return Err("`rollback: manual`, so a person decides; what is bad is not deployed again".to_owned());
        }
        let name = &bad.environment;
        let Some(good) = good else {
            return Err(format!("nothing healthy is known to restore in {name}; deploy a good version by hand"));
        };
        let wanted = differing(&good.release, &bad.release);
        if wanted.is_empty() {
            return Err(
                "it runs what was last healthy here, so the images are not to blame; a human is needed".to_owned()
            );
        }
        match self.chain.why_barred(&wanted) {
            Some(why) => Err(format!("what was last healthy is no way back: {why}; a human is needed")),
            None => Ok(wanted),
        }
    }

    /// Bars what this deployment brought and what was not healthy here before.
    fn bar_bad(&mut self, bad: &Deployment, good: Option<&Deployment>, summary: &str) {
        let was_healthy = |name: &ComponentName| good.and_then(|good| good.release.get(name)).map(|r| &r.digest);
        for (name, released) in bad.release.iter().filter(|(name, _)| bad.changed.contains(name)) {
            if was_healthy(name) != Some(&released.digest) {
                self.bar(&released.digest, &bad.environment, format!("unhealthy in {}: {summary}", bad.environment));
            }
        }
    }

    fn bar(&mut self, digest: &Digest, environment: &EnvironmentName, reason: String) {
        let entry = Barred { reason, environment: environment.clone(), at: self.cause.now };
        self.chain.barred.entry(digest.clone()).or_insert(entry);
    }

    /// A person wants an environment taken back; `healthy` is what was healthy there, the last first.
    pub(crate) fn taken_back(&mut self, asked: &RollbackRequested, healthy: &[Deployment]) {
        let name = &asked.environment;
        if !self.app.environments.contains_key(name) {
            return self.no_environment(name);
        }
        if self.done.contains(name) {
            return;
        }
        let not = |why: String| format!("{name} is not taken back: {why}");
        let now = self.chain.place(name).and_then(|place| place.asked.clone()).map(|asked| asked.deployment);
        let good = match choose(healthy, now.as_ref(), asked.to.as_deref()) {
            Ok(good) => good,
            Err(why) => return self.told.reasons.push(not(why)),
        };
        let mut wanted = good.release.clone();
        wanted.retain(|component, _| self.app.components.contains_key(component));
        if let Some(why) = self.chain.why_barred(&wanted) {
            return self.told.reasons.push(not(format!("{why}; see `windlass quarantine release`")));
        }
        // What is taken back is barred from every environment, or the next event would bring it again.
        let stays = |name, digest: &Digest| wanted.get(name).is_none_or(|stays| stays.digest == *digest);
        let goes = now.iter().flat_map(|now| &now.release).filter(|(name, r)| !stays(name, &r.digest));
        let goes: Vec<_> = goes.map(|(_, released)| released.digest.clone()).collect();
        for digest in goes {
            self.bar(&digest, name, format!("taken back from {name} by {}: {}", asked.by, asked.reason));
        }
        self.go_back(name, wanted, None, Some(format!("{} asked for it: {}", asked.by, asked.reason)));
    }

    fn go_back(
        &mut self,
        name: &EnvironmentName,
        wanted: Release,
        instead_of: Option<BTreeMap<ComponentName, Digest>>,
        note: Option<String>,
    ) {
        if !self.done.contains(name) {
            let (reason, lane, author) = (BumpReason::Rollback, Lane::Deploy, None);
            self.wishes.push(Wish { environment: name.clone(), reason, wanted, instead_of, lane, author, note });
        }
    }

    /// A person lifts a quarantine. What was barred after the word was given is not what it was given for.
    pub(crate) fn released(&mut self, released: &QuarantineReleased, given: Timestamp) {
        if self.chain.barred.get(&released.digest).is_some_and(|entry| entry.at <= given) {
            self.chain.barred.remove(&released.digest);
        } else {
            self.told.reasons.push(format!("{} was not in quarantine", released.digest.short()));
        }
    }

    /// A person holds an environment, or lets it go.
    pub(crate) fn hold_changed(&mut self, change: &HoldChanged) {
        let name = &change.environment;
        if !self.app.environments.contains_key(name) {
            return self.no_environment(name);
        }
        let (by, reason, at) = (change.by.clone(), change.reason.clone(), self.cause.now);
        let hold = change.held.then_some(Hold { by, reason, at, automatic: false });
        if hold.is_none() && self.place(name).hold.is_none() {
            self.told.reasons.push(format!("{name} was not held"));
        }
        self.place(name).hold = hold;
    }

    /// The repository asks for it now.
    pub(crate) fn landed(&mut self, deployment: Deployment, wish: &Wish) {
        let (name, now) = (deployment.environment.clone(), self.cause.now);
        if wish.reason != BumpReason::Rollback {
            self.went(&name, wish);
        }
        if wish.lane == Lane::Hotfix {
            self.owe(wish);
        }
        let (lane, author) = (wish.lane, wish.author.clone());
        let asked = Asked { deployment: deployment.clone(), at: now, lane, author, verdict: None };
        self.place(&name).asked = Some(asked);
        self.tell(name.to_string(), ManifestBumped { deployment });
    }

    /// The repository asked for it already.
    pub(crate) fn same(&mut self, wish: &Wish, head: &CommitSha) {
        if wish.reason != BumpReason::Rollback {
            self.went(&wish.environment, wish);
        }
        self.told.reasons.push(format!("{} already asks for it, as of {}", wish.environment, head.short()));
    }

    /// The repository asks for something else than what was to be replaced.
    pub(crate) fn moved_on(&mut self, wish: &Wish, now: &str) {
        let name = &wish.environment;
        self.told.reasons.push(format!("the manifest of {name} has moved on to {now}; it is left as it is"));
    }

    /// What is wanted is older than what the files ask for.
    pub(crate) fn older(&mut self, wish: &Wish, why: &str) {
        self.went(&wish.environment, wish);
        self.told.reasons.push(format!("{} is left as it is: {why}", wish.environment));
    }

    /// What went no longer waits.
    fn went(&mut self, name: &EnvironmentName, wish: &Wish) {
        let place = self.place(name);
        slot(place, wish.lane).take_if(|waiting| has(&wish.wanted, &waiting.offer.release));
    }

    /// A fix that is deployed must come back into a deploy branch.
    fn owe(&mut self, wish: &Wish) {
        for commit in wish.wanted.values().filter_map(|released| released.commit.clone()) {
            if !self.chain.owed.iter().any(|owed| owed.commit == commit) {
                self.chain.owed.push(Owed { commit, note: wish.note.clone(), at: self.cause.now });
            }
        }
    }

    /// A release comes to an environment's gate.
    fn enter(&mut self, name: &EnvironmentName, config: &Environment, mut offer: Offer) {
        if self.done.contains(name) {
            return;
        }
        if let Some(why) = self.chain.why_barred(&offer.release) {
            return self.told.reasons.push(format!("{name} does not get it: {why}"));
        }
        let lane = offer.lane;
        let (known, waiting) =
            (self.chain.place(name).and_then(|place| place.asked.as_ref()), self.waiting(name, lane));
        if self.cause.replay == 0 {
            if let Some(asked) = known.filter(|asked| !is_bad(asked) && has(&asked.deployment.release, &offer.release))
            {
                let revision = asked.deployment.revision.short();
                return self.told.reasons.push(format!("{name} already asks for it, as of {revision}"));
            }
            if waiting.is_some_and(|waiting| has(&waiting.offer.release, &offer.release)) {
                return self.told.reasons.push(format!("it waits for {name} already"));
            }
            if let Some(why) = self.is_older(name, &offer) {
                return self.told.reasons.push(format!("{name} is left as it is: {why}"));
            }
            if let Some(newer) = self.facts.ahead.get(name) {
                let newer = newer.short();
                return self.told.reasons.push(format!(
                    "{name} runs {newer}, which contains it: an older image is deployed by `windlass rollback` only"
                ));
            }
        }
        // Components that come one by one wait together.
        let mut release = waiting.map(|waiting| waiting.offer.release.clone()).unwrap_or_default();
        release.extend(std::mem::take(&mut offer.release));
        offer.release = release;
        match self.gates(name, config).ask(&offer, None) {
            Gate::Open => {
                end(self.place(name), lane, &superseded(name, &offer.release));
                self.wish(name, offer);
            }
            Gate::Closed(wait) => self.wait(name, config, offer, wait),
            Gate::Never(why) => self.told.reasons.push(why),
        }
    }

    /// What an offered tag is older than, where a rule over tags says so. What the files ask for is looked at again when
    /// they are written.
    fn is_older(&self, name: &EnvironmentName, offer: &Offer) -> Option<String> {
        if offer.reason != BumpReason::Deploy {
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

    fn wait(&mut self, name: &EnvironmentName, config: &Environment, offer: Offer, wait: Wait) {
        let (lane, now) = (offer.lane, self.cause.now);
        let id = EventId::of_outcome(self.cause.id, EventType::ReleaseWaiting, Some(self.name), name.as_str());
        let waits = ReleaseWaiting {
            app: self.name.clone(),
            environment: name.clone(),
            release: offer.release.clone(),
            reason: offer.reason,
            lane,
            waits_for: wait.waits_for.clone(),
        };
        self.tell(name.to_string(), waits);
        let skips = lane == Lane::Hotfix && self.app.fast_path.skip.contains(&Skip::Approval);
        if config.approval.is_some() && !skips {
            self.ask_people(id, name, config, &offer);
        }
        let place = self.place(name);
        end(place, lane, &superseded(name, &offer.release));
        *slot(place, lane) =
            Some(Waiting { id, offer, since: now, granted: BTreeMap::new(), waits_for: wait.waits_for });
    }

    fn ask_people(&mut self, id: EventId, name: &EnvironmentName, config: &Environment, offer: &Offer) {
        let Some(rules) = Gates::rules(config) else { return };
        let running = self.chain.place(name).and_then(|place| place.asked.as_ref());
        let expires = rules.expires.and_then(|after| self.cause.now.checked_add(after).ok());
        let asks = ApprovalRequested {
            approval: id,
            app: self.name.clone(),
            environment: name.clone(),
            release: offer.release.clone(),
            running: running.map(|asked| asked.deployment.release.clone()).unwrap_or_default(),
            approvers: rules.approvers,
            author: offer.author.clone().filter(|_| rules.not_author),
            evidence: offer.verified.as_ref().map(|verdict| verdict.summary.clone()),
            note: offer.note.clone(),
            expires_at: expires,
        };
        self.tell(name.to_string(), asks);
    }

    /// The wait that an answer names, or a word that there is none.
    fn asked_of_people(
        &mut self,
        approval: EventId,
        name: &EnvironmentName,
    ) -> Option<(&'a Environment, Lane, Waiting)> {
        let Some(config) = self.app.environments.get(name) else {
            self.no_environment(name);
            return None;
        };
        if self.done.contains(name) {
            return None;
        }
        let place = self.chain.place(name);
        let lanes = [Lane::Hotfix, Lane::Deploy];
        let found = lanes.into_iter().find_map(|lane| Some((lane, place?.waiting(lane).filter(|w| w.id == approval)?)));
        if let Some((lane, waiting)) = found {
            return Some((config, lane, waiting.clone()));
        }
        let ended = place.and_then(|place| place.ended.iter().rfind(|ended| ended.id == approval));
        let why = ended.map_or("it has gone there, or never waited".to_owned(), |ended| ended.why.clone());
        self.told.reasons.push(format!("nothing waits for {name} under {approval}: {why}"));
        None
    }

    fn wish(&mut self, name: &EnvironmentName, offer: Offer) {
        let Offer { release: wanted, reason, lane, author, note, .. } = offer;
        self.wishes.push(Wish { environment: name.clone(), reason, wanted, instead_of: None, lane, author, note });
    }

    fn end(&mut self, name: &EnvironmentName, lane: Lane, why: String) {
        end(self.place(name), lane, &why);
        self.told.reasons.push(why);
    }

    fn no_environment(&mut self, name: &EnvironmentName) {
        let app = self.name;
        self.told.reasons.push(format!("the configuration has no environment {name} of {app} any more"));
    }

    fn tell(&mut self, subject: String, data: impl Into<Data>) {
        self.told.events.push((subject, data.into()));
    }

    fn place(&mut self, name: &EnvironmentName) -> &mut Place {
        self.chain.places.entry(name.clone()).or_default()
    }

    fn waiting(&self, name: &EnvironmentName, lane: Lane) -> Option<&Waiting> {
        self.chain.place(name)?.waiting(lane)
    }

    fn gates<'g>(&'g self, name: &'g EnvironmentName, config: &'g Environment) -> Gates<'g> {
        Gates { chain: &self.chain, app: self.app, name, config, now: self.cause.now }
    }
}

fn is_bad(asked: &Asked) -> bool {
    asked.verdict.as_ref().is_some_and(|verdict| !verdict.healthy)
}

fn slot(place: &mut Place, lane: Lane) -> &mut Option<Waiting> {
    if lane == Lane::Hotfix { &mut place.urgent } else { &mut place.waiting }
}

/// Ends a wait, and keeps why for whoever asks again.
fn end(place: &mut Place, lane: Lane, why: &str) {
    /// Each is asked for within minutes.
    const KEPT: usize = 32;
    if let Some(waiting) = slot(place, lane).take() {
        place.ended.push(Ended { id: waiting.id, why: why.to_owned() });
        let surplus = place.ended.len().saturating_sub(KEPT);
        place.ended.drain(..surplus);
    }
}

/// Whether all of the wanted images are what this release has.
fn has(release: &Release, wanted: &Release) -> bool {
    wanted.iter().all(|(name, wanted)| release.get(name).is_some_and(|released| released.digest == wanted.digest))
}

/// What of the good release is not what the bad one has.
fn differing(good: &Release, bad: &Release) -> Release {
    let differs = |name: &ComponentName, digest: &Digest| bad.get(name).is_some_and(|bad| bad.digest != *digest);
    let parts = good.iter().filter(|(name, released)| differs(name, &released.digest));
    parts.map(|(name, released)| (name.clone(), released.clone())).collect()
}

fn superseded(name: &EnvironmentName, by: &Release) -> String {
    let newer = by.values().find_map(|released| released.commit.as_ref());
    let newer = newer.map_or("a newer release", CommitSha::short);
    format!("superseded: {newer} came for {name} while it waited")
}

/// Whether a commit's author, `Ada <ada@example.org>`, is who approves: by name, address or the address's first part.
fn is_same(author: &str, by: &str) -> bool {
    let (name, address) =
        author.split_once('<').map_or((author, ""), |(name, rest)| (name, rest.trim_end_matches('>')));
    let local = address.split('@').next().unwrap_or_default();
    let by = by.split_once('<').map_or(by, |(name, _)| name).trim();
    [author, name.trim(), address, local].iter().any(|known| !known.is_empty() && known.eq_ignore_ascii_case(by))
}

/// What to restore, of what was healthy, the last first: what is named, or the last that is not what is asked for now.
fn choose<'a>(healthy: &'a [Deployment], now: Option<&Deployment>, to: Option<&str>) -> Result<&'a Deployment, String> {
    if healthy.is_empty() {
        return Err("nothing is known to have been healthy there; deploy a good version by hand".to_owned());
    }
    let Some(to) = to else {
        let other = |good: &&Deployment| now.is_none_or(|now| !is_same_release(&good.release, &now.release));
        return healthy.iter().find(other).ok_or_else(|| {
            "nothing else than what it runs is known to have been healthy there; name one by `--to`".to_owned()
        });
    };
    if to.len() < SHORTEST {
        return Err(format!("`{to}` is too short to name anything; write at least {SHORTEST} characters"));
    }
    healthy.iter().find(|good| is_named(good, to)).ok_or_else(|| {
        let known: Vec<_> = healthy.iter().take(5).map(|good| good.revision.short()).collect();
        format!("`{to}` names nothing that was healthy there; the last that were: {}", known.join(", "))
    })
}

fn is_same_release(one: &Release, other: &Release) -> bool {
    one.iter().all(|(name, released)| other.get(name).is_none_or(|o| o.digest == released.digest))
}

/// Whether a GitOps revision, a source commit or a digest of it begins so.
fn is_named(deployment: &Deployment, to: &str) -> bool {
    let digest = to.strip_prefix("sha256:").unwrap_or(to);
    deployment.revision.as_str().starts_with(to)
        || deployment.release.values().any(|released| {
            released.commit.as_ref().is_some_and(|commit| commit.as_str().starts_with(to))
                || released.digest.as_str().strip_prefix("sha256:").is_some_and(|hex| hex.starts_with(digest))
        })
}
