//! One app, from step to step: releases come, the configuration changes, people answer, and time passes.

use std::collections::BTreeSet;

use ledger::{Barred, Chain, Offer, Waiting};
use proto::{
    AppName, ApprovalGranted, BumpReason, ComponentName, Data, EnvironmentName, EventId, Lane, Release, ReleaseWaiting,
    Timestamp,
};
use runtime::Config;

use super::world::{image, sha};
use crate::chain::{
    Cause, Facts, Step,
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
        Self { app: "shop".parse().unwrap(), config, chain: Chain::default(), now, steps: 0 }
    }

    pub(super) fn step(&mut self, take: impl FnOnce(&mut Step<'_>)) -> (Told, Vec<Wish>) {
        self.steps += 1;
        let id = EventId(uuid::Uuid::from_u128(self.steps));
        self.takes(id, take)
    }

    /// The same for this event.
    fn takes(&mut self, id: EventId, take: impl FnOnce(&mut Step<'_>)) -> (Told, Vec<Wish>) {
        let cause = Cause { id, replay: 0, now: self.now };
        let app = &self.config.apps[&self.app];
        let mut step = Step::new(self.chain.clone(), &self.app, app, cause, Facts::default());
        take(&mut step);
        assert_eq!(step.facts.open(), None);
        // What comes again has left nothing behind.
        if step.told.comes_again.is_none() {
            self.chain = step.chain;
        }
        (step.told, step.wishes)
    }

    pub(super) fn offer(&mut self, images: &[(&str, u64)]) -> (Told, Vec<Wish>) {
        let (reason, lane) = (BumpReason::Deploy, Lane::Deploy);
        let release = release(images);
        let offer = Offer { release, commit: None, reason, lane, verified: None, author: None, note: None };
        self.step(|step| step.offered(&offer, &[staging()]))
    }

    /// What waits asks again.
    pub(super) fn asks(&mut self) -> (Told, Vec<Wish>) {
        let waiting = self.chain.places[&staging()].waiting.clone().unwrap();
        let asks = ReleaseWaiting {
            app: self.app.clone(),
            environment: staging(),
            release: waiting.offer.release,
            reason: BumpReason::Deploy,
            lane: Lane::Deploy,
            waits_for: "something".to_owned(),
            pull_request: None,
            tell: false,
        };
        self.takes(waiting.id, |step| step.waited(waiting.id, &asks))
    }

    /// Somebody lets in what waits under this id; whether that counts.
    pub(super) fn grants(&mut self, approval: EventId, by: &str) -> (bool, Vec<Wish>) {
        let (app, environment, by) = (self.app.clone(), staging(), by.to_owned());
        let answer = ApprovalGranted { approval, app, environment, by, comment: None };
        let (told, wishes) = self.step(|step| step.granted(&answer));
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
