//! What a release must have shown in the environments before, and for how long.

use jiff::ToSpan;
use proto::{Deployment, EnvironmentName};

use super::table::{Table, config, release, staging};
use crate::chain::step::Wish;

const SOAK: &str = "staging: { path: s, rollback: automatic, sync: { command: ['true'] } }
      production: { path: p, after: staging, soak: 1h, sync: { command: ['true'] } }";

fn production() -> EnvironmentName {
    "production".parse().unwrap()
}

/// A release that is healthy in staging and waits before production.
fn soaking(environments: &str) -> (Table, Deployment) {
    let mut table = Table::new(&["web", "api"], environments);
    let first = table.deploys(&[("web", 1), ("api", 1)]);
    table.judges(&first, true);
    (table, first)
}

/// What it waits for before production, or what goes there.
fn looks(table: &mut Table) -> Result<Wish, String> {
    let (told, mut wishes) = table.asks_for(&production());
    wishes.pop().ok_or_else(|| told.comes_again.map_or_else(|| told.reasons.join("; "), |wait| wait.waits_for))
}

#[test]
fn what_was_replaced_before_it_had_soaked_does_so_anew_once_it_is_back_and_healthy() {
    let (mut table, _) = soaking(SOAK);
    table.now += 10.minutes();
    let bad = table.deploys(&[("web", 2), ("api", 2)]);
    table.now += 2.hours();
    let not_there = "having been healthy for 1h in staging, where it is not now";
    assert_eq!(looks(&mut table).unwrap_err(), not_there);
    let (_, back) = table.judges(&bad, false);
    let back = table.lands(&back[0]);
    table.now += 2.hours();
    assert_eq!(looks(&mut table).unwrap_err(), not_there, "it has no verdict");
    table.judges(&back, true);
    table.now += 59.minutes();
    assert!(looks(&mut table).unwrap_err().starts_with("having been healthy for 1h (until "));
    table.now += 1.minute();
    assert_eq!(looks(&mut table).unwrap().wanted, release(&[("web", 1), ("api", 1)]));
}

#[test]
fn what_has_soaked_once_has_it_behind_it() {
    let held = SOAK.replace("soak: 1h,", "soak: 1h, hold: a test,");
    let (mut table, _) = soaking(&held);
    table.now += 1.hour();
    table.deploys(&[("web", 2)]);
    assert!(looks(&mut table).unwrap_err().contains("`hold`"));
    table.config = config(&["web", "api"], SOAK);
    assert_eq!(looks(&mut table).unwrap().wanted, release(&[("web", 1), ("api", 1)]));
}

/// Each image counts by its digest: one that is replaced takes the others' soak with it, since none was healthy without it.
#[test]
fn one_image_that_is_replaced_ends_the_soak_of_what_was_verified_with_it() {
    let (mut table, _) = soaking(SOAK);
    table.now += 30.minutes();
    let api = table.deploys(&[("api", 2)]);
    table.now += 31.minutes();
    assert!(looks(&mut table).unwrap_err().contains("where it is not now"));
    table.judges(&api, true);
    assert_eq!(
        table.chain.places[&production()].waiting.as_ref().unwrap().offer.release,
        release(&[("web", 1), ("api", 2)])
    );
    table.now += 1.hour();
    assert_eq!(looks(&mut table).unwrap().wanted, release(&[("web", 1), ("api", 2)]));
}

#[test]
fn a_verdict_that_says_the_same_again_begins_nothing_anew_and_an_unhealthy_one_does() {
    let (mut table, first) = soaking(SOAK);
    table.now += 30.minutes();
    table.judges(&first, true);
    table.now += 20.minutes();
    let mut bad = table.clone();
    table.now += 10.minutes();
    assert!(looks(&mut table).is_ok());
    bad.judges(&first, false);
    bad.now += 2.hours();
    assert!(looks(&mut bad).unwrap_err().contains("where it is not now"));
    bad.judges(&first, true);
    bad.now += 59.minutes();
    assert!(looks(&mut bad).is_err());
    bad.now += 1.minute();
    assert!(looks(&mut bad).is_ok());
}

#[test]
fn what_waits_since_a_build_that_did_not_keep_where_it_was_healthy_goes_by_what_is_there_now() {
    let (mut table, _) = soaking(SOAK);
    table.chain.places.get_mut(&production()).unwrap().waiting.as_mut().unwrap().offer.healthy_in.clear();
    table.now += 1.hour();
    let mut other = table.clone();
    assert!(looks(&mut table).is_ok());
    let second = other.deploys(&[("web", 2)]);
    assert!(looks(&mut other).is_ok(), "how long it had been healthy is kept from now on");
    other.chain.places.get_mut(&production()).unwrap().waiting.as_mut().unwrap().offer.healthy_in.clear();
    other.chain.places.get_mut(&staging()).unwrap().healthy = Some(second);
    assert_eq!(looks(&mut other).unwrap_err(), "staging to be healthy with the same images");
}

#[test]
fn an_environment_that_comes_before_since_it_waits_must_be_healthy_with_it_too() {
    let before = SOAK.replace("soak: 1h,", "hold: a test, approval: required,");
    let (mut table, first) = soaking(&before);
    let canary = "canary: { path: c, after: staging, sync: { command: ['true'] } }\n      production:";
    let grown = before.replace("hold: a test, ", "").replace("production:", canary);
    table.config =
        config(&["web", "api"], &grown.replace("after: staging, approval", "after: [staging, canary], approval"));
    let waits = "canary to be healthy with the same images";
    assert_eq!(looks(&mut table).unwrap_err(), waits);
    let id = table.chain.places[&production()].waiting.as_ref().unwrap().approval();
    let (told, wishes) = table.answers(id, &production(), "ada");
    assert!(wishes.is_empty() && format!("{told:?}").contains(waits), "{told:?}");
    // What is healthy there is something else, and then this; whatever is there when it asks.
    let there = |first: &Deployment, n| Deployment {
        environment: "canary".parse().unwrap(),
        revision: super::world::sha(n),
        ..first.clone()
    };
    let other = Deployment { release: release(&[("web", 1), ("api", 9)]), ..there(&first, 77) };
    table.judges(&other, true);
    assert_eq!(looks(&mut table).unwrap_err(), waits);
    table.judges(&there(&first, 78), true);
    table.judges(&Deployment { revision: super::world::sha(79), ..other }, true);
    assert_eq!(looks(&mut table).unwrap().wanted, release(&[("web", 1), ("api", 1)]));
}
