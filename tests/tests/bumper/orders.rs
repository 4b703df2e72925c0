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
        let release = QuarantineReleased { app, digest: released.digest.clone(), by, reason };
        assert_eq!(world.handle(&event(release.clone())).await.unwrap().iter().count(), 0);
        assert!(world.ignored(&event(release)).await.contains("was not in quarantine"));
    }
    world.healthy(&back).await;
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
    // Whoever orders it can ask before, and hears the same.
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let asked = async |to: &str| bumper::why_not_restored(&world.context.ledger, &app, &environment, to).await.unwrap();
    assert!(asked("dddd").await.is_some_and(|said| why.contains(&said)), "{why}");
    assert_eq!(asked("aaaaaaaa").await, None);
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
async fn an_event_about_it_names_it_as_well() {
    let world = World::new().await;
    let good = world.deploy(&commit('a')).await;
    let report = verdict(&good, true);
    world.context.ledger.record(&[report.to_message()]).await.unwrap();
    world.handle(&report).await.unwrap();
    healthy(&world, 'b').await;
    // About nothing that was healthy there.
    let other = Deployment { environment: "production".parse().unwrap(), ..good.clone() };
    let (elsewhere, image) = (verdict(&other, true), world.pushed("frontend", "main", None));
    world.context.ledger.record(&[elsewhere.to_message(), image.to_message()]).await.unwrap();
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let named = async |to: &str| operate::find::restorable(&world.context.ledger, &app, &environment, to).await;
    let id = report.id.to_string();
    for to in [id.as_str(), &id[..12], good.revision.as_str()] {
        assert_eq!(named(to).await.unwrap(), good.revision.as_str(), "{to}");
    }
    assert_eq!(named("aaaaaaaa").await.unwrap(), "aaaaaaaa");
    for to in [elsewhere.id.to_string(), image.id.to_string(), "00000000-0000".to_owned()] {
        let why = named(&to).await.unwrap_err().to_string();
        assert!(why.contains("names nothing that was healthy there"), "{why}");
    }
    let name = named(&id[..12]).await.unwrap();
    assert_eq!(world.bump(&rollback(Some(&name))).await.release, good.release);
}

#[tokio::test]
async fn where_nothing_else_was_healthy_a_person_is_told() {
    let world = World::new().await;
    assert!(world.ignored(&rollback(None)).await.contains("nothing is known to have been healthy"));
    healthy(&world, 'a').await;
    assert!(world.ignored(&rollback(None)).await.contains("nothing else than what it runs"));
}
