//! Nobody there, or somebody who takes nothing: what is asked for then, and how often.

use std::time::Duration;

use ledger::{AskedFor, SweepEnd};
use proto::Timestamp;
use reconciler::Mode;
use serde_json::json;
use testkit::{github_api::Outcome, wait};

use crate::world::{Over, SOON, World, push};

const TARGET: &str = "github repos/acme/shop";

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
    let often = AskedFor { delivery: guid.clone(), times: 4, attempt: None, first_at: None };
    world.context.ledger.note_redeliveries(TARGET, &[often]).await.unwrap();
    let report = world.sweep().await;
    assert_eq!((report.asked, report.given_up.clone()), (0, vec![guid.clone()]), "{report}");
    world.sweep().await;
    let lost = world.metric("windlass_reconciler_deliveries_given_up_total");
    assert!((lost - 1.0).abs() < f64::EPSILON, "it is counted once, not {lost} times");
    world.tells(&format!("{guid} of")).await;
    let state = world.context.ledger.sweeps().await.unwrap().pop().unwrap();
    assert!(state.trouble.is_some_and(|trouble| trouble.contains(&guid)), "what a doctor says");

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
    let (before, swept) = (world.github.requests().all, world.context.ledger.swept(TARGET).await);
    assert!(swept.unwrap().unwrap().watermark.is_some());
    let looked = Mode { dry_run: true, ..Mode::default() };
    let report = world.sweep_as(looked).await;
    assert_eq!((report.missing.len(), report.asked), (0, 0), "{report}");
    let read = world.github.requests().all - before;
    // Redeliveries were all made just now, and are read again; what they stand for is not.
    assert!(read <= 1 + 1200 / 100 + 1, "{read} requests");
    world.each_has_one_effect(1200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_shut_door_little_is_asked_of_github() {
    let mut world = World::open(Over::Files).await;
    world.outage(300);
    world.sweep().await;
    for sweep in 2..=4 {
        let before = world.github.requests().all;
        assert!(world.sweep().await.door_is_shut);
        let asked = world.github.requests().all - before;
        // A page of the list, a delivery, and a look or two for it: neither where the webhook is nor what it sent long
        // ago is asked for again.
        assert!(asked <= 4, "sweep {sweep}: {asked} requests");
    }
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.came, report.door_is_shut), (300, false), "{report}");
    world.each_has_one_effect(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_cannot_send_says_nothing_of_the_door() {
    let mut world = World::open(Over::Files).await;
    let missed = world.outage(3);
    world.github.cannot_send(&missed[0]);
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.came, report.missing_still, report.door_is_shut), (2, 1, false), "{report}");
    world.each_has_one_effect(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_deleted_meanwhile_is_no_shut_door_and_is_found_when_it_is_made_anew() {
    let mut world = World::open(Over::Files).await;
    world.outage(3);
    world.github.hang_after(0);
    let delete = async {
        wait::until_true(SOON, "the sweep to ask", async || world.github.hangs()).await.unwrap();
        world.github.delete_hook(world.hook);
        world.github.go_on();
    };
    let (swept, ()) = tokio::join!(world.try_sweep(Mode::default()), delete);
    let error = format!("{:#}", swept.expect_err("the webhook is gone"));
    assert!(error.contains("the webhook was deleted"), "{error}");

    let anew = format!("http://127.0.0.1:{}/webhooks/github", world.port());
    world.hook = world.github.hook("repos/acme/shop", &anew, "it's a Secret to Everybody");
    world.outage(2);
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.came, report.door_is_shut), (2, false), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_does_not_have_the_rest_read_again_and_is_asked_for_at_its_time() {
    let mut world = World::open(Over::Files).await;
    world.receive().await;
    std::fs::write(world.folder.join("secret"), "another").unwrap();
    let begun = Timestamp::now() - Duration::from_hours(20);
    world.github.missed(world.hook, "push", &push("a", 0), begun, Outcome::TimedOut);
    for n in 1..=1000 {
        let at = begun + Duration::from_mins(1) * n;
        world.github.missed(world.hook, "push", &push("a", n), at, Outcome::Answered(202));
    }
    let report = world.sweep().await;
    assert_eq!((report.deliveries, report.asked, report.missing_still), (1001, 1, 1), "{report}");
    let before = world.github.requests().all;
    let report = world.sweep().await;
    assert_eq!((report.asked, report.waiting), (0, 1), "{report}");
    let read = world.github.requests().all - before;
    assert!(read <= 2, "{read} requests for what was all read before");

    // It is not within what is read now, and is asked for all the same.
    std::fs::write(world.folder.join("secret"), "it's a Secret to Everybody").unwrap();
    let report = world.sweep_as(Mode { again: true, ..Mode::default() }).await;
    assert_eq!((report.asked, report.came), (1, 1), "{report}");
    assert!(world.context.ledger.redeliveries(TARGET).await.unwrap().is_empty(), "and over");
    world.each_has_one_effect(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_keeps_no_longer_is_told() {
    let mut world = World::open(Over::Files).await;
    world.receive().await;
    let now = Timestamp::now();
    let missed = |n: u32, hours: f64| {
        let at = now - Duration::from_secs_f64(hours * 3600.0);
        world.github.missed(world.hook, "push", &push("a", n), at, Outcome::TimedOut)
    };
    let (_, just_gone, _) = (missed(1, 90.0), missed(2, 72.5), missed(3, 20.0));
    // The last reconciler that looked did so four days ago.
    let (ledger, owner) = (&world.context.ledger, uuid::Uuid::new_v4());
    let last = now - Duration::from_hours(96);
    ledger.begin_sweep(TARGET, owner, Duration::from_mins(1), Duration::ZERO).await.unwrap();
    let end = SweepEnd { watermark: Some(last), left: Some(last.to_string()), trouble: None };
    assert!(ledger.break_off_sweep(TARGET, owner, &end).await.unwrap());

    let report = world.sweep().await;
    assert_eq!((report.unseen_since, report.came), (Some(last), 1), "{report}");
    assert_eq!(report.given_up, std::slice::from_ref(&just_gone), "{report}");
    world.tells(&format!("was last swept at {last:.0}")).await;
    world.tells(&format!("{just_gone} of")).await;
    let trouble = world.context.ledger.sweeps().await.unwrap().pop().unwrap().trouble.unwrap();
    assert!(trouble.contains("GitHub keeps nothing from before"), "{trouble}");
    let report = world.sweep().await;
    assert_eq!((report.unseen_since, report.given_up.len()), (None, 0), "it is said once: {report}");
    world.each_has_one_effect(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_while_a_sweep_lasts_is_for_the_next() {
    let mut world = World::open(Over::Files).await;
    world.outage(3);
    world.receive().await;
    world.github.hang_after(1);
    let fail = async {
        wait::until_true(SOON, "the sweep to ask", async || world.github.hangs()).await.unwrap();
        // As if it had asked for half an hour since.
        let at = Timestamp::now() - Duration::from_mins(30);
        let failed = world.github.missed(world.hook, "push", &push("b", 1), at, Outcome::TimedOut);
        world.github.go_on();
        failed
    };
    let (report, failed) = tokio::join!(world.sweep(), fail);
    assert_eq!(report.came, 3, "{report}");
    let report = world.sweep().await;
    assert_eq!((report.missing.as_slice(), report.came), ([failed].as_slice(), 1), "{report}");
    world.each_has_one_effect(4).await;
}
