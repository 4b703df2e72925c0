//! How deliveries end: acknowledged, handed back, again later, or dead.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bus::Failures;
use proto::WorkerName;

use super::place::{Place, assert_silent, drain, message, next, next_letter, number, pushes, until};

const BUILDER: WorkerName = WorkerName::Builder;

pub(crate) async fn what_is_acknowledged_does_not_come_again(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..20)).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 8).await.unwrap();
    assert_eq!(drain(&mut deliveries, 20).await.len(), 20);
    bus.close().await;

    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 8).await.unwrap();
    bus.publish(&pushes(20..21)).await.unwrap();
    assert_eq!(drain(&mut deliveries, 1).await, [20]);
    assert_silent(&mut deliveries).await;
    bus.close().await;
}

pub(crate) async fn what_was_not_settled_comes_again_in_order(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..6)).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 4).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(next(&mut deliveries).await);
    }
    held.remove(1).ack().await.unwrap();
    bus.close().await;

    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 4).await.unwrap();
    let first = next(&mut deliveries).await;
    assert_eq!((number(&first.message), first.redelivered), (0, true));
    first.ack().await.unwrap();
    assert_eq!(drain(&mut deliveries, 4).await, [2, 3, 4, 5]);
    // What the dead consumer still holds cannot be settled any more.
    assert!(held.remove(0).ack().await.is_err());
    bus.close().await;
}

pub(crate) async fn a_dropped_delivery_comes_again(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..1)).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    let first = next(&mut deliveries).await;
    assert!(!first.redelivered);
    drop(first);
    let again = next(&mut deliveries).await;
    assert_eq!((number(&again.message), again.redelivered, again.failures), (0, true, 0));
    again.ack().await.unwrap();
    assert_silent(&mut deliveries).await;
    bus.close().await;
}

pub(crate) async fn deliveries_of_a_consumer_that_went_go_to_the_next(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..5)).await.unwrap();
    let mut first = bus.consume(BUILDER, 5).await.unwrap();
    let held = next(&mut first).await;
    drop(first);
    let mut second = bus.consume(BUILDER, 5).await.unwrap();
    let rest: BTreeSet<_> = drain(&mut second, 4).await.into_iter().collect();
    assert_eq!(rest, (1..5).collect());
    // What was out when its consumer went can still be settled.
    held.ack().await.unwrap();
    assert_silent(&mut second).await;
    bus.close().await;
}

pub(crate) async fn a_retry_waits_its_time_and_counts_failures(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    let sent = pushes(0..1);
    bus.publish(&sent).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    let counts = [
        (Failures::OneMore, 1),
        (Failures::AsBefore, 1),
        (Failures::OneMore, 2),
        (Failures::Over, 0),
        (Failures::OneMore, 1),
    ];
    for (count, failures) in counts {
        let asked = Instant::now();
        next(&mut deliveries).await.retry(Duration::from_secs(1), count).await.unwrap();
        let again = next(&mut deliveries).await;
        let waited = asked.elapsed();
        assert!(waited >= Duration::from_secs(1), "it came after {waited:?}");
        assert_eq!((&again.message, again.failures), (&sent[0], failures));
        // Goes back for the next round.
        drop(again);
    }
    bus.close().await;
}

pub(crate) async fn a_message_survives_many_trips_over_one_step(place: &Place) {
    let bus = place.open_for(&[BUILDER, WorkerName::Recorder]).await;
    let sent = pushes(0..1);
    bus.publish(&sent).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    for failures in 0..4 {
        let delivery = next(&mut deliveries).await;
        assert_eq!((&delivery.message, delivery.failures), (&sent[0], failures));
        delivery.retry(Duration::from_millis(600), Failures::OneMore).await.unwrap();
    }
    assert_eq!(next(&mut deliveries).await.failures, 4);
    // The others who heard it are not bothered with its retries.
    let mut recorded = bus.consume(WorkerName::Recorder, 8).await.unwrap();
    assert_eq!(drain(&mut recorded, 1).await, [0]);
    assert_silent(&mut recorded).await;
    bus.close().await;
}

pub(crate) async fn a_parked_delivery_becomes_a_dead_letter(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    let mut sent = pushes(0..2);
    sent[1].body = super::place::noise(4, 300_000).into();
    bus.publish(&sent).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    next(&mut deliveries).await.retry(Duration::from_secs(1), Failures::OneMore).await.unwrap();
    let before = jiff::Timestamp::now();
    next(&mut deliveries).await.park("no space left on device").await.unwrap();
    let again = next(&mut deliveries).await;
    assert_eq!(again.failures, 1);
    again.park(&"r\u{e9}ason ".repeat(10_000)).await.unwrap();

    let mut letters = bus.dead_letters(4).await.unwrap();
    let first = next_letter(&mut letters).await;
    assert_eq!(first.letter.message, sent[1]);
    assert_eq!(first.letter.worker, Some(BUILDER));
    assert_eq!((first.letter.reason.as_str(), first.letter.attempts), ("no space left on device", 1));
    assert!(first.letter.parked_at.as_millisecond() >= before.as_millisecond(), "{}", first.letter.parked_at);
    first.ack().await.unwrap();
    let second = next_letter(&mut letters).await;
    assert_eq!((&second.letter.message, second.letter.attempts), (&sent[0], 2));
    assert!(second.letter.reason.starts_with("r\u{e9}ason ") && second.letter.reason.len() <= 8192);
    second.ack().await.unwrap();
    until("all queues are empty", async || bus.depths().await.unwrap().iter().all(|(_, depth)| *depth == 0)).await;
    bus.close().await;
}

pub(crate) async fn a_dead_letter_comes_again_until_it_is_acknowledged(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..1)).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    next(&mut deliveries).await.park("it is broken").await.unwrap();
    let mut letters = bus.dead_letters(4).await.unwrap();
    let first = next_letter(&mut letters).await.letter;
    bus.close().await;

    let bus = place.open_for(&[BUILDER]).await;
    let mut letters = bus.dead_letters(4).await.unwrap();
    let again = next_letter(&mut letters).await;
    assert_eq!(again.letter, first);
    again.ack().await.unwrap();
    bus.close().await;
}

pub(crate) async fn two_consumers_share_a_queue(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    let mut one = bus.consume(BUILDER, 1).await.unwrap();
    let mut other = bus.consume(BUILDER, 1).await.unwrap();
    bus.publish(&pushes(0..10)).await.unwrap();
    // Held, so the one cannot take it all before the other comes to it.
    let (first, second) = (next(&mut one).await, next(&mut other).await);
    let mut numbers = BTreeSet::from([number(&first.message), number(&second.message)]);
    first.ack().await.unwrap();
    numbers.extend(drain(&mut one, 4).await);
    second.ack().await.unwrap();
    for _ in 0..4 {
        let delivery = tokio::select! {
            delivery = one.next() => delivery.unwrap(),
            delivery = other.next() => delivery.unwrap(),
        };
        numbers.insert(number(&delivery.message));
        delivery.ack().await.unwrap();
    }
    assert_eq!(numbers, (0..10).collect());
    bus.close().await;
}

pub(crate) async fn no_more_is_out_than_the_prefetch(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..5)).await.unwrap();
    let mut deliveries = bus.consume(BUILDER, 2).await.unwrap();
    let (first, second) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert_silent(&mut deliveries).await;
    first.ack().await.unwrap();
    let third = next(&mut deliveries).await;
    assert_eq!(number(&third.message), 2);
    assert_silent(&mut deliveries).await;
    second.ack().await.unwrap();
    third.ack().await.unwrap();
    assert_eq!(drain(&mut deliveries, 2).await, [3, 4]);
    bus.close().await;
}

pub(crate) async fn a_single_writer_has_one_active_consumer(place: &Place) {
    let bus = place.open_for(&[WorkerName::Bumper]).await;
    let bumps: Vec<_> = (0..6).map(|n| message("image.built", n)).collect();
    let mut active = bus.consume(WorkerName::Bumper, 2).await.unwrap();
    bus.publish(&bumps[..3]).await.unwrap();
    assert_eq!(drain(&mut active, 2).await, [0, 1]);
    let mut standby = bus.consume(WorkerName::Bumper, 2).await.unwrap();
    assert_eq!(drain(&mut active, 1).await, [2]);
    bus.publish(&bumps[3..]).await.unwrap();
    assert_eq!(drain(&mut active, 1).await, [3]);
    assert_silent(&mut standby).await;
    drop(active);
    assert_eq!(drain(&mut standby, 2).await, [4, 5]);
    bus.close().await;
}

pub(crate) async fn closing_ends_every_consumer(place: &Place) {
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 2).await.unwrap();
    let mut letters = bus.dead_letters(2).await.unwrap();
    bus.publish(&pushes(0..2)).await.unwrap();
    let held = next(&mut deliveries).await;
    bus.close().await;
    assert!(deliveries.next().await.is_none());
    assert!(letters.next().await.is_none());
    assert!(bus.ready().is_err());
    assert!(bus.publish(&pushes(2..3)).await.is_err());
    assert!(bus.consume(BUILDER, 1).await.is_err() || place.is_amqp());
    drop(held);
}
