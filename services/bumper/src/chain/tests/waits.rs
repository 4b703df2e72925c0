//! What waits while the configuration, or what is known of its images, changes.

use std::collections::BTreeSet;

use ledger::{Barred, Chain, Offer};
use proto::{AppName, BumpReason, ComponentName, Data, EnvironmentName, EventId, Lane, Release, ReleaseWaiting};
use runtime::Config;

use super::world::{image, sha};
use crate::chain::{
    Cause, Facts, Step,
    step::{Told, Wish},
};

const HELD: &str = "staging: { path: s, hold: a test, sync: { command: ['true'] } }";
const OPEN: &str = "staging: { path: s, sync: { command: ['true'] } }";
const OTHER: &str = "other: { path: o, sync: { command: ['true'] } }";

/// One app, from step to step.
struct Table {
    app: AppName,
    config: Config,
    chain: Chain,
    steps: u128,
}

fn config(components: &[&str], environment: &str) -> Config {
    let components: Vec<_> = components.iter().map(|name| format!("{name}: {{ image: r.example/{name} }}")).collect();
    let text = format!(
        "apps:\n  shop:\n    repository: acme/shop\n    deploy: [main]\n    release: apart\n    components: {{ {} }}\n    \
         gitops: {{ repository: 'https://r.example/g.git' }}\n    environments:\n      {environment}\n",
        components.join(", ")
    );
    Config::parse(&text, "windlass.yaml".as_ref()).unwrap()
}

/// These components' images, the n-th of each.
fn release(images: &[(&str, u64)]) -> Release {
    let of = |(name, n): &(&str, u64)| {
        let mut image = image(name, *n, &sha(*n));
        image.commit = None;
        (name.parse().unwrap(), image)
    };
    images.iter().map(of).collect()
}

fn staging() -> EnvironmentName {
    "staging".parse().unwrap()
}

impl Table {
    fn new(components: &[&str], environment: &str) -> Self {
        let config = config(components, environment);
        Self { app: "shop".parse().unwrap(), config, chain: Chain::default(), steps: 0 }
    }

    fn step(&mut self, take: impl FnOnce(&mut Step<'_>)) -> (Told, Vec<Wish>) {
        self.steps += 1;
        let id = EventId(uuid::Uuid::from_u128(self.steps));
        let cause = Cause { id, replay: 0, now: "2026-11-26T08:00:00Z".parse().unwrap() };
        let app = &self.config.apps[&self.app];
        let mut step = Step::new(self.chain.clone(), &self.app, app, cause, Facts::default());
        take(&mut step);
        assert_eq!(step.facts.open(), None);
        self.chain = step.chain;
        (step.told, step.wishes)
    }

    fn offer(&mut self, images: &[(&str, u64)]) -> (Told, Vec<Wish>) {
        let (reason, lane) = (BumpReason::Deploy, Lane::Deploy);
        let release = release(images);
        let offer = Offer { release, commit: None, reason, lane, verified: None, author: None, note: None };
        self.step(|step| step.offered(&offer, &[staging()]))
    }

    /// What waits asks again.
    fn asks(&mut self) -> (Told, Vec<Wish>) {
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
        self.step(|step| step.waited(waiting.id, &asks))
    }

    fn bar(&mut self, images: &[(&str, u64)]) {
        for image in release(images).into_values() {
            let (reason, at) = ("unhealthy".to_owned(), "2026-11-26T08:00:00Z".parse().unwrap());
            self.chain.barred.insert(image.digest, Barred { reason, environment: staging(), at, ordered: false });
        }
    }

    fn waits(&self) -> Option<BTreeSet<&str>> {
        let waiting = self.chain.places[&staging()].waiting.as_ref()?;
        Some(waiting.offer.release.keys().map(ComponentName::as_str).collect())
    }
}

#[test]
fn what_is_barred_while_it_waits_takes_nothing_with_it_that_is_not() {
    let mut table = Table::new(&["web", "api"], HELD);
    table.offer(&[("web", 2)]);
    table.bar(&[("web", 2)]);
    let (told, _) = table.offer(&[("api", 3)]);
    assert_eq!((table.waits(), told.reasons), (Some(BTreeSet::from(["api"])), Vec::new()));
    // What came together goes on without it.
    table.offer(&[("web", 4)]);
    assert_eq!(table.waits(), Some(BTreeSet::from(["api", "web"])));
    table.bar(&[("web", 4)]);
    table.config = config(&["web", "api"], OPEN);
    let (told, wishes) = table.asks();
    assert_eq!(wishes[0].wanted, release(&[("api", 3)]));
    assert!(told.reasons[0].starts_with("staging does not get it: web@"), "{:?}", told.reasons);
    // Where nothing is left it ends, and says why.
    table.bar(&[("api", 3)]);
    let (told, wishes) = table.asks();
    assert!(wishes.is_empty() && told.reasons[0].contains("api@"), "{:?}", told.reasons);
    assert_eq!(table.waits(), None);
}

#[test]
fn a_component_that_is_none_any_more_waits_no_longer_with_what_comes() {
    let mut table = Table::new(&["frontend", "backend"], HELD);
    table.offer(&[("frontend", 2), ("backend", 2)]);
    table.config = config(&["frontend", "api"], HELD);
    table.offer(&[("api", 3)]);
    assert_eq!(table.waits(), Some(BTreeSet::from(["api", "frontend"])));
}

#[test]
fn what_waited_for_an_environment_that_went_can_come_again_when_that_does() {
    let mut table = Table::new(&["web"], HELD);
    table.offer(&[("web", 2)]);
    table.config = config(&["web"], OTHER);
    let (told, _) = table.asks();
    assert!(told.reasons[0].contains("no environment staging"), "{:?}", told.reasons);
    assert_eq!(table.waits(), None);
    table.config = config(&["web"], HELD);
    let (told, _) = table.offer(&[("web", 2)]);
    assert!(matches!(told.events[..], [(_, Data::ReleaseWaiting(_))]), "{told:?}");
}

#[test]
fn of_a_hundred_that_came_and_went_each_is_told_why_it_waits_no_more() {
    let mut table = Table::new(&["web"], HELD);
    let waits = |table: &mut Table, n| {
        table.offer(&[("web", n)]);
        table.chain.places[&staging()].waiting.clone().unwrap().id
    };
    let ids: Vec<_> = (1..=100).map(|n| waits(&mut table, n)).collect();
    let place = &table.chain.places[&staging()];
    assert!(ids[..99].iter().all(|id| place.why_ended(*id).is_some_and(|why| why.starts_with("superseded"))));
    assert_eq!(place.why_ended(ids[99]), None);
}
