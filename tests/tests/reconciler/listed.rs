//! What GitHub lists late, out of its time, or perhaps no more.

use std::time::Duration;

use ledger::SweepEnd;
use proto::Timestamp;
use testkit::github_api::Outcome;

use crate::world::{Over, World, push};

const TARGET: &str = "github repos/acme/shop";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_late_below_what_was_read_is_not_missed_behind_a_shut_door() {
    let mut world = World::open(Over::Files).await;
    let begun = Timestamp::now() - Duration::from_mins(5);
    let missed = |n: u32| {
        let at = begun + Duration::from_secs(2) * n;
        world.github.missed(world.hook, "push", &push("a", n), at, Outcome::TimedOut)
    };
    // More than a page.
    let missed: Vec<_> = (0..150).map(missed).collect();
    let report = world.sweep().await;
    assert_eq!((report.deliveries, report.door_is_shut), (150, true), "{report}");
    let at = begun + Duration::from_secs(21);
    let late = world.github.missed_below(&missed[10], "push", &push("b", 1), at, Outcome::TimedOut);
    world.receive().await;
    let report = world.sweep().await;
    assert!(report.missing.contains(&late), "{report}");
    assert_eq!((report.came, report.door_is_shut), (151, false), "{report}");
    world.each_has_one_effect(151).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_listed_out_of_its_time_does_not_end_the_list() {
    let mut world = World::open(Over::Files).await;
    world.receive().await;
    world.github.deliver(world.hook, "push", &push("b", 1)).await.unwrap();
    world.sweep().await;
    let now = Timestamp::now();
    for n in 0..120 {
        world.github.missed(world.hook, "push", &push("a", n), now, Outcome::TimedOut);
    }
    let before = now - Duration::from_hours(2);
    world.github.missed(world.hook, "push", &push("c", 1), before, Outcome::Answered(202));
    let report = world.sweep().await;
    assert_eq!((report.missing.len(), report.came), (120, 120), "{report}");
    world.each_has_one_effect(121).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_too_old_while_nobody_looked_is_told() {
    let mut world = World::open(Over::Files).await;
    world.receive().await;
    let now = Timestamp::now();
    let hours_ago = |hours: u32| now - Duration::from_hours(1) * hours;
    let gone = world.github.missed(world.hook, "push", &push("a", 1), hours_ago(75), Outcome::TimedOut);
    // Before a door that has been shut for four days, and the last that looked did so five hours ago.
    let (ledger, owner) = (&world.context.ledger, uuid::Uuid::new_v4());
    ledger.begin_sweep(TARGET, owner, Duration::from_mins(1), Duration::ZERO).await.unwrap();
    let (watermark, left) = (Some(hours_ago(96)), Some(hours_ago(5).to_string()));
    let end = SweepEnd { watermark, left, trouble: None };
    assert!(ledger.break_off_sweep(TARGET, owner, &end).await.unwrap());
    let report = world.sweep().await;
    assert_eq!((report.unseen_since, report.given_up.as_slice()), (None, std::slice::from_ref(&gone)), "{report}");
    world.tells(&format!("{gone} of")).await;
}
