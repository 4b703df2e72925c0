//! What people order: taking back, and lifting a quarantine.

use proto::{BumpReason, Deployment, Event, QuarantineReleased, RollbackRequested};

use crate::world::*;

fn rollback(to: Option<&str>) -> Event {
    event(RollbackRequested {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        to: to.map(ToOwned::to_owned),
        by: "mona".to_owned(),
        reason: "checkout is slow".to_owned(),
    })
}

/// Deploys to staging and finds it healthy, as the recorder would have it written down.
async fn healthy(world: &World, digit: char) -> Deployment {
    let deployment = world.deploy(&commit(digit)).await;
    let bumped = event(proto::ManifestBumped { deployment: deployment.clone() });
    let report = verdict(&deployment, true);
    world.context.ledger.record(&[bumped.to_message(), report.to_message()]).await.unwrap();
    world.handle(&report).await.unwrap();
    deployment
}

#[tokio::test]
async fn what_was_healthy_before_is_restored_and_what_was_there_is_barred_until_released_by_name() {
    let world = World::new().await;
    let good = healthy(&world, 'a').await;
    let before = world.repo.text("staging/app.yaml");
    let slow = healthy(&world, 'b').await;
    let order = rollback(None);
    let back = world.bump(&order).await;
    assert_eq!((back.reason, &back.release), (BumpReason::Rollback, &good.release));
    assert_eq!(world.repo.text("staging/app.yaml"), before);
    assert!(world.repo.message("main").contains("> mona asked for it: checkout is slow"));
    // The same order again leads to no second commit.
    let count = world.repo.count();
    assert_eq!(world.bump(&order).await, back);
    assert_eq!(world.repo.count(), count);

    let bad = &slow.release[&"frontend".parse().unwrap()].digest;
    let pushed = world.pushed("frontend", "main", Some(bad));
    let why = world.ignored(&pushed).await;
    assert!(why.contains("is quarantined") && why.contains("by mona: checkout is slow"), "{why}");
    for released in slow.release.values() {
        let (app, by, reason) = (slow.app.clone(), "mona".to_owned(), "the network was slow".to_owned());
        let release = event(QuarantineReleased { app, digest: released.digest.clone(), by, reason });
        assert_eq!(world.handle(&release).await.unwrap().iter().count(), 0);
        assert!(world.ignored(&release).await.contains("was not in quarantine"));
    }
    assert_eq!(world.bump(&world.pushed("frontend", "main", Some(bad))).await.release, slow.release);
}

#[tokio::test]
async fn it_is_named_by_commit_digest_or_revision_and_must_have_been_healthy() {
    let world = World::new().await;
    let good = healthy(&world, 'a').await;
    healthy(&world, 'b').await;
    healthy(&world, 'c').await;
    let why = world.ignored(&rollback(Some("dddd"))).await;
    assert!(why.contains("names nothing that was healthy there"), "{why}");
    assert!(world.ignored(&rollback(Some("a"))).await.contains("too short"));
    let digest = good.release.values().next().unwrap().digest.to_string();
    assert_eq!(world.bump(&rollback(Some("aaaaaaaa"))).await.release, good.release);
    for name in [digest.as_str(), good.revision.short()] {
        let why = world.ignored(&rollback(Some(name))).await;
        assert!(why.contains("already asks for it"), "{name}: {why}");
    }
    // What was taken back is no way back until it is released.
    let why = world.ignored(&rollback(Some("cccccccc"))).await;
    assert!(why.contains("is quarantined") && why.contains("windlass quarantine release"), "{why}");
}

#[tokio::test]
async fn what_is_held_is_left_to_people() {
    let world = World::with(&CONFIG.replace("after: staging,", "after: staging, hold: we look into it,")).await;
    let good = healthy(&world, 'a').await;
    assert_eq!(world.repo.text("production/app.yaml"), world.manifest("v0"));
    let why = world.ignored(&verdict(&good, true)).await;
    assert!(why.contains("production is held (we look into it)"), "{why}");
    let config = CONFIG.replace("path: staging,", "path: staging, hold: a migration runs,");
    let held = World::with(&config).await;
    let (frontend, _) = held.push_both(&commit('a')).await;
    let why = held.ignored(&held.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("staging is held (a migration runs)"), "{why}");
    assert_eq!(held.repo.text("staging/app.yaml"), held.manifest("v0"));
    // Neither is it taken back by itself; but by order.
    let free = held.another_bumper(CONFIG, "free").await;
    for (digit, is_healthy) in [('a', true), ('b', false)] {
        let (frontend, _) = held.push_both(&commit(digit)).await;
        let outcomes = runtime::Worker::handle(&free, &held.pushed("frontend", "main", Some(&frontend))).await.unwrap();
        let report = verdict(&deployments(&outcomes)[0], is_healthy);
        held.context.ledger.record(&[report.to_message()]).await.unwrap();
        if is_healthy {
            held.handle(&report).await.unwrap();
        } else {
            let why = held.ignored(&report).await;
            assert!(why.contains("it is held (a migration runs)"), "{why}");
        }
    }
    let back = held.bump(&rollback(Some("aaaaaaaa"))).await;
    assert_eq!(back.release[&"frontend".parse().unwrap()].commit, Some(commit('a')));
}

#[tokio::test]
async fn where_nothing_else_was_healthy_a_person_is_told() {
    let world = World::new().await;
    assert!(world.ignored(&rollback(None)).await.contains("nothing is known to have been healthy"));
    healthy(&world, 'a').await;
    assert!(world.ignored(&rollback(None)).await.contains("nothing else than what it runs"));
}
