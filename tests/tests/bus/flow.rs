//! From publisher to consumer.

use std::{collections::BTreeSet, time::Duration};

use bus::BusError;
use proto::{Message, WorkerName};

use super::place::{Place, assert_silent, drain, message, next, next_letter, noise, number, pushes, until, with_body};

pub(crate) async fn an_event_goes_to_those_who_hear_its_type(place: &Place) {
    let bus = place.open().await;
    bus.publish(&[message("push.received", 1), message("sync.finished", 2)]).await.unwrap();
    for (worker, numbers) in [
        (WorkerName::Builder, vec![1]),
        (WorkerName::Prober, vec![2]),
        (WorkerName::Notifier, vec![1, 2]),
        (WorkerName::Recorder, vec![1, 2]),
    ] {
        let mut deliveries = bus.consume(worker, 4).await.unwrap();
        assert_eq!(drain(&mut deliveries, numbers.len()).await, numbers, "{worker}");
    }
    for (queue, depth) in bus.depths().await.unwrap() {
        assert_eq!(depth, 0, "{queue}");
    }
    bus.close().await;
}

pub(crate) async fn what_no_queue_takes_is_told(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let mut letters = bus.dead_letters(4).await.unwrap();
    let sent = message("health.reported", 7);
    bus.publish(std::slice::from_ref(&sent)).await.unwrap();
    let parcel = next_letter(&mut letters).await;
    assert_eq!(parcel.letter.message, sent);
    assert_eq!(parcel.letter.worker, None);
    assert_eq!(parcel.letter.reason, "no queue takes `health.reported.shop`");
    assert_eq!(parcel.letter.attempts, 0);
    parcel.ack().await.unwrap();
    bus.close().await;
}

pub(crate) async fn what_is_published_to_a_worker_reaches_only_it(place: &Place) {
    let bus = place.open().await;
    bus.publish_to(WorkerName::Syncer, &pushes(0..3)).await.unwrap();
    let depths = bus.depths().await.unwrap();
    let waiting: Vec<_> = depths.iter().filter(|(_, depth)| *depth > 0).collect();
    assert_eq!(waiting, [&("windlass.syncer".to_owned(), 3)]);
    let mut deliveries = bus.consume(WorkerName::Syncer, 2).await.unwrap();
    assert_eq!(drain(&mut deliveries, 3).await, [0, 1, 2]);
    bus.close().await;
}

pub(crate) async fn a_worker_that_never_ran_cannot_be_published_to(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let error = bus.publish_to(WorkerName::Scanner, &pushes(0..1)).await.unwrap_err();
    assert!(matches!(&error, BusError::Unusable(why) if why.contains("windlass.scanner")), "{error}");
    // Another process that runs the worker may have declared it since.
    let other = place.open_for(&[WorkerName::Scanner]).await;
    bus.publish_to(WorkerName::Scanner, &pushes(0..1)).await.unwrap();
    other.close().await;
    bus.close().await;
}

pub(crate) async fn a_message_comes_as_it_was_published(place: &Place) {
    let bus = place.open().await;
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(1000).collect();
    let plain = message("push.received", 1);
    let mut odd = with_body(plain.clone(), every_byte);
    odd.content_type = format!("multipart/form-data; boundary={}", "b".repeat(400));
    odd.attributes.insert("subject".to_owned(), "gr\u{fc}n \u{1f6a2} \"quoted\"\n".to_owned());
    odd.attributes.insert("headers".to_owned(), "h".repeat(20_000));
    let mut bare = with_body(plain.clone(), "");
    bare.content_type = String::new();
    let sent =
        [plain.clone(), odd, bare, with_body(plain.clone(), "{}".repeat(100_000)), with_body(plain, noise(1, 100_000))];
    bus.publish(&sent).await.unwrap();
    let mut deliveries = bus.consume(WorkerName::Builder, 8).await.unwrap();
    for sent in &sent {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.message == *sent, "{:?}", delivery.message.attributes);
        assert_eq!((delivery.failures, delivery.redelivered), (0, false));
        delivery.ack().await.unwrap();
    }
    bus.close().await;
}

pub(crate) async fn a_body_of_twenty_megabytes_comes_as_it_was_published(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let json: Vec<u8> = br#"{"commits":["#.iter().copied().chain((b'a'..=b'w').cycle().take(20 << 20)).collect();
    let sent =
        [with_body(message("push.received", 1), json), with_body(message("push.received", 2), noise(2, 12 << 20))];
    bus.publish(&sent).await.unwrap();
    let mut deliveries = bus.consume(WorkerName::Builder, 1).await.unwrap();
    for sent in &sent {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.message == *sent);
        delivery.ack().await.unwrap();
    }
    bus.close().await;
}

pub(crate) async fn a_body_over_the_limit_is_refused(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let huge = with_body(message("push.received", 1), vec![0; (64 << 20) + 1]);
    let error = bus.publish(&[huge]).await.unwrap_err();
    assert!(matches!(&error, BusError::Refused(why) if why.contains("67108865")), "{error}");
    bus.publish(&pushes(2..3)).await.unwrap();
    let mut deliveries = bus.consume(WorkerName::Builder, 1).await.unwrap();
    assert_eq!(drain(&mut deliveries, 1).await, [2]);
    bus.close().await;
}

pub(crate) async fn a_queue_keeps_the_order_of_publishing(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let mut deliveries = bus.consume(WorkerName::Builder, 16).await.unwrap();
    for begin in (0..1000).step_by(250) {
        bus.publish(&pushes(begin..begin + 250)).await.unwrap();
    }
    assert_eq!(drain(&mut deliveries, 1000).await, (0..1000).collect::<Vec<_>>());
    bus.close().await;
}

pub(crate) async fn a_large_message_keeps_its_place(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let mut sent = pushes(0..5);
    sent[2].body = noise(3, 6 << 20).into();
    bus.publish(&sent).await.unwrap();
    let mut deliveries = bus.consume(WorkerName::Builder, 5).await.unwrap();
    for sent in &sent {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.message == *sent, "{:?}", delivery.message.attributes);
        delivery.ack().await.unwrap();
    }
    bus.close().await;
}

pub(crate) async fn many_publish_at_once(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let publishers: Vec<_> = (0..64)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for number in publisher * 20..(publisher + 1) * 20 {
                    bus.publish(&pushes(number..number + 1)).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut deliveries = bus.consume(WorkerName::Builder, 64).await.unwrap();
    let numbers = drain(&mut deliveries, 64 * 20).await;
    assert_eq!(numbers.iter().copied().collect::<BTreeSet<_>>(), (0..64 * 20).collect());
    assert_silent(&mut deliveries).await;
    bus.close().await;
}

pub(crate) async fn publishing_nothing_is_done_at_once(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    let none: [Message; 0] = [];
    tokio::time::timeout(Duration::from_secs(5), bus.publish(&none)).await.unwrap().unwrap();
    bus.close().await;
}

pub(crate) async fn depths_count_what_waits(place: &Place) {
    let bus = place.open_for(&[WorkerName::Builder]).await;
    bus.publish(&pushes(0..5)).await.unwrap();
    bus.publish(&[message("sync.finished", 1)]).await.unwrap();
    let expected = |queue: &str| match queue {
        "windlass.builder" => 5,
        "windlass.unrouted" => 1,
        _ => 0,
    };
    until("the depths are as expected", async || {
        let depths = bus.depths().await.unwrap();
        depths.len() >= 3 && depths.iter().all(|(queue, depth)| *depth == expected(queue))
    })
    .await;
    assert_eq!(bus.ready(), Ok(()));
    let mut deliveries = bus.consume(WorkerName::Builder, 5).await.unwrap();
    assert_eq!(number(&next(&mut deliveries).await.message), 0);
    bus.close().await;
}
