//! GitHub's limits and troubles, when they last.

use std::time::Duration;

use reconciler::Mode;

use crate::world::{Over, World};

#[tokio::test(flavor = "multi_thread")]
async fn when_others_have_used_the_limit_up_it_waits_for_the_next_window() {
    let mut world = World::open(Over::Files).await;
    world.outage(20);
    world.receive().await;
    world.github.limit(1000, Duration::from_secs(2));
    world.github.use_up();
    let report = world.sweep().await;
    assert_eq!(report.came, 20, "{report}");
    let requests = world.github.requests();
    assert_eq!((requests.answered[&403], requests.rude), (1, 0), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_of_the_limit_is_left_to_others() {
    let mut world = World::open(Over::Files).await;
    world.outage(60);
    world.receive().await;
    world.github.limit(40, Duration::from_secs(2));
    let report = world.sweep().await;
    assert_eq!(report.came, 60, "{report}");
    let requests = world.github.requests();
    assert_eq!((requests.answered.get(&403), requests.rude), (None, 0), "{requests:?}");
    assert!(world.metric("windlass_reconciler_waited_seconds_total") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn github_in_trouble_for_long_fails_the_sweep_and_the_next_takes_it_up() {
    let mut world = World::open(Over::Files).await;
    world.outage(3);
    world.receive().await;
    world.github.trouble_every(1);
    let error = format!("{:#}", world.try_sweep(Mode::default()).await.unwrap_err());
    assert!(error.contains("502") && error.contains("again and again"), "{error}");
    world.github.trouble_every(u64::MAX / 2);
    assert_eq!(world.sweep().await.came, 3);
    world.each_has_one_effect(3).await;
}
