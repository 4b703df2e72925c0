//! Nobody there, or somebody who takes nothing: what is asked for then, and how often.

use reconciler::Mode;
use serde_json::json;
use testkit::github_api::Outcome;

use crate::world::{Over, World, push};

#[tokio::test(flavor = "multi_thread")]
async fn before_a_shut_door_one_is_asked_for_at_a_time_and_none_is_given_up() {
    let mut world = World::open(Over::Files).await;
    let missed = world.outage(30);
    for sweep in 1..=10 {
        let report = world.sweep().await;
        assert!(report.door_is_shut, "{report}");
        assert_eq!((report.missing.len(), report.asked, report.came), (30, 1, 0), "sweep {sweep}: {report}");
    }
    let tried = missed.iter().filter(|guid| world.github.attempts(guid).len() > 1).count();
    assert!(tried > 1, "another one each time, for one may be what nobody can take");
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.asked, report.came, report.door_is_shut), (30, 30, false), "{report}");
    world.each_has_one_effect(30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_shuts_meanwhile_ends_the_sweep() {
    let mut world = World::open(Over::Files).await;
    world.outage(400);
    world.receive().await;
    // What came last says that somebody is there; it leaves right after.
    world.github.deliver(world.hook, "push", &push("b", 1)).await.unwrap();
    world.refuse().await;
    let report = world.sweep().await;
    assert!(report.door_is_shut && report.asked < 400, "{report}");
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.came, report.door_is_shut), (400, false), "no try was counted before: {report}");
    world.each_has_one_effect(401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_asked_for_less_and_less_and_given_up_at_last() {
    let mut world = World::open(Over::Files).await;
    world.receive().await;
    // Somebody else's secret.
    std::fs::write(world.folder.join("secret"), "another").unwrap();
    let guid = world.github.missed(world.hook, "push", &push("a", 1), proto::Timestamp::now(), Outcome::TimedOut);
    let report = world.sweep().await;
    assert_eq!((report.asked, report.came, report.missing_still), (1, 0, 1), "{report}");
    assert!(!report.door_is_shut, "somebody answered: {report}");
    let report = world.sweep().await;
    assert_eq!((report.asked, report.waiting), (0, 1), "not again so soon: {report}");
    let target = "github repos/acme/shop";
    for _ in 0..4 {
        world.context.ledger.note_redeliveries(target, std::slice::from_ref(&guid)).await.unwrap();
    }
    let report = world.sweep().await;
    assert_eq!((report.asked, report.given_up.clone()), (0, vec![guid.clone()]), "{report}");
    world.sweep().await;
    let lost = world.metric("windlass_reconciler_deliveries_given_up_total");
    assert!((lost - 1.0).abs() < f64::EPSILON, "it is counted once, not {lost} times");

    // Mended, and asked for once more.
    std::fs::write(world.folder.join("secret"), "it's a Secret to Everybody").unwrap();
    let report = world.sweep_as(Mode { again: true, ..Mode::default() }).await;
    assert_eq!((report.asked, report.came), (1, 1), "{report}");
    world.each_has_one_effect(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_hears_and_what_came_is_left_alone() {
    let mut world = World::open(Over::Files).await;
    world.receive().await;
    let now = proto::Timestamp::now();
    world.github.missed(world.hook, "star", &json!({ "action": "created" }), now, Outcome::TimedOut);
    world.github.deliver(world.hook, "ping", &json!({ "zen": "Design for failure." })).await.unwrap();
    world.github.deliver(world.hook, "star", &json!({ "action": "deleted" })).await.unwrap();
    let report = world.sweep().await;
    assert_eq!((report.deliveries, report.asked, report.unheard), (3, 0, 1), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_begins_where_the_last_one_ended() {
    let mut world = World::open(Over::Files).await;
    world.outage(1200);
    world.receive().await;
    world.sweep().await;
    let (before, swept) = (world.github.requests().all, world.context.ledger.swept("github repos/acme/shop").await);
    assert!(swept.unwrap().unwrap().watermark.is_some());
    let looked = Mode { dry_run: true, ..Mode::default() };
    let report = world.sweep_as(looked).await;
    assert_eq!((report.missing.len(), report.asked), (0, 0), "{report}");
    let read = world.github.requests().all - before;
    // Redeliveries were all made just now, and are read again; what they stand for is not.
    assert!(read <= 1 + 1200 / 100 + 1, "{read} requests");
    world.each_has_one_effect(1200).await;
}
