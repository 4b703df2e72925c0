//! A world without I/O: a manifest an environment, deliveries that come in any order, people, and a clock.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use jiff::ToSpan;
use ledger::{Chain, Offer};
use proto::{
    AppName, BumpReason, CommitSha, ComponentName, Data, Deployment, Digest, EnvironmentName, EventId, HealthReported,
    Lane, Release, ReleaseWaiting, ReleasedImage, Timestamp,
};
use runtime::{Config, config::ReleaseMode};

use super::history::History;
use crate::{
    chain::{Cause, Facts, Order, Question, Step, Wish, nothing, step::has, waits_for},
    recall::{as_told, first_wish},
    run::Input,
};

/// Who wrote all that there is.
const AUTHOR: &str = "Grace <grace@example.org>";

/// What may happen next.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// One of the deliveries that wait, with one of the faults.
    Deliver { which: u8, fault: u8 },
    /// A new release; `bad` 1: unhealthy everywhere, 2: unhealthy after the first environment. `alone`: one component,
    /// where they come one by one. `merges`: it has the last fix, by another name when 2.
    Offer { bad: u8, alone: bool, hotfix: bool, merges: u8 },
    /// Somebody writes a release that was there once into a manifest.
    ByHand { environment: u8, which: u8 },
    /// Somebody answers to something that waits.
    Answer { which: u8, who: u8, yes: bool },
    /// Somebody orders a rollback.
    Rollback { environment: u8 },
    /// Somebody holds an environment or lets it go.
    Hold { environment: u8, held: bool },
    /// Somebody lifts a quarantine.
    Release { which: u8 },
    /// Time passes.
    Wait { seconds: u16 },
    /// The configuration has other gates from now on, or the first ones again.
    Configure,
}

#[derive(Debug, Clone)]
enum What {
    Offer(Offer),
    Data(Box<Data>),
}

#[derive(Debug, Clone)]
struct Delivery {
    id: EventId,
    what: What,
}

/// A commit in the GitOps repository.
#[derive(Debug, Clone)]
struct Commit {
    event: EventId,
    deployment: Deployment,
    by_hand: bool,
}

/// What an environment was known to run since a moment.
struct Seen {
    at: Timestamp,
    revision: CommitSha,
    release: Release,
    healthy: bool,
}

pub(super) struct World {
    name: AppName,
    config: Rc<Config>,
    /// The configuration that it does not have, and may come to.
    other: Rc<Config>,
    now: Timestamp,
    counter: u64,
    kept: Chain,
    deliveries: Vec<Delivery>,
    /// Runs that began, and what came of those that were done.
    begun: BTreeSet<EventId>,
    done: BTreeMap<EventId, Vec<Delivery>>,
    commits: Vec<Commit>,
    history: History,
    offered: Vec<Offer>,
    /// Digests that are bad: everywhere, or only after the first environment.
    bad: BTreeMap<Digest, u8>,
    /// What was judged healthy where, and what was granted where by whom.
    verified: BTreeSet<(EnvironmentName, String)>,
    /// Digests that a person had taken back.
    ordered: BTreeSet<Digest>,
    /// Fixes that no release without them may replace.
    fixes: BTreeSet<CommitSha>,
    granted: BTreeMap<(EnvironmentName, String), BTreeSet<String>>,
    /// What each environment was known to run, the last last.
    seen: BTreeMap<EnvironmentName, Vec<Seen>>,
}

impl World {
    pub(super) fn new(app: u8, [environments, later]: [&str; 2], fast_path: &str, release: &str) -> Self {
        let config = |environments: &str| {
            let text = format!(
                "apps:\n  app{app}:\n    repository: acme/app\n    deploy: [main]\n    hotfix: ['hotfix/*']\n    \
                 fast_path: {fast_path}\n    release: {release}\n    \
                 components: {{ one: {{ image: r.example/one }}, two: {{ image: r.example/two }} }}\n    \
                 gitops: {{ repository: 'https://r.example/g.git' }}\n    environments:\n      {environments}\n"
            );
            parsed(text.replace("SYNC", "sync: { command: ['true'] }"))
        };
        Self {
            name: format!("app{app}").parse().unwrap(),
            config: config(environments),
            other: config(later),
            now: "2026-11-26T08:00:00Z".parse().unwrap(),
            counter: u64::from(app) << 32,
            kept: Chain::default(),
            deliveries: Vec::new(),
            begun: BTreeSet::new(),
            done: BTreeMap::new(),
            commits: Vec::new(),
            history: History::default(),
            offered: Vec::new(),
            bad: BTreeMap::new(),
            verified: BTreeSet::new(),
            ordered: BTreeSet::new(),
            fixes: BTreeSet::new(),
            granted: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    pub(super) fn happens(&mut self, op: &Op) {
        match op {
            Op::Deliver { which, fault } => {
                if let Some(n) = pick(self.deliveries.len(), *which) {
                    self.deliver(n, *fault);
                }
            }
            Op::Offer { bad, alone, hotfix, merges } => self.offer(*bad, *alone, *hotfix, *merges),
            Op::ByHand { environment, which } => self.by_hand(*environment, *which),
            Op::Answer { which, who, yes } => self.answer(*which, *who, *yes),
            Op::Rollback { environment } => {
                let (app, environment) = (self.name.clone(), self.environment(*environment));
                let (by, reason) = ("ada".to_owned(), "it is slow".to_owned());
                self.order(proto::RollbackRequested { app, environment, to: None, by, reason });
            }
            Op::Hold { environment, held } => {
                let (app, environment) = (self.name.clone(), self.environment(*environment));
                let (by, reason) = ("ada".to_owned(), "a test by hand".to_owned());
                self.order(proto::HoldChanged { app, environment, held: *held, by, reason });
            }
            Op::Release { which } => {
                let barred: Vec<_> = self.kept.barred.keys().cloned().collect();
                if let Some(n) = pick(barred.len(), *which) {
                    let (app, digest) = (self.name.clone(), barred[n].clone());
                    let (by, reason) = ("ada".to_owned(), "mended".to_owned());
                    self.order(proto::QuarantineReleased { app, digest, by, reason });
                }
            }
            Op::Wait { seconds } => self.now += i64::from(*seconds).seconds(),
            Op::Configure => std::mem::swap(&mut self.config, &mut self.other),
        }
    }

    /// All that is still under way comes to its end; people let everything in.
    pub(super) fn settles(&mut self) {
        for environment in self.config.apps[&self.name].environments.keys().cloned().collect::<Vec<_>>() {
            let (app, by, reason) = (self.name.clone(), "ada".to_owned(), "done".to_owned());
            self.order(proto::HoldChanged { app, environment, held: false, by, reason });
        }
        for round in 0..2000 {
            if self.deliveries.is_empty() {
                return self.check_end();
            }
            // What was replaced where it soaked, or must show itself, goes nowhere by itself. The next fix comes before the
            // next release, which has it: what is newest is of the deploy branch, or it would be left aside.
            if round % 100 == 99 && self.waits_for_what_is_newer() {
                let is_fix = round % 200 == 99;
                self.offer(0, false, is_fix, u8::from(!is_fix));
            }
            for n in (0..self.deliveries.len()).rev() {
                self.deliver(n, 0);
            }
            for who in 0..2 {
                for which in 0..4 {
                    self.answer(which, who, true);
                }
            }
            // Fixes that nobody brought back; a person says that none needs them.
            for owed in self.kept.owed.clone() {
                let (app, by, reason) = (self.name.clone(), "ada".to_owned(), "another way".to_owned());
                self.order(proto::FixSettled { app, commit: owed.commit, note: None, by, reason });
            }
            // Windlass holds what its own rollback did not help; a person looks at it.
            let held = self.kept.places.iter().filter(|(_, place)| place.hold.is_some()).map(|(name, _)| name.clone());
            for environment in held.collect::<Vec<_>>() {
                let (app, by, reason) = (self.name.clone(), "ada".to_owned(), "seen".to_owned());
                self.order(proto::HoldChanged { app, environment, held: false, by, reason });
            }
            self.now += 10.minutes();
        }
        panic!("it never ends: {:?}", self.deliveries);
    }

    /// Whether all that is left waits to be healthy in environments that run something else.
    fn waits_for_what_is_newer(&self) -> bool {
        let app = &self.config.apps[&self.name];
        let left = self.deliveries.iter().filter_map(|delivery| match &delivery.what {
            What::Data(data) => match &**data {
                Data::ReleaseWaiting(it) => Some(it),
                _ => None,
            },
            What::Offer(_) => None,
        });
        let words = |it: &ReleaseWaiting| waits_for(&self.kept, app, &it.environment, it.lane, self.now);
        let mut words = left.map(|it| words(it).unwrap_or_default());
        words.any(|words| words.contains("where it is not now") || words.contains("to be healthy with the same images"))
    }

    fn check_end(&self) {
        for (name, place) in &self.kept.places {
            assert!(place.waiting.is_none() && place.urgent.is_none(), "{name} still waits: {place:?}");
            assert!(place.under_way().is_none(), "{name} is under way for ever: {place:?}");
            let ours = |commit: &&Commit| commit.deployment.environment == *name && !commit.by_hand;
            let last = self.commits.iter().rfind(ours);
            if self.manifest(name).is_some_and(|last| last.by_hand) {
                continue;
            }
            let asked = place.asked.as_ref().map(|asked| &asked.deployment.release);
            assert_eq!(last.map(|commit| &commit.deployment.release), asked, "{name}: the manifest and what is known");
        }
    }

    fn fresh(&mut self) -> EventId {
        self.counter += 1;
        EventId(uuid::Uuid::from_u128(self.counter.into()))
    }

    fn environment(&self, which: u8) -> EnvironmentName {
        let all: Vec<_> = self.config.apps[&self.name].environments.keys().collect();
        all[usize::from(which) % all.len()].clone()
    }

    fn order(&mut self, data: impl Into<Data>) {
        let id = self.fresh();
        self.deliveries.push(Delivery { id, what: What::Data(Box::new(data.into())) });
    }

    fn offer(&mut self, bad: u8, alone: bool, hotfix: bool, merges: u8) {
        let id = self.fresh();
        let alone = alone && self.config.apps[&self.name].release == ReleaseMode::Apart;
        let commit = sha(self.counter);
        self.history.grow(&commit, hotfix, merges);
        let mut release = Release::new();
        for (n, component) in ["one", "two"].into_iter().enumerate().take(if alone { 1 } else { 2 }) {
            let image = image(component, self.counter * 2 + u64::try_from(n).unwrap(), &commit);
            self.bad.insert(image.digest.clone(), bad);
            release.insert(component.parse().unwrap(), image);
        }
        let lane = if hotfix { Lane::Hotfix } else { Lane::Deploy };
        let author = Some(AUTHOR.to_owned());
        let commit = Some(commit);
        let (reason, verified, healthy_in) = (BumpReason::Deploy, None, BTreeMap::new());
        let offer = Offer { release, commit, reason, lane, verified, healthy_in, author, note: None };
        self.offered.push(offer.clone());
        self.deliveries.push(Delivery { id, what: What::Offer(offer) });
    }

    fn by_hand(&mut self, environment: u8, which: u8) {
        let (event, environment) = (self.fresh(), self.environment(environment));
        let Some(offer) = pick(self.offered.len(), which).map(|n| self.offered[n].clone()) else { return };
        let Some(mut there) = self.manifest(&environment).cloned() else { return };
        self.counter += 1;
        there.deployment.revision = sha(self.counter);
        there.deployment.commit.clone_from(&offer.commit);
        there.deployment.release.extend(offer.release);
        self.commits.push(Commit { event, by_hand: true, ..there });
    }

    fn manifest(&self, environment: &EnvironmentName) -> Option<&Commit> {
        self.commits.iter().rfind(|commit| commit.deployment.environment == *environment)
    }

    fn answer(&mut self, which: u8, who: u8, yes: bool) {
        let places = self.kept.places.iter();
        let waiting = places.flat_map(|(name, place)| {
            [&place.urgent, &place.waiting].into_iter().flatten().map(|waiting| (name.clone(), waiting.clone()))
        });
        let waiting: Vec<_> = waiting.collect();
        let Some(n) = pick(waiting.len(), which) else { return };
        let (environment, waiting) = waiting[n].clone();
        let by = ["ada", "linus", "grace"][usize::from(who) % 3].to_owned();
        let (approval, app) = (waiting.id, self.name.clone());
        if yes {
            let known = self.granted.entry((environment.clone(), key(&waiting.offer.release))).or_default();
            known.insert(by.clone());
            self.order(proto::ApprovalGranted { approval, app, environment, by, comment: None });
        } else {
            self.order(proto::ApprovalRejected { approval, app, environment, by, comment: None });
        }
    }

    /// Takes a delivery as the harness does. Faults: 1 dies before anything; 2 dies after the commits; 3 dies after all
    /// is kept, before it is published; 4 is delivered twice.
    fn deliver(&mut self, n: usize, fault: u8) {
        let delivery = self.deliveries.remove(n);
        let fault = if fault < 128 { 0 } else { 1 + fault % 4 };
        if let Some(outcomes) = self.done.get(&delivery.id) {
            self.deliveries.extend(outcomes.clone());
            return;
        }
        let again = !self.begun.insert(delivery.id);
        if fault == 1 {
            return self.deliveries.push(delivery);
        }
        let (config, name) = (Rc::clone(&self.config), self.name.clone());
        let cause = Cause { id: delivery.id, replay: 0, now: self.now };
        let mut facts = Facts::default();
        let mut step = loop {
            let mut step = Step::new(self.kept.clone(), &name, &config.apps[&name], cause, facts);
            let recalled = if again { self.recalled(&delivery) } else { Vec::new() };
            for (commit, overtaken) in &recalled {
                step.was_done(&commit.deployment, *overtaken);
            }
            self.take(&delivery, &mut step);
            for (commit, overtaken) in recalled {
                let wish = self.recalled_wish(&delivery, &commit.deployment);
                step.was_landed(commit.deployment, &wish, overtaken);
            }
            let Some(open) = step.facts.open() else { break step };
            facts = step.facts;
            for commit in open.authors {
                facts.learn_author(commit, Some(AUTHOR.to_owned()));
            }
            for question in open.questions {
                let order = self.history.answer(&question);
                facts.learn(question, order);
            }
        };
        self.note(&delivery, &step.chain);
        for wish in std::mem::take(&mut step.wishes) {
            self.commit(delivery.id, &mut step, &wish);
        }
        assert_eq!(step.facts.open(), None, "asked when it was too late");
        if fault == 2 || step.told.comes_again.is_some() {
            return self.deliveries.push(delivery);
        }
        self.check_barred(&delivery, &step);
        self.note_fixes(&delivery, &step.chain);
        self.check_orders(&delivery, &step.chain);
        let outcomes = self.outcomes(&delivery, &step);
        self.kept = step.chain;
        self.watch();
        self.done.insert(delivery.id, outcomes.clone());
        match fault {
            3 => self.deliveries.push(delivery),
            4 => {
                self.deliveries.extend(outcomes);
                self.deliveries.push(delivery);
            }
            _ => self.deliveries.extend(outcomes),
        }
    }

    /// Whether the environment was asked for something later.
    fn is_older(&self, deployment: &Deployment) -> bool {
        let place = |commit: &CommitSha| self.commits.iter().position(|c| c.deployment.revision == *commit);
        let known = self.kept.place(&deployment.environment).and_then(|place| place.asked.as_ref());
        known.is_some_and(|asked| place(&deployment.revision) < place(&asked.deployment.revision))
    }

    /// The commits that an earlier run of an event made, and whether others came after them.
    fn recalled(&self, delivery: &Delivery) -> Vec<(Commit, bool)> {
        let ours = self.commits.iter().filter(|commit| commit.event == delivery.id).cloned();
        let last = |environment: &EnvironmentName| {
            let ours = |other: &&Commit| other.deployment.environment == *environment && !other.by_hand;
            self.commits.iter().rfind(ours).map(|last| last.event)
        };
        let with_others = |commit: Commit| {
            let overtaken = last(&commit.deployment.environment) != Some(delivery.id);
            (commit, overtaken)
        };
        ours.map(with_others).collect()
    }

    /// What an earlier run of an event wished, as far as a later one can tell.
    fn recalled_wish(&self, delivery: &Delivery, deployment: &Deployment) -> Wish {
        let environment = &deployment.environment;
        match &delivery.what {
            What::Offer(Offer { reason, lane, author, note, .. }) => {
                let (author, commit) = (author.clone(), deployment.commit.clone());
                Wish::of(environment, Offer { author, commit, ..nothing(*reason, *lane, note.clone()) })
            }
            What::Data(data) => {
                let input = input(data);
                as_told(&input, first_wish(&input, delivery.id, environment, &self.kept), deployment)
            }
        }
    }

    fn take(&self, delivery: &Delivery, step: &mut Step<'_>) {
        let data = match &delivery.what {
            What::Offer(offer) => {
                let config = Rc::clone(&self.config);
                let first: Vec<_> =
                    config.apps[&self.name].first_environments(offer.lane).map(|(n, _)| n.clone()).collect();
                return step.offered(offer, &first);
            }
            What::Data(data) => &**data,
        };
        match data {
            Data::ReleaseWaiting(it) => step.waited(delivery.id, it),
            Data::HealthReported(it) => step.judged(it, self.is_older(&it.deployment), &Release::new()),
            Data::ApprovalGranted(it) => step.granted(it),
            Data::ApprovalRejected(it) => step.rejected(it),
            Data::HoldChanged(it) => step.hold_changed(it),
            Data::RollbackRequested(it) => {
                let healthy = step.chain.place(&it.environment).and_then(|place| place.healthy.clone());
                let healthy: Vec<_> = healthy.into_iter().collect();
                step.taken_back(it, &healthy);
            }
            Data::QuarantineReleased(it) => step.released(it, self.now),
            Data::FixSettled(it) => step.settled(it),
            other => panic!("{other:?} is none of the bumper's"),
        }
    }

    /// The repository's answer to a wish, as the writer gives it.
    fn commit(&mut self, event: EventId, step: &mut Step<'_>, wish: &Wish) {
        let last = self.manifest(&wish.environment).cloned();
        let mut release = last.map(|commit| commit.deployment.release).unwrap_or_default();
        let differs = |release: &Release, name: &ComponentName, digest: &Digest| {
            release.get(name).is_none_or(|released| released.digest != *digest)
        };
        let mut changed: Vec<_> =
            wish.wanted.iter().filter(|(name, w)| differs(&release, name, &w.digest)).map(|(n, _)| n.clone()).collect();
        let there = |release: &Release, changed: &[ComponentName], revision: CommitSha| Deployment {
            app: self.name.clone(),
            environment: wish.environment.clone(),
            repository: "https://r.example/g.git".to_owned(),
            branch: "main".parse().unwrap(),
            path: "p".to_owned(),
            revision,
            release: release.clone(),
            commit: wish.commit.clone(),
            changed: changed.to_vec(),
            reason: wish.reason,
            previous: BTreeMap::new(),
            note: wish.note.clone(),
        };
        if changed.is_empty() {
            let head = self.manifest(&wish.environment).map(|last| last.deployment.revision.clone());
            return step.same(wish, there(&release, &[], head.unwrap()));
        }
        if let Some(expected) = &wish.instead_of
            && changed.iter().any(|name| expected.get(name).is_none_or(|bad| differs(&release, name, &bad.digest)))
        {
            return step.moved_on(wish, "something else");
        }
        let (whole, mut asked) = (wish, wish.clone());
        let older = self.behind_files(step, wish, &release);
        asked.wanted.retain(|name, _| !older.contains(name));
        let alone = self.config.apps[&self.name].release == ReleaseMode::Apart && whole.reason == BumpReason::Deploy;
        if !older.is_empty() && (!alone || asked.wanted.is_empty()) {
            return step.older(whole, "something newer is there");
        }
        changed.retain(|name| !older.contains(name));
        if changed.is_empty() {
            let head = self.manifest(&wish.environment).map(|last| last.deployment.revision.clone());
            return step.same(whole, there(&release, &[], head.unwrap()));
        }
        let wish = &asked;
        self.check_wish(step, whole);
        self.check_source(step, wish, &release);
        release.extend(wish.wanted.clone());
        self.counter += 1;
        let deployment = there(&release, &changed, sha(self.counter));
        let twice = self.commits.iter().any(|c| c.event == event && c.deployment.environment == wish.environment);
        assert!(!twice, "{event} was done twice in {}", wish.environment);
        self.commits.push(Commit { event, deployment: deployment.clone(), by_hand: false });
        step.landed(deployment, whole);
    }

    /// What a person wrote is held against what is wanted, as the writer does; which of it is older.
    fn behind_files(&self, step: &Step<'_>, wish: &Wish, there: &Release) -> BTreeSet<ComponentName> {
        let asked = step.chain.place(&wish.environment).and_then(|place| place.asked.as_ref());
        let is_known = |image: &ReleasedImage| {
            asked.is_some_and(|asked| asked.deployment.release.values().any(|known| known.digest == image.digest))
        };
        let wanted = wish.wanted.iter().filter(|_| wish.reason != BumpReason::Rollback);
        let older = wanted.filter(|(name, wanted)| {
            let Some(runs) = there.get(*name).filter(|runs| runs.digest != wanted.digest && !is_known(runs)) else {
                return false;
            };
            let (new, old) = (wanted.commit.clone().unwrap(), runs.commit.clone().unwrap());
            self.history.answer(&Question::Order(new, old)) == Order::Before
        });
        older.map(|(name, _)| name.clone()).collect()
    }

    /// No event takes an environment back to older source, or undoes a fix that is owed.
    fn check_source(&self, step: &Step<'_>, wish: &Wish, there: &Release) {
        if wish.reason == BumpReason::Rollback {
            return;
        }
        for (name, wanted) in &wish.wanted {
            let Some(runs) = there.get(name).filter(|runs| runs.digest != wanted.digest) else { continue };
            let (new, old) = (wanted.commit.clone().unwrap(), runs.commit.clone().unwrap());
            let order = self.history.answer(&Question::Order(new.clone(), old.clone()));
            assert_ne!(order, Order::Before, "{name} goes back in {}: {new} after {old}", wish.environment);
            let is_known = step.chain.place(&wish.environment).and_then(|place| place.asked.as_ref());
            let is_known = is_known.is_some_and(|asked| asked.deployment.release.get(name) == Some(runs));
            if is_known && self.fixes.contains(&old) && wish.lane == Lane::Deploy {
                assert!(self.history.has(&new, &old), "{new} undoes the fix {old} in {}", wish.environment);
            }
        }
    }

    /// What was taken back, be it by this run or an earlier one of the event, is barred, or the next event brings it again.
    fn check_barred(&self, delivery: &Delivery, step: &Step<'_>) {
        let What::Data(data) = &delivery.what else { return };
        for (back, overtaken) in self.recalled(delivery) {
            let environment = &back.deployment.environment;
            let (gone, brought) = match &**data {
                Data::HealthReported(it) if !it.healthy => (&it.deployment.release, Some(&it.deployment.changed)),
                Data::RollbackRequested(_) if !overtaken => {
                    let Some(asked) = self.kept.place(environment).and_then(|place| place.asked.as_ref()) else {
                        continue;
                    };
                    (&asked.deployment.release, None)
                }
                _ => continue,
            };
            let healthy = self.kept.place(environment).and_then(|place| place.healthy.as_ref());
            for name in back.deployment.changed.iter().filter(|name| brought.is_none_or(|all| all.contains(name))) {
                let Some(gone) = gone.get(name).map(|image| &image.digest) else { continue };
                let is = |release: &Release| release.get(name).is_some_and(|image| image.digest == *gone);
                let was_healthy = brought.is_some() && healthy.is_some_and(|healthy| is(&healthy.release));
                let is_let_off = was_healthy || is(&back.deployment.release);
                assert!(is_let_off || step.chain.barred.contains_key(gone), "{name} may come back to {environment}");
            }
        }
    }

    /// What must have happened before anything is asked for.
    fn check_wish(&self, step: &Step<'_>, wish: &Wish) {
        let environment = &wish.environment;
        assert_eq!(step.chain.why_barred(&wish.wanted), None, "a barred digest goes to {environment}");
        if wish.reason == BumpReason::Rollback {
            for (name, released) in &wish.wanted {
                let is_it = |(at, release): &(EnvironmentName, String)| {
                    at == environment && release.contains(&format!("{name}={}", released.digest))
                };
                assert!(self.verified.iter().any(is_it), "{name} was never healthy in {environment}");
            }
            return;
        }
        // A part of it may have been overtaken since, or have gone ahead, where components come one by one.
        let is_part = |all: &str| key(&wish.wanted).split(' ').all(|part| all.split(' ').any(|one| one == part));
        let config = &self.config.apps[&self.name].environments[environment];
        let fast = &self.config.apps[&self.name].fast_path;
        let straight = wish.lane == Lane::Hotfix && fast.to.contains(environment);
        for before in config.after.iter().filter(|_| !straight) {
            let known = self.verified.iter().any(|(at, all)| at == before && is_part(all));
            assert!(known, "{environment} gets what was never healthy in {before}");
        }
        if wish.lane == Lane::Deploy && !config.soak.is_zero() {
            self.check_soak(&config.after, config.soak, &wish.wanted);
        }
        let is_ahead = |(name, image): (&ComponentName, &ReleasedImage)| {
            let mut fixes = self.offered.iter().filter(|offer| offer.lane == Lane::Hotfix);
            fixes.any(|fix| fix.release.get(name).is_some_and(|brought| brought.digest == image.digest))
        };
        if wish.lane == Lane::Hotfix {
            assert!(wish.wanted.iter().all(is_ahead), "a fix takes others along to {environment}: {:?}", wish.wanted);
        }
        let skips = wish.lane == Lane::Hotfix && fast.skip.contains(&runtime::config::Skip::Approval);
        if let Some(rules) = crate::chain::gate::Gates::rules(config).filter(|_| !skips) {
            let of_it = self.granted.iter().filter(|((at, all), _)| at == environment && is_part(all));
            let is_author = |by: &&String| rules.not_author && by.as_str() == "grace";
            let counted = |by: &&String| !is_author(by) && (rules.by.is_empty() || rules.by.contains(*by));
            let most = of_it.map(|(_, by)| by.iter().filter(counted).count()).max().unwrap_or(0);
            assert!(most >= rules.approvers as usize, "{environment} gets what {most} alone let in");
        }
        let under_way = step.chain.place(environment).and_then(|place| place.under_way());
        if let Some(under_way) = under_way.filter(|_| wish.lane != Lane::Hotfix) {
            let waited = self.now.duration_since(under_way.at).unsigned_abs();
            assert!(waited >= config.verdict_within, "{environment} loses the verdict over {under_way:?}");
        }
    }

    /// It was healthy wherever it must be for so long, without interruption.
    fn check_soak(&self, after: &[EnvironmentName], soak: Duration, wanted: &Release) {
        for before in after {
            let seen = self.seen.get(before).map(Vec::as_slice).unwrap_or_default();
            let ends = seen.iter().skip(1).map(|next| next.at).chain([self.now]);
            let soaked = seen.iter().zip(ends).filter(|(seen, _)| seen.healthy && has(&seen.release, wanted));
            let longest = soaked.map(|(seen, end)| end.duration_since(seen.at).unsigned_abs()).max();
            assert!(longest.is_some_and(|longest| longest >= soak), "healthy in {before} for {longest:?} alone");
        }
    }

    /// Keeps what each environment is known to run by now.
    fn watch(&mut self) {
        for (name, place) in &self.kept.places {
            let Some(asked) = &place.asked else { continue };
            let healthy = asked.verdict.as_ref().is_some_and(|verdict| verdict.healthy);
            let (revision, release) = (asked.deployment.revision.clone(), asked.deployment.release.clone());
            let seen = self.seen.entry(name.clone()).or_default();
            if seen.last().is_none_or(|last| (&last.revision, last.healthy) != (&revision, healthy)) {
                seen.push(Seen { at: self.now, revision, release, healthy });
            }
        }
    }

    /// Keeps what a verdict means to those who check.
    fn note(&mut self, delivery: &Delivery, after: &Chain) {
        if let What::Data(data) = &delivery.what
            && let Data::HealthReported(report) = &**data
            && report.healthy
            && after.place(&report.deployment.environment).and_then(|place| place.healthy.as_ref())
                == Some(&report.deployment)
        {
            self.verified.insert((report.deployment.environment.clone(), key(&report.deployment.release)));
        }
    }

    /// What a person had taken back stays barred until a person lets it go.
    fn check_orders(&mut self, delivery: &Delivery, after: &Chain) {
        match &delivery.what {
            What::Data(data) if matches!(**data, Data::RollbackRequested(_)) => {
                let fresh = after.barred.iter().filter(|(digest, entry)| self.kept.barred.get(*digest) != Some(*entry));
                self.ordered.extend(fresh.map(|(digest, _)| digest.clone()));
            }
            What::Data(data) => {
                if let Data::QuarantineReleased(it) = &**data {
                    self.ordered.remove(&it.digest);
                }
            }
            What::Offer(_) => {}
        }
        let mut ordered = self.ordered.iter();
        assert!(ordered.all(|digest| after.barred.contains_key(digest)), "a verdict undoes a person's order");
    }

    /// A fix is kept from its first deployment until a person settles it, or it was bad or taken back wherever it ran.
    fn note_fixes(&mut self, delivery: &Delivery, after: &Chain) {
        let owed: BTreeSet<_> = after.owed.iter().map(|owed| owed.commit.clone()).collect();
        let What::Data(data) = &delivery.what else { return self.fixes.extend(owed) };
        let may_end = match &**data {
            Data::FixSettled(it) => it.by != "Windlass",
            Data::HealthReported(it) => !it.healthy,
            Data::RollbackRequested(_) => true,
            _ => false,
        };
        let at = match &**data {
            Data::HealthReported(it) => Some(&it.deployment.environment),
            Data::RollbackRequested(it) => Some(&it.environment),
            _ => None,
        };
        let runs = |fix: &CommitSha| {
            let others = after.places.iter().filter(|(name, _)| at.is_some_and(|at| at != *name));
            let asked = others.filter_map(|(_, place)| place.asked.as_ref());
            let good = asked.filter(|asked| asked.verdict.as_ref().is_none_or(|verdict| verdict.healthy));
            good.flat_map(|asked| asked.deployment.release.values()).any(|image| image.commit.as_ref() == Some(fix))
        };
        self.fixes.retain(|fix| !may_end || owed.contains(fix) || runs(fix));
        self.fixes.extend(owed);
    }

    /// What others make of what was told.
    fn outcomes(&mut self, delivery: &Delivery, step: &Step<'_>) -> Vec<Delivery> {
        let mut outcomes = Vec::new();
        for (subject, data) in &step.told.events {
            let id = EventId::of_outcome(delivery.id, data.kind(), Some(&self.name), subject);
            match data {
                Data::ManifestBumped(bumped) => {
                    let report = self.judge(&bumped.deployment);
                    let id = EventId::of_outcome(id, proto::EventType::HealthReported, Some(&self.name), subject);
                    outcomes.push(Delivery { id, what: What::Data(Box::new(report.into())) });
                }
                Data::ReleaseWaiting(_) | Data::FixSettled(_) => {
                    outcomes.push(Delivery { id, what: What::Data(Box::new(data.clone())) });
                }
                Data::ApprovalRequested(_) | Data::ApprovalAnswered(_) => {}
                other => panic!("the bumper says {other:?}"),
            }
        }
        outcomes
    }

    fn judge(&self, deployment: &Deployment) -> HealthReported {
        let first = self.config.apps[&self.name].environments[&deployment.environment].after.is_empty();
        let is_bad = |digest: &Digest| match self.bad.get(digest) {
            Some(1) => true,
            Some(2) => !first,
            _ => false,
        };
        let healthy = !deployment.release.values().any(|released| is_bad(&released.digest));
        let summary = if healthy { "every check passed" } else { "GET / answered 500" }.to_owned();
        HealthReported { deployment: deployment.clone(), healthy, summary, checks: Vec::new() }
    }
}

/// A configuration. There are few, and each is read once: reading takes longer than a history does.
fn parsed(text: String) -> Rc<Config> {
    thread_local!(static PARSED: RefCell<BTreeMap<String, Rc<Config>>> = RefCell::default());
    let parse = |text: &str| Rc::new(Config::parse(text, "windlass.yaml".as_ref()).unwrap());
    PARSED.with_borrow_mut(|parsed| Rc::clone(parsed.entry(text).or_insert_with_key(|text| parse(text))))
}

fn input(data: &Data) -> Input<'_> {
    match data {
        Data::ReleaseWaiting(it) => Input::Waiting(it),
        Data::HealthReported(it) => Input::Verdict(it),
        Data::ApprovalGranted(it) => Input::Granted(it),
        Data::ApprovalRejected(it) => Input::Rejected(it),
        Data::HoldChanged(it) => Input::Hold(it),
        Data::RollbackRequested(it) => Input::Rollback(it),
        Data::QuarantineReleased(it) => Input::Released(it),
        Data::FixSettled(it) => Input::Settled(it),
        other => panic!("{other:?} is none of the bumper's"),
    }
}

fn pick(len: usize, which: u8) -> Option<usize> {
    (len > 0).then(|| usize::from(which) % len)
}

fn key(release: &Release) -> String {
    release.iter().map(|(name, released)| format!("{name}={}", released.digest)).collect::<Vec<_>>().join(" ")
}

pub(super) fn sha(n: u64) -> CommitSha {
    CommitSha::new(format!("{n:040x}")).unwrap()
}

pub(super) fn image(component: &str, n: u64, commit: &CommitSha) -> ReleasedImage {
    ReleasedImage {
        image: format!("r.example/{component}").parse().unwrap(),
        tag: None,
        digest: format!("sha256:{n:064x}").parse().unwrap(),
        commit: Some(commit.clone()),
    }
}
