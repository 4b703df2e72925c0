//! GitHub's limits and troubles, when they last.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reconciler::{Mode, Reconciler};
use serde_json::Value;
use testkit::wait;

use crate::world::{Over, SOON, World, program};

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
async fn while_it_waits_for_the_limit_a_doctor_says_so_and_until_when() {
    let world = World::open(Over::Files).await;
    world.outage(2);
    world.github.limit(1000, Duration::from_mins(10));
    world.github.use_up();
    let told = async || {
        let shown = program("windlass", &world.config()).args(["doctor", "--json"]).output()?;
        let report: Value = serde_json::from_slice(&shown.stdout)?;
        let mut checks = report["checks"].as_array().context("checks")?.iter();
        let sweeps = checks.find(|check| check["part"] == "sweeps").context("sweeps")?;
        let says = sweeps["says"].as_str().context("words")?;
        ensure!(sweeps["standing"] == "ok" && says.contains("waits until") && says.contains("no trouble"), "{sweeps}");
        let until =
            world.context.ledger.sweeps().await?.pop().and_then(|state| state.waits_until).context("no time")?;
        ensure!(says.contains(&format!("{until:.0}")), "{says}: {until}");
        Ok(())
    };
    tokio::select! {
        swept = world.try_sweep(Mode::default()) => panic!("it is to wait: {swept:?}"),
        told = wait::until(SOON, "a doctor to say that it waits", told) => told.unwrap(),
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_the_limit_is_shared_by_all_that_ask_with_the_same_token() {
    let repositories: Vec<_> = (0..10).map(|n| format!("acme/shop-{n}")).collect();
    let hooks: Vec<_> = repositories.iter().map(|name| format!("{{ repository: {name} }}")).collect();
    let world = World::with(Over::Files, "repos/acme/shop-0", &format!("hooks: [{}]", hooks.join(", "))).await;
    for name in &repositories[1..] {
        let url = format!("http://127.0.0.1:{}/webhooks/github", world.port());
        world.github.hook(&format!("repos/{name}"), &url, "x");
    }
    // Two questions each: where it is, and what it sent. Nine webhooks leave the tenth nothing but what others are left.
    world.github.limit(20, Duration::from_secs(5));
    let reports = Reconciler::new(&world.context).unwrap().once(None, Mode { dry_run: true, ..Mode::default() }).await;
    assert!(reports.len() == 10 && reports.iter().all(|(_, report)| report.is_ok()), "{reports:?}");
    let requests = world.github.requests();
    assert_eq!((requests.least_left, requests.rude), (Some(2), 0), "{requests:?}");
}
