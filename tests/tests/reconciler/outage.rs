//! After an outage: everything that failed is recovered in one sweep, and nothing is done twice.
//!
//! Small enough for every day; the whole, with its figures as JSON on standard output:
//!
//! ```sh
//! RECONCILER_DELIVERIES=10000 cargo test -p windlass-tests --test reconciler outage -- --nocapture
//! ```

use std::time::{Duration, Instant};

use reconciler::HookReport;
use serde_json::json;

use crate::world::{Over, World, push};

/// Deliveries that came, and such whose answer was lost on the way: few beside those of the outage.
const OTHERS: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_recovered_in_one_sweep_over_servers() {
    let wanted = std::env::var("RECONCILER_DELIVERIES");
    recover(Over::Servers, wanted.map_or(600, |count| count.parse().expect("a number"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_recovered_in_one_sweep_over_files() {
    recover(Over::Files, 200).await;
}

async fn recover(over: Over, failed: u32) {
    let mut world = World::open(over).await;
    world.outage(failed);
    world.receive().await;
    for n in 0..OTHERS {
        world.github.deliver(world.hook, "push", &push("b", n)).await.unwrap();
    }
    world.github.deliver(world.hook, "ping", &json!({ "zen": "Design for failure." })).await.unwrap();
    for n in 0..OTHERS {
        world.github.deliver_unheard(world.hook, "push", &push("c", n)).await.unwrap();
    }
    world.github.trouble_every(u64::from(failed / 50).max(61));
    world.github.limit(u64::from((failed / 4).clamp(100, 200)), Duration::from_secs(3));
    world.github.secondary_after(u64::from(failed) / 3, 2);

    let begun = Instant::now();
    let report = world.sweep().await;
    let swept = begun.elapsed();
    let missing = (failed + OTHERS) as usize;
    let HookReport { asked, came, missing_still, waiting, door_is_shut, .. } = report.clone();
    assert_eq!((report.missing.len(), asked, came), (missing, missing, missing), "{report}");
    assert_eq!((missing_still, waiting, report.given_up.len(), door_is_shut), (0, 0, 0, false), "{report}");
    assert_eq!(world.github.missing(), Vec::<String>::new());
    world.each_has_one_effect((failed + 2 * OTHERS) as usize).await;

    let requests = world.github.requests();
    assert!(requests.answered[&502] > 0 && requests.answered[&403] > 0, "{requests:?}");
    assert!(requests.redeliveries > missing as u64, "an answer that was lost has one asked for twice: {requests:?}");
    assert_eq!(requests.rude, 0, "it asked while it was told not to: {requests:?}");
    let waits = ["trouble", "primary_limit", "secondary_limit"].map(|cause| (cause, world.waits(cause)));
    assert!(waits.iter().all(|(_, count)| *count > 0.0), "{waits:?}");
    let again = world.sweep().await;
    assert_eq!((again.missing.len(), again.asked), (0, 0), "{again}");
    assert_eq!(world.github.requests().redeliveries, requests.redeliveries);
    println!(
        "{}",
        json!({
            "failed": missing, "asked": asked, "came": came, "seconds": swept.as_secs_f64(), "requests": requests.all,
            "redeliveries": requests.redeliveries, "answered": requests.answered, "rude": requests.rude,
            "waits": waits.map(|(cause, count)| format!("{cause}: {count}")),
            "waited_seconds": world.metric("windlass_reconciler_waited_seconds_total"), "effects": failed + 2 * OTHERS,
        })
    );
}
