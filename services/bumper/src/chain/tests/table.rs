//! One app, from step to step: releases come, the configuration changes, people answer, and time passes.

use std::collections::BTreeSet;

use ledger::{Barred, Chain, Offer, Waiting};
use proto::{
    AppName, ApprovalGranted, BumpReason, ComponentName, Data, Deployment, EnvironmentName, EventId, HealthReported,
    Lane, Release, ReleaseWaiting, Timestamp,
};
use runtime::Config;

use super::{
    history::History,
    world::{image, sha},
};
use crate::chain::{
    Cause, Facts, Step, nothing,
    step::{Told, Wish},
};

pub(super) const HELD: &str = "staging: { path: s, hold: a test, sync: { command: ['true'] } }";
pub(super) const OPEN: &str = "staging: { path: s, sync: { command: ['true'] } }";
pub(super) const OTHER: &str = "other: { path: o, sync: { command: ['true'] } }";

/// One app, from step to step.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) app: AppName,
    pub(super) config: Config,
    pub(super) chain: Chain,
    pub(super) now: Timestamp,
    /// What the source knows of commits.
    pub(super) history: History,
    steps: u128,
}

pub(super) fn config(components: &[&str], environment: &str) -> Config {
    let components: Vec<_> = components.iter().map(|name| format!("{name}: {{ image: r.example/{name} }}")).collect();
    let text = format!(
        "apps:\n  shop:\n    repository: acme/shop\n    deploy: [main]\n    release: apart\n    components: {{ {} }}\n    \
         gitops: {{ repository: 'https://r.example/g.git' }}\n    environments:\n      {environment}\n",
        components.join(", ")
    );
    Config::parse(&text, "windlass.yaml".as_ref()).unwrap()
}

/// These components' images, the n-th of each.
pub(super) fn release(images: &[(&str, u64)]) -> Release {
    let of = |(name, n): &(&str, u64)| {
        let mut image = image(name, *n, &sha(*n));
        image.commit = None;
        (name.parse().unwrap(), image)
    };
    images.iter().map(of).collect()
}

pub(super) fn staging() -> EnvironmentName {
    "staging".parse().unwrap()
}

impl Table {
    pub(super) fn new(components: &[&str], environment: &str) -> Self {
        let (config, now) = (config(components, environment), "2026-11-26T08:00:00Z".parse().unwrap());
        let (app, chain, history) = ("shop".parse().unwrap(), Chain::default(), History::default());
        Self { app, config, chain, now, history, steps: 0 }
    }

    pub(super) fn step(&mut self, take: impl Fn(&mut Step<'_>)) -> (Told, Vec<Wish>) {
        self.steps += 1;
        let id = EventId(uuid::Uuid::from_u128(self.steps));
        self.takes(id, take)
    }

    /// The same for this event.
    fn takes(&mut self, id: EventId, take: impl Fn(&mut Step<'_>)) -> (Told, Vec<Wish>) {
        let cause = Cause { id, replay: 0, now: self.now };
        let app = &self.config.apps[&self.app];
        let mut facts = Facts::default();
        let step = loop {
            let mut step = Step::new(self.chain.clone(), &self.app, app, cause, facts);
            take(&mut step);
            let Some(open) = step.facts.open() else { break step };
            facts = step.facts;
            open.authors.into_iter().for_each(|commit| facts.learn_author(commit, None));
            for question in open.questions {
                let order = self.history.answer(&question);
                facts.learn(question, order);
            }
        };
        // What comes again has left nothing behind.
        if step.told.comes_again.is_none() {
            self.chain = step.chain;
        }
        (step.told, step.wishes)
    }

    pub(super) fn offer(&mut self, images: &[(&str, u64)]) -> (Told, Vec<Wish>) {
        let (reason, lane) = (BumpReason::Deploy, Lane::Deploy);
        let release = release(images);
        let healthy_in = [].into();
        let offer = Offer { release, commit: None, reason, lane, verified: None, healthy_in, author: None, note: None };
        self.step(|step| step.offered(&offer, &[staging()]))
    }

    /// New images of a commit come to staging by a lane, and whatever of them goes is there.
    pub(super) fn brings(&mut self, lane: Lane, components: &[&str], n: u64) -> Option<Deployment> {
        let commit = sha(n);
        let release = components.iter().map(|name| (name.parse().unwrap(), image(name, n, &commit))).collect();
        let note = Some(format!("change {n}"));
        let offer = Offer { release, commit: Some(commit), ..nothing(BumpReason::Deploy, lane, note) };
        let (_, wishes) = self.step(|step| step.offered(&offer, &[staging()]));
        wishes.first().map(|wish| self.lands(wish))
    }

    /// What is wished for an environment is in its files; the deployment.
    pub(super) fn lands(&mut self, wish: &Wish) -> Deployment {
        let name = &wish.environment;
        let there = self.chain.place(name).and_then(|place| place.asked.as_ref());
        let mut release = there.map(|asked| asked.deployment.release.clone()).unwrap_or_default();
        release.extend(wish.wanted.clone());
        let deployment = Deployment {
            app: self.app.clone(),
            environment: name.clone(),
            repository: "https://r.example/g.git".to_owned(),
            branch: "main".parse().unwrap(),
            path: "p".to_owned(),
            revision: sha(u64::try_from(self.steps).unwrap() + 1000),
            changed: wish.wanted.keys().cloned().collect(),
            release,
            commit: wish.commit.clone(),
            reason: wish.reason,
            previous: [].into(),
            note: wish.note.clone(),
        };
        self.step(|step| step.landed(deployment.clone(), wish));
        deployment
    }

    /// A verdict over a deployment.
    pub(super) fn judges(&mut self, deployment: &Deployment, healthy: bool) -> (Told, Vec<Wish>) {
        let (deployment, summary) = (deployment.clone(), "as it is".to_owned());
        let report = HealthReported { deployment, healthy, summary, checks: Vec::new() };
        self.step(|step| step.judged(&report, false, &Release::new()))
    }

    /// New images come to staging and are there.
    pub(super) fn deploys(&mut self, images: &[(&str, u64)]) -> Deployment {
        let (told, wishes) = self.offer(images);
        assert_eq!(wishes.len(), 1, "{told:?}");
        self.lands(&wishes[0])
    }

    /// What waits asks again.
    pub(super) fn asks(&mut self) -> (Told, Vec<Wish>) {
        self.asks_for(&staging())
    }

    /// The same, before this environment.
    pub(super) fn asks_for(&mut self, name: &EnvironmentName) -> (Told, Vec<Wish>) {
        self.asks_by(Lane::Deploy, name)
    }

    /// The same, by this lane.
    pub(super) fn asks_by(&mut self, lane: Lane, name: &EnvironmentName) -> (Told, Vec<Wish>) {
        let waiting = self.chain.places[name].waiting(lane).cloned().unwrap();
        let asks = ReleaseWaiting {
            app: self.app.clone(),
            environment: name.clone(),
            release: waiting.offer.release,
            reason: BumpReason::Deploy,
            lane,
            waits_for: "something".to_owned(),
            pull_request: None,
            tell: false,
        };
        self.takes(waiting.id, |step| step.waited(waiting.id, &asks))
    }

    /// Somebody lets in what waits under this id.
    pub(super) fn answers(&mut self, approval: EventId, name: &EnvironmentName, by: &str) -> (Told, Vec<Wish>) {
        let (app, environment, by) = (self.app.clone(), name.clone(), by.to_owned());
        let answer = ApprovalGranted { approval, app, environment, by, comment: None };
        self.step(|step| step.granted(&answer))
    }

    /// The same before staging; whether that counts.
    pub(super) fn grants(&mut self, approval: EventId, by: &str) -> (bool, Vec<Wish>) {
        let (told, wishes) = self.answers(approval, &staging(), by);
        let counts = told.events.iter().any(|(_, data)| matches!(data, Data::ApprovalAnswered(it) if it.counts));
        (counts, wishes)
    }

    pub(super) fn waiting(&self) -> &Waiting {
        self.chain.places[&staging()].waiting.as_ref().unwrap()
    }

    pub(super) fn bar(&mut self, images: &[(&str, u64)]) {
        for image in release(images).into_values() {
            let (reason, at) = ("unhealthy".to_owned(), "2026-11-26T08:00:00Z".parse().unwrap());
            self.chain.barred.insert(image.digest, Barred { reason, environment: staging(), at, ordered: false });
        }
    }

    pub(super) fn waits(&self) -> Option<BTreeSet<&str>> {
        let waiting = self.chain.places[&staging()].waiting.as_ref()?;
        Some(waiting.offer.release.keys().map(ComponentName::as_str).collect())
    }
}
