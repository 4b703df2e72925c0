//! What RabbitMQ goes through itself: stopped, killed, out of memory, set to smaller messages.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bus::{Bus, BusError, Settings};
use proto::WorkerName;

use super::place::{PATIENCE, Place, drain, message, next, noise, number, pushes, rough_broker, until, with_body};

const BUILDER: WorkerName = WorkerName::Builder;
const DEADLINE: Duration = Duration::from_secs(2);

/// The builder's bus, with a deadline short enough to wait for.
async fn open(place: &Place) -> Bus {
    Bus::open(Settings { publish_deadline: DEADLINE, ..place.settings(&[BUILDER]) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_survive_a_restart_of_the_broker() {
    const COUNT: usize = 10_000;
    let mut broker = rough_broker().await;
    let place = Place::at(broker.vhost().await.unwrap());
    let bus = open(&place).await;
    let mut deliveries = bus.consume(BUILDER, 64).await.unwrap();
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move {
            let mut failures = 0;
            for begin in (0..COUNT).step_by(100) {
                while bus.publish(&pushes(begin..begin + 100)).await.is_err() {
                    failures += 1;
                }
            }
            failures
        }
    });
    let mut seen = BTreeSet::new();
    let mut take = async |seen: &mut BTreeSet<usize>, until: usize| {
        while seen.len() < until {
            let delivery = next(&mut deliveries).await;
            let number = number(&delivery.message);
            // What the broker did not hear of comes again.
            let _ = delivery.ack().await;
            seen.insert(number);
        }
    };
    take(&mut seen, 1000).await;
    broker.stop().await.unwrap();
    assert!(bus.ready().is_err() || !publisher.is_finished());
    broker.start_again().await.unwrap();
    take(&mut seen, COUNT).await;
    assert!(publisher.await.unwrap() > 0, "the broker was away, yet every publish succeeded");
    assert_eq!(seen, (0..COUNT).collect());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_survives_the_brokers_sudden_death() {
    let mut broker = rough_broker().await;
    let place = Place::at(broker.vhost().await.unwrap());
    let bus = open(&place).await;
    bus.publish(&pushes(0..500)).await.unwrap();
    // RabbitMQ 3.10 confirms what it has fsynced, but flushes its list of quorum queues only every three seconds:
    // a queue that died with it at that age would come back empty. This one is to be older than that.
    broker.eval("[dets:sync(T) || T <- dets:all()], ok.").await.unwrap();
    broker.kill();

    let began = Instant::now();
    let error = bus.publish(&pushes(500..501)).await.unwrap_err();
    assert!(matches!(error, BusError::Unavailable(_)), "{error}");
    assert!(began.elapsed() < DEADLINE + PATIENCE, "{:?}", began.elapsed());
    assert!(bus.ready().is_err());
    let late = open(&place).await;
    assert!(late.ready().is_err());
    let mut deliveries = late.consume(BUILDER, 64).await.unwrap();

    broker.start_again().await.unwrap();
    let numbers = drain(&mut deliveries, 500).await;
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    until("the first bus publishes again", async || bus.publish(&pushes(501..502)).await.is_ok()).await;
    until("it arrives", async || number(&next(&mut deliveries).await.message) == 501).await;
    assert_eq!(bus.ready(), Ok(()));
    bus.close().await;
    late.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_alarm_stops_publishing_but_not_acknowledging() {
    let broker = rough_broker().await;
    let place = Place::at(broker.vhost().await.unwrap());
    let bus = open(&place).await;
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    bus.publish(&pushes(0..3)).await.unwrap();

    broker.memory_alarm(true).await.unwrap();
    let alarmed = async || matches!(bus.publish(&pushes(3..4)).await, Err(BusError::Unavailable(_)));
    until("publishing fails", alarmed).await;
    until("the bus says so", async || bus.ready().is_err_and(|why| why.contains("memory"))).await;
    let began = Instant::now();
    assert!(bus.publish(&pushes(3..4)).await.is_err());
    assert!(began.elapsed() >= DEADLINE);
    assert_eq!(drain(&mut deliveries, 3).await, [0, 1, 2]);

    broker.memory_alarm(false).await.unwrap();
    until("it publishes again", async || bus.publish(&pushes(4..5)).await.is_ok()).await;
    until("it arrives", async || {
        let delivery = next(&mut deliveries).await;
        let number = number(&delivery.message);
        delivery.ack().await.unwrap();
        number == 4
    })
    .await;
    assert_eq!(bus.ready(), Ok(()));
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_brokers_limit_is_refused_and_harms_no_other() {
    let broker = rough_broker().await;
    let place = Place::at(broker.vhost().await.unwrap());
    let limit = async |bytes: usize| {
        broker.eval(&format!("application:set_env(rabbit, max_message_size, {bytes}).")).await.unwrap();
    };
    // What RabbitMQ 4.x has from the start.
    limit(16 << 20).await;
    let bus = place.open_for(&[BUILDER]).await;
    let incompressible = with_body(message("push.received", 1), noise(5, 20 << 20));
    let compressible = with_body(message("push.received", 2), "2026-11-23 ".repeat(2 << 20));
    let others = pushes(3..10);
    let (refused, taken, beside) = tokio::join!(
        bus.publish(std::slice::from_ref(&incompressible)),
        bus.publish(std::slice::from_ref(&compressible)),
        bus.publish(&others)
    );
    let error = refused.unwrap_err();
    assert!(matches!(&error, BusError::Refused(why) if why.contains("max_message_size")), "{error}");
    taken.unwrap();
    beside.unwrap();
    limit(128 << 20).await;
    until("it is taken under the old limit", async || bus.publish(std::slice::from_ref(&incompressible)).await.is_ok())
        .await;
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_takes_little_refuses_what_is_too_large_and_harms_no_other() {
    let broker = rough_broker().await;
    let place = Place::at(broker.vhost().await.unwrap());
    let limit = async |bytes: usize| {
        broker.eval(&format!("application:set_env(rabbit, max_message_size, {bytes}).")).await.unwrap();
    };
    // Less than what is sent alone from the start.
    limit(1 << 20).await;
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 64).await.unwrap();
    let large = with_body(message("push.received", 1), noise(5, 2 << 20));
    let mut sent = BTreeSet::new();
    for round in 1..4 {
        let numbers = |n: usize| round * 1000 + n * 10..round * 1000 + n * 10 + 10;
        let beside: Vec<_> = (0..20)
            .map(|n| {
                let (bus, messages) = (bus.clone(), pushes(numbers(n)));
                tokio::spawn(async move { bus.publish(&messages).await })
            })
            .collect();
        let mixed = [pushes(numbers(20)), vec![large.clone()], pushes(numbers(21))].concat();
        let error = bus.publish(&mixed).await.unwrap_err();
        assert!(matches!(&error, BusError::Refused(why) if why.contains("max_message_size")), "{round}: {error}");
        assert_eq!(bus.ready(), Ok(()), "the connection stands");
        for beside in beside {
            beside.await.unwrap().unwrap_or_else(|error| panic!("{round}: {error}"));
        }
        sent.extend((0..21).flat_map(numbers));
    }
    let mut arrived = BTreeSet::new();
    while !sent.is_subset(&arrived) {
        let delivery = next(&mut deliveries).await;
        arrived.insert(number(&delivery.message));
        delivery.ack().await.unwrap();
    }
    // Nor does it harm what another bus, which has not met the limit yet, sends to the dead at that moment.
    let fresh = place.open_for(&[BUILDER]).await;
    let mut others = fresh.consume(BUILDER, 1).await.unwrap();
    drop(deliveries);
    bus.publish(&pushes(1..2)).await.unwrap();
    let parked = next(&mut others).await;
    let (refused, parked) = tokio::join!(fresh.publish(std::slice::from_ref(&large)), parked.park("not to be read"));
    assert!(matches!(refused, Err(BusError::Refused(_))), "{refused:?}");
    parked.unwrap();
    fresh.close().await;
    limit(128 << 20).await;
    until("it is taken under the old limit", async || bus.publish(std::slice::from_ref(&large)).await.is_ok()).await;
    bus.close().await;
}
