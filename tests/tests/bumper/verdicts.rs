//! Verdicts: promotion, taking back, and what comes late, twice or out of order.

use std::sync::Arc;

use bumper::Bumper;
use proto::{BumpReason, Event, EventId, HealthReported};

use crate::world::*;

/// Puts a release through staging to a verdict in production; what production was brought to.
async fn through(world: &World, digit: char, healthy: bool) -> (proto::Deployment, Event) {
    let staging = world.deploy(&commit(digit)).await;
    let production = world.bump(&verdict(&staging, true)).await;
    let report = verdict(&production, healthy);
    (production, report)
}

#[tokio::test]
async fn what_is_healthy_goes_on_exactly_as_it_was_verified() {
    let world = World::new().await;
    let staging = world.deploy(&commit('a')).await;
    // The tag moves on meanwhile: only what was verified is promoted.
    world.push_both(&commit('b')).await;
    let report = verdict(&staging, true);
    let production = world.bump(&report).await;
    assert_eq!(production.environment.as_str(), "production");
    assert_eq!(production.reason, BumpReason::Promotion);
    assert_eq!(production.release, staging.release);
    assert_eq!(world.repo.text("production/app.yaml"), world.repo.text("staging/app.yaml"));
    assert_eq!(world.place("staging").await.healthy, Some(staging));
    // Delivered again, by a run that died before it could tell: the same again, and no second commit.
    let count = world.repo.count();
    assert_eq!(world.bump(&report).await, production);
    assert_eq!(world.repo.count(), count);
    // The last environment's health is the end of the chain.
    assert_eq!(world.handle(&verdict(&production, true)).await.unwrap().iter().count(), 0);
}

#[tokio::test]
async fn what_is_bad_is_taken_back_and_never_deployed_again() {
    let world = World::new().await;
    let (good, healthy) = through(&world, 'a', true).await;
    world.handle(&healthy).await.unwrap();
    let before = world.repo.text("production/app.yaml");
    let (bad, unhealthy) = through(&world, 'b', false).await;
    let back = world.bump(&unhealthy).await;
    assert_eq!((back.reason, &back.release), (BumpReason::Rollback, &good.release));
    assert_eq!(world.repo.text("production/app.yaml"), before);
    assert_eq!(back.note.as_deref(), Some("GET /health answered 500"));
    let message = world.repo.message("main");
    assert!(
        message.contains("Windlass-Reason: rollback") && message.contains("> GET /health answered 500"),
        "{message}"
    );

    // The same verdict again: nothing new. The digest again, by any way: refused.
    assert_eq!(world.bump(&unhealthy).await, back);
    for (name, released) in &bad.release {
        let entry = world.chain().await.barred[&released.digest].clone();
        assert!(entry.reason.contains("unhealthy in production: GET /health answered 500"), "{entry:?}");
        let why = world.ignored(&world.pushed(name.as_str(), "main", Some(&released.digest))).await;
        assert!(why.contains("is quarantined since"), "{why}");
    }
    // Healthy after the rollback: known as healthy, and not promoted anywhere.
    assert!(world.handle(&verdict(&back, true)).await.unwrap().iter().count() == 1);
    assert_eq!(world.place("production").await.healthy, Some(back));
}

#[tokio::test]
async fn a_quarantined_digest_is_not_promoted() {
    let world = World::new().await;
    let (good, healthy) = through(&world, 'a', true).await;
    world.handle(&healthy).await.unwrap();
    let staging = world.deploy(&commit('b')).await;
    world.bump(&verdict(&staging, false)).await;
    // A second opinion comes too late to promote it.
    let mut late = verdict(&staging, true);
    let why = world.ignored(&late).await;
    assert!(why.contains("superseded") && why.contains(staging.revision.short()), "{why}");
    assert_eq!(world.place("production").await.asked.unwrap().deployment, good);
    late.id = EventId::fresh();
    if let proto::Data::HealthReported(HealthReported { deployment, .. }) = &mut late.data {
        deployment.environment = "gone".parse().unwrap();
    }
    assert!(world.ignored(&late).await.contains("no environment gone"));
}

#[tokio::test]
async fn a_rollback_that_is_itself_bad_ends_the_chain() {
    let world = World::new().await;
    let (_, healthy) = through(&world, 'a', true).await;
    world.handle(&healthy).await.unwrap();
    let (_, unhealthy) = through(&world, 'b', false).await;
    let back = world.bump(&unhealthy).await;
    let count = world.repo.count();
    let why = world.ignored(&verdict(&back, false)).await;
    assert!(why.contains("the rollback itself") && why.contains("a human is needed"), "{why}");
    assert_eq!(world.repo.count(), count);
    for released in back.release.values() {
        assert!(!world.chain().await.barred.contains_key(&released.digest));
    }
    // Until a person has looked at it, nothing else goes there; but a fix.
    assert!(world.place("production").await.hold.is_some_and(|hold| hold.automatic));
    let (_, why) = {
        let staging = world.deploy(&commit('c')).await;
        world.waits(&verdict(&staging, true)).await
    };
    assert!(why.contains("windlass unhold") && why.contains("the rollback itself is unhealthy"), "{why}");
}

#[tokio::test]
async fn without_something_healthy_to_restore_a_person_is_told() {
    let world = World::new().await;
    let staging = world.deploy(&commit('a')).await;
    let count = world.repo.count();
    let why = world.ignored(&verdict(&staging, false)).await;
    assert!(why.contains("nothing healthy is known to restore in staging"), "{why}");
    let manual = World::with(&CONFIG.replace("rollback: automatic", "rollback: manual")).await;
    let staging = manual.deploy(&commit('a')).await;
    let why = manual.ignored(&verdict(&staging, false)).await;
    assert!(why.contains("`rollback: manual`") && why.contains("GET /health answered 500"), "{why}");
    assert_eq!((world.repo.count(), manual.repo.count()), (count, 2));
}

/// Only the frontend is configured, and healthy; from then on the backend is too. What was healthy.
async fn with_a_new_backend(release: &str) -> (World, proto::Deployment) {
    let config = CONFIG.replace("deploy: [main]", &format!("deploy: [main]\n    release: {release}"));
    let mut world = World::with(&config).await;
    let all = world.context.config.clone();
    let (shop, backend) = ("shop".parse().unwrap(), "backend".parse().unwrap());
    let less = Arc::make_mut(&mut world.context.config);
    less.apps.get_mut(&shop).unwrap().components.remove(&backend);
    world.bumper = Bumper::new(&world.context).unwrap();
    let good = world.deploy(&commit('a')).await;
    assert_eq!(good.release.len(), 1);
    world.healthy(&good).await;
    world.context.config = all;
    world.bumper = Bumper::new(&world.context).unwrap();
    (world, good)
}

#[tokio::test]
async fn what_is_new_in_the_configuration_gets_back_what_it_had_in_the_files() {
    let (world, good) = with_a_new_backend("together").await;
    let before = world.push("backend", None, &["v0"]).await;
    let bad = world.deploy(&commit('b')).await;
    let back = world.bump(&verdict(&bad, false)).await;
    assert_eq!((back.reason, back.note.as_deref()), (BumpReason::Rollback, Some("GET /health answered 500")));
    assert_eq!((&digests(&back)["frontend"], &digests(&back)["backend"]), (&digests(&good)["frontend"], &before));
    assert!(world.repo.text("staging/app.yaml").contains(&format!(":v0@{before}")));
}

#[tokio::test]
async fn of_what_nothing_healthy_is_known_that_is_said_and_the_others_are_taken_back() {
    let (world, good) = with_a_new_backend("together").await;
    let bad = world.deploy(&commit('b')).await;
    let back = world.bump(&verdict(&bad, false)).await;
    let words = "nothing healthy is known of backend in staging, so that stays as it is; a human is needed";
    let note = back.note.clone().unwrap();
    assert!(note.starts_with("GET /health answered 500; ") && note.contains(words), "{note}");
    assert!(world.repo.message("main").contains(words), "{}", world.repo.message("main"));
    assert_eq!(digests(&back)["frontend"], digests(&good)["frontend"]);
    assert_eq!(digests(&back)["backend"], digests(&bad)["backend"]);

    // Where it alone was changed, there is nothing to take back, and nobody is told that it is not to blame.
    let (world, _) = with_a_new_backend("apart").await;
    let digest = world.push("backend", Some(&commit('b')), &["main"]).await;
    let bad = world.bump(&world.pushed("backend", "main", Some(&digest))).await;
    let why = world.ignored(&verdict(&bad, false)).await;
    assert!(why.contains("staging is unhealthy") && why.contains(words), "{why}");
    assert!(world.chain().await.barred.contains_key(&digest));
}

#[tokio::test]
async fn what_is_judged_again_in_the_same_environment_and_healthy_goes_on() {
    let world = World::new().await;
    let staging = world.deploy(&commit('a')).await;
    let unhealthy = verdict(&staging, false);
    world.ignored(&unhealthy).await;
    // The cause lay elsewhere and was mended, and the deployment was replayed.
    let again = Event { id: unhealthy.id, replay: 1, ..verdict(&staging, true) };
    let production = world.bump(&again).await;
    assert_eq!((production.environment.as_str(), &production.release), ("production", &staging.release));
    // A verdict over one environment lifts nothing that another one laid.
    let bad = verdict(&production, false);
    world.context.ledger.record(&[bad.to_message()]).await.unwrap();
    world.handle(&bad).await.unwrap();
    let why = world.ignored(&verdict(&staging, true)).await;
    assert!(why.contains("is quarantined") && why.contains("unhealthy in production"), "{why}");
}

#[tokio::test]
async fn a_manifest_that_has_moved_on_is_not_rolled_back() {
    let world = World::new().await;
    let first = world.deploy(&commit('a')).await;
    world.healthy(&first).await;
    let bad = world.deploy(&commit('b')).await;
    // Somebody writes something else by hand.
    let text = world.repo.text("staging/app.yaml").replace(commit('b').as_str(), "by-hand@sha256:0 # ");
    world.repo.write(&[("staging/app.yaml", &text)]);
    let why = world.ignored(&verdict(&bad, false)).await;
    assert!(why.contains("has moved on to") && why.contains("by-hand"), "{why}");
    assert_eq!(world.repo.text("staging/app.yaml"), text);
}

#[tokio::test]
async fn late_verdicts_change_nothing() {
    let world = World::new().await;
    let first = world.deploy(&commit('a')).await;
    let second = world.fix(&commit('b')).await;
    let production = world.bump(&verdict(&second, true)).await;
    for healthy in [true, false] {
        let why = world.ignored(&verdict(&first, healthy)).await;
        assert!(why.contains("superseded") && why.contains(second.revision.short()), "{why}");
    }
    assert_eq!(world.place("staging").await.asked.unwrap().deployment, second);
    assert_eq!(digests(&production), digests(&second));
    assert!(world.chain().await.barred.is_empty());
}

#[tokio::test]
async fn verdicts_in_any_order_and_at_once_end_the_same() {
    let world = World::new().await;
    let first = world.deploy(&commit('a')).await;
    let second = world.fix(&commit('b')).await;
    let (one, two) = (verdict(&first, true), verdict(&second, true));
    let (a, b, c, d) = tokio::join!(world.handle(&two), world.handle(&one), world.handle(&two), world.handle(&one));
    for outcome in [a, b, c, d] {
        outcome.unwrap();
    }
    assert_eq!(world.repo.text("production/app.yaml"), world.repo.text("staging/app.yaml"));
    assert_eq!(world.place("staging").await.asked.unwrap().deployment, second);
}
