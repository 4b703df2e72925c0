//! A bumper that died between its push and its word: the next run tells of the commit, whatever has come since.

use std::{sync::Arc, time::Duration};

use bumper::Bumper;
use ledger::{Claim, ClaimKey};
use proto::{ApprovalGranted, Data, Event, HoldChanged, Lane, RollbackRequested, WorkerName};
use uuid::Uuid;

use crate::world::*;

/// Fixes go straight to production.
fn fast() -> String {
    CONFIG.replace("deploy: [main]", "deploy: [main]\n    fast_path: { to: [staging, production] }")
}

#[tokio::test]
async fn a_deployment_is_told_though_the_tag_has_moved_on() {
    let world = World::new().await;
    let (a, b) = (commit('a'), commit('b'));
    let (frontend, _) = world.push_both(&a).await;
    let event = world.pushed("frontend", "main", Some(&frontend));
    let landed = deployments(&world.dies(&event).await);
    let newer = world.deploy(&b).await;
    let count = world.repo.count();
    assert_eq!([world.bump(&event).await], landed[..]);
    assert_eq!(world.repo.count(), count);
    assert_eq!(world.place("staging").await.asked.unwrap().deployment, newer);
}

#[tokio::test]
async fn a_promotion_is_told_and_not_made_again_over_a_newer_one() {
    let world = World::with(&fast()).await;
    let first = verdict(&world.deploy(&commit('a')).await, true);
    let landed = deployments(&world.dies(&first).await).remove(0);
    for component in ["frontend", "backend"] {
        world.push(component, Some(&commit('b')), &[commit('b').as_str(), "hotfix-x"]).await;
    }
    let fixed = deployments(&world.handle(&world.pushed("frontend", "hotfix-x", None)).await.unwrap());
    assert_eq!(fixed.len(), 2);
    let (count, text) = (world.repo.count(), world.repo.text("production/app.yaml"));
    let told = world.bump(&first).await;
    assert_eq!((told.revision, told.environment), (landed.revision, landed.environment));
    assert_eq!((world.repo.count(), world.repo.text("production/app.yaml")), (count, text));
}

#[tokio::test]
async fn a_rollback_is_told_though_somebody_deployed_since() {
    let world = World::new().await;
    let good = world.deploy(&commit('a')).await;
    world.healthy(&good).await;
    let bad = verdict(&world.deploy(&commit('b')).await, false);
    let landed = deployments(&world.dies(&bad).await).remove(0);
    let fixed = world.fix(&commit('c')).await;
    let count = world.repo.count();
    assert_eq!(world.bump(&bad).await.revision, landed.revision);
    assert_eq!(world.repo.count(), count);
    assert_eq!(world.place("staging").await.asked.unwrap().deployment, fixed);
    assert_eq!(world.chain().await.barred.len(), 2);
}

#[tokio::test]
async fn what_a_rollback_took_back_is_barred_by_the_run_that_tells_of_it_too() {
    let world = World::new().await;
    world.healthy(&world.deploy(&commit('a')).await).await;
    let b = world.deploy(&commit('b')).await;
    let bad = verdict(&b, false);
    let landed = deployments(&world.dies(&bad).await).remove(0);
    assert_eq!(world.bump(&bad).await.revision, landed.revision);
    let again = world.pushed("frontend", "main", Some(&digests(&b)["frontend"]));
    assert!(world.ignored(&again).await.contains("is quarantined"));
}

#[tokio::test]
async fn so_is_what_a_person_had_taken_back() {
    let world = World::new().await;
    let good = verdict(&world.deploy(&commit('a')).await, true);
    world.context.ledger.record(&[good.to_message()]).await.unwrap();
    world.handle(&good).await.unwrap();
    let slow = world.deploy(&commit('b')).await;
    world.healthy(&slow).await;
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, reason) = ("mona".to_owned(), "checkout is slow".to_owned());
    let order = event(RollbackRequested { app, environment, to: None, by, reason });
    let landed = deployments(&world.dies(&order).await).remove(0);
    assert_eq!(world.bump(&order).await.revision, landed.revision);
    let again = world.pushed("frontend", "main", Some(&digests(&slow)["frontend"]));
    assert!(world.ignored(&again).await.contains("by mona: checkout is slow"));
}

#[tokio::test]
async fn an_order_that_was_overtaken_before_its_second_run_bars_nothing() {
    let world = World::new().await;
    let good = verdict(&world.deploy(&commit('a')).await, true);
    world.context.ledger.record(&[good.to_message()]).await.unwrap();
    world.handle(&good).await.unwrap();
    world.healthy(&world.deploy(&commit('b')).await).await;
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, reason) = ("mona".to_owned(), "checkout is slow".to_owned());
    let order = event(RollbackRequested { app, environment, to: None, by, reason });
    let landed = deployments(&world.dies(&order).await).remove(0);
    let fixed = world.fix(&commit('c')).await;
    let outcomes = world.handle(&order).await.unwrap();
    assert_eq!(deployments(&outcomes)[0].revision, landed.revision);
    assert!(reasons(&outcomes).contains("is not taken back again"), "{}", reasons(&outcomes));
    assert_eq!((world.place("staging").await.asked.unwrap().deployment, world.chain().await.barred.len()), (fixed, 0));
}

#[tokio::test]
async fn a_run_that_died_before_its_push_is_made_as_if_for_the_first_time() {
    let world = World::new().await;
    let (frontend, _) = world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", Some(&frontend));
    let key = ClaimKey { worker: WorkerName::Bumper, event: event.id, replay: 0 };
    let claim = world.context.ledger.claim(&key, Uuid::new_v4(), Duration::from_millis(1)).await.unwrap();
    assert_eq!(claim, Claim::Granted { takeover: false });
    assert_eq!(world.bump(&event).await.revision.as_str(), world.repo.head());
}

#[tokio::test]
async fn whose_it_is_and_that_it_is_a_fix_is_kept_though_the_first_run_died() {
    let world = World::new().await;
    let (frontend, _) = world.push_both(&commit('a')).await;
    let mut built = world.built("frontend", &commit('a'), &frontend);
    let Data::ImageBuilt(image) = &mut built.data else { panic!("{built:?}") };
    image.change.author = Some("Ada <ada@example.org>".to_owned());
    world.dies(&built).await;
    world.bump(&built).await;
    assert_eq!(world.place("staging").await.asked.unwrap().author.as_deref(), Some("Ada <ada@example.org>"));
    let fixed = verdict(&world.fix(&commit('b')).await, true);
    world.dies(&fixed).await;
    world.bump(&fixed).await;
    assert_eq!(world.place("production").await.asked.unwrap().lane, Lane::Hotfix);
}

/// People were asked since it waits, so that what they answer to is no more what it waits under.
#[tokio::test]
async fn a_fix_that_was_let_in_is_told_as_one_by_whichever_id_people_were_asked() {
    let mut world = World::new().await;
    world.handle(&hold(true)).await.unwrap();
    let (waiting, _) = world.waits(&verdict(&world.fix(&commit('c')).await, true)).await;
    world.handle(&hold(false)).await.unwrap();
    let (app, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let config = &mut Arc::make_mut(&mut world.context.config).apps.get_mut(&app).unwrap().environments;
    config.get_mut(&environment).unwrap().approval = serde_json::from_value("required".into()).unwrap();
    world.bumper = Bumper::new(&world.context).unwrap();
    let (again, why) = world.waits(&waiting).await;
    assert_eq!((why.as_str(), again.id == waiting.id), ("1 approval", false));
    let answer = event(ApprovalGranted { approval: waiting.id, app, environment, by: "ada".to_owned(), comment: None });
    world.dies(&answer).await;
    world.bump(&answer).await;
    let place = world.place("production").await;
    assert_eq!((place.asked.unwrap().lane, place.urgent), (Lane::Hotfix, None));
}

fn hold(held: bool) -> Event {
    let (app, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
    event(HoldChanged { app, environment, held, by: "mona".to_owned(), reason: "a sale".to_owned() })
}

/// How often the GitOps repository was fetched from.
fn fetches(world: &World) -> usize {
    let is_it = |request: &&String| request.contains("/gitops.git/info/refs?service=git-upload-pack");
    world.git.requests().iter().filter(is_it).count()
}

#[tokio::test]
async fn a_wait_is_looked_at_without_asking_the_repository_unless_nobody_knows_how_a_look_ended() {
    let mut world = World::new().await;
    world.handle(&hold(true)).await.unwrap();
    let (waiting, _) = world.waits(&verdict(&world.deploy(&commit('a')).await, true)).await;
    let before = fetches(&world);
    for _ in 0..4 {
        assert!(world.not_yet(&waiting).await.contains("held by mona"));
    }
    assert_eq!(fetches(&world), before);
    // Another process does not know how they ended; it asks once, for the environment that the wait is for.
    let other = Bumper::new(&world.context).unwrap();
    let first = std::mem::replace(&mut world.bumper, other);
    for _ in 0..2 {
        world.not_yet(&waiting).await;
        assert_eq!(fetches(&world), before + 1);
    }
    // Nor does the first one know of those looks, of which the last made a commit and died.
    world.handle(&hold(false)).await.unwrap();
    let landed = deployments(&world.dies(&waiting).await);
    world.bumper = first;
    let count = world.repo.count();
    assert_eq!([world.bump(&waiting).await], landed[..]);
    assert_eq!(world.repo.count(), count);
}
