//! A bumper that died between its push and its word: the next run tells of the commit, whatever has come since.

use std::time::Duration;

use ledger::{Claim, ClaimKey};
use proto::{Event, WorkerName};
use testkit::wait;
use uuid::Uuid;

use crate::world::*;

/// Leaves the ledger as a run leaves it that died, and was taken over.
async fn died(world: &World, event: &Event) {
    let key = ClaimKey { worker: WorkerName::Bumper, event: event.id, replay: 0 };
    let claim = || world.context.ledger.claim(&key, Uuid::new_v4(), Duration::from_millis(1));
    assert_eq!(claim().await.unwrap(), Claim::Granted { takeover: false });
    let taken = async || claim().await.unwrap() == Claim::Granted { takeover: true };
    wait::until_true(Duration::from_secs(10), "the claim to be over", taken).await.unwrap();
}

#[tokio::test]
async fn a_deployment_is_told_though_the_tag_has_moved_on() {
    let world = World::new().await;
    let (a, b) = (commit('a'), commit('b'));
    let (frontend, _) = world.push_both(&a).await;
    let event = world.pushed("frontend", "main", Some(&frontend));
    let landed = world.bump(&event).await;
    world.deploy(&b).await;
    let count = world.repo.count();
    died(&world, &event).await;
    assert_eq!(world.bump(&event).await, landed);
    assert_eq!(world.repo.count(), count);
}

#[tokio::test]
async fn a_promotion_is_told_and_not_made_again_over_a_newer_one() {
    let world = World::new().await;
    let first = verdict(&world.deploy(&commit('a')).await, true);
    let landed = world.bump(&first).await;
    let second = verdict(&world.deploy(&commit('b')).await, true);
    world.bump(&second).await;
    let (count, text) = (world.repo.count(), world.repo.text("production/app.yaml"));
    died(&world, &first).await;
    let told = world.bump(&first).await;
    assert_eq!((told.revision, told.environment), (landed.revision, landed.environment));
    assert_eq!((world.repo.count(), world.repo.text("production/app.yaml")), (count, text));
}

#[tokio::test]
async fn a_rollback_is_told_though_somebody_deployed_since() {
    let world = World::new().await;
    let good = world.deploy(&commit('a')).await;
    world.handle(&verdict(&good, true)).await.unwrap();
    let bad = verdict(&world.deploy(&commit('b')).await, false);
    let landed = world.bump(&bad).await;
    world.deploy(&commit('c')).await;
    let count = world.repo.count();
    died(&world, &bad).await;
    assert_eq!(world.bump(&bad).await.revision, landed.revision);
    assert_eq!(world.repo.count(), count);
}

#[tokio::test]
async fn a_run_that_died_before_its_push_is_made_as_if_for_the_first_time() {
    let world = World::new().await;
    let (frontend, _) = world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", Some(&frontend));
    died(&world, &event).await;
    assert_eq!(world.bump(&event).await.revision.as_str(), world.repo.head());
}
