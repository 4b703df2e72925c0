//! What GitHub accepts to send again and does not, what it fails to send, and what nobody answers.

use std::{collections::BTreeMap, net::TcpListener};

use anyhow::Context as _;
use ledger::AskedFor;
use reconciler::Mode;
use testkit::wait;

use crate::world::{Over, SOON, World, push};

const TARGET: &str = "github repos/acme/shop";
const AGAIN: Mode = Mode { again: true, dry_run: false };

/// How many tries everything was given that has not come.
async fn tries(world: &World) -> BTreeMap<String, u32> {
    let asked = world.context.ledger.redeliveries(TARGET).await.unwrap();
    asked.into_iter().map(|asked| (asked.delivery, asked.times)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_github_always_fails_to_send_keeps_no_other_back_and_is_told() {
    let mut world = World::open(Over::Files).await;
    let missed = world.outage(5);
    let guid = &missed[0];
    world.github.fails_to_send(guid);
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.came, report.missing_still, report.door_is_shut), (4, 1, false), "{report}");
    let told = &report.unsent[0];
    assert!(told.starts_with(guid) && told.contains(": 500"), "in GitHub's words: {told}");
    let trouble = world.context.ledger.sweeps().await.unwrap().pop().unwrap().trouble.unwrap();
    assert!(trouble.contains("1 that GitHub did not send") && trouble.contains(told), "what a doctor says: {trouble}");
    let report = world.sweep().await;
    assert_eq!((report.asked, report.waiting), (0, 1), "not again so soon: {report}");

    // Its last try: while GitHub sends others.
    let often = AskedFor { delivery: guid.clone(), times: 3, attempt: None, first_at: None };
    world.context.ledger.note_redeliveries(TARGET, &[often]).await.unwrap();
    world.github.missed(
        world.hook,
        "push",
        &push("b", 1),
        proto::Timestamp::now(),
        testkit::github_api::Outcome::TimedOut,
    );
    let report = world.sweep_as(AGAIN).await;
    assert_eq!((report.came, report.given_up.as_slice()), (1, std::slice::from_ref(guid)), "{report}");
    world.tells("GitHub did not send it, 5 times: POST ").await;
    let report = world.sweep().await;
    assert_eq!((report.asked, report.given_up.len()), (0, 1), "{report}");
    world.each_has_one_effect(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_in_a_row_github_is_in_trouble_and_what_was_asked_for_is_not_asked_for_again_at_once() {
    let mut world = World::open(Over::Files).await;
    let missed = world.outage(7);
    world.github.forgets_to_send(&missed[0]);
    missed[1..=3].iter().for_each(|guid| world.github.fails_to_send(guid));
    world.receive().await;
    // The newest attempt says that somebody is there.
    world.github.deliver(world.hook, "push", &push("b", 1)).await.unwrap();
    let often =
        missed[1..=3].iter().map(|guid| AskedFor { delivery: guid.clone(), times: 4, attempt: None, first_at: None });
    world.context.ledger.note_redeliveries(TARGET, &often.collect::<Vec<_>>()).await.unwrap();
    let error = format!("{:#}", world.try_sweep(AGAIN).await.unwrap_err());
    assert!(error.contains("failed to send 3 deliveries one after the other") && error.contains("500"), "{error}");
    let noted = tries(&world).await;
    let wanted = [(&missed[0], 0), (&missed[1], 4), (&missed[2], 4), (&missed[3], 4)];
    assert_eq!(
        noted,
        wanted.map(|(guid, times)| (guid.clone(), times)).into(),
        "GitHub's own trouble gives nothing up"
    );

    let report = world.sweep().await;
    assert_eq!((report.asked, report.came, report.waiting), (3, 3, 4), "those behind them: {report}");
    world.each_has_one_effect(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answers_is_no_try() {
    let mut world = World::open(Over::Files).await;
    let missed = world.outage(3);
    world.github.forgets_to_send(&missed[0]);
    world.receive().await;
    world.github.deliver(world.hook, "push", &push("b", 1)).await.unwrap();
    world.refuse().await;
    // Whoever is there now takes no connection off the queue, so nobody answers within the time.
    let bind = async || TcpListener::bind(("127.0.0.1", world.port())).context("binding");
    let deaf = wait::until(SOON, "the receiver's port", bind).await.unwrap();
    let report = world.sweep().await;
    assert_eq!((report.asked, report.came, report.missing_still), (3, 0, 3), "{report}");
    assert_eq!(tries(&world).await, missed.iter().map(|guid| (guid.clone(), 0)).collect());
    drop(deaf);
    let report = world.sweep().await;
    assert_eq!((report.asked, report.waiting), (0, 3), "not again at once: {report}");
    world.each_has_one_effect(1).await;
}
