//! What only RabbitMQ can meet while it runs: cut connections, deleted queues, strangers' messages, wrong settings.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bus::{Bus, BusError, Settings};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, ByteArray, FieldTable},
};
use proto::WorkerName;
use testkit::{ports, rabbitmq::RabbitMq};

use super::place::{Place, drain, message, next, noise, number, pushes, until, with_body};

const BUILDER: WorkerName = WorkerName::Builder;

/// An operator's own connection to the place.
async fn operator(place: &Place) -> (Connection, Channel) {
    let bus::Location::Amqp(url) = &place.location else { panic!("{} is no broker", place.location) };
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Publishes until it is taken, as every caller does.
async fn publish(bus: &Bus, numbers: std::ops::Range<usize>) {
    until("the messages are taken", async || bus.publish(&pushes(numbers.clone())).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_made_again() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 2).await.unwrap();
    publish(&bus, 0..2).await;
    let held = next(&mut deliveries).await;
    RabbitMq::shared().await.unwrap().cut_connections(&place.location.to_string()).await.unwrap();
    until("the broken channel is noticed", async || bus.ready().is_ok() && bus.publish(&pushes(2..3)).await.is_ok())
        .await;
    assert!(matches!(held.ack().await, Err(BusError::Unavailable(_))));
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let delivery = next(&mut deliveries).await;
        seen.insert(number(&delivery.message));
        // What was on its way when the connection went cannot be acknowledged, and comes again.
        let _ = delivery.ack().await;
    }
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_is_declared_and_subscribed_again() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 2).await.unwrap();
    publish(&bus, 0..1).await;
    assert_eq!(drain(&mut deliveries, 1).await, [0]);
    let (_connection, channel) = operator(&place).await;
    channel.queue_delete("windlass.builder".into(), QueueDeleteOptions::default()).await.unwrap();
    until("the queue is there again", async || bus.publish_to(BUILDER, &pushes(1..2)).await.is_ok()).await;
    assert_eq!(drain(&mut deliveries, 1).await, [1]);
    // And so are its bindings.
    publish(&bus, 2..3).await;
    assert_eq!(drain(&mut deliveries, 1).await, [2]);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_while_somebody_deletes_all_queues_is_not_lost() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 64).await.unwrap();
    let (_connection, channel) = operator(&place).await;
    let delete = async || {
        for queue in ["windlass.builder", "windlass.unrouted"] {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
        }
    };
    // Small ones over the lane, a large one alone, and of several callers at once.
    let large = with_body(message("push.received", 0), noise(5, 5 << 20));
    delete().await;
    bus.publish(&[large]).await.unwrap();
    delete().await;
    let callers = (0..4).map(|n| {
        let (bus, messages) = (bus.clone(), pushes(1 + n * 500..501 + n * 500));
        tokio::spawn(async move { bus.publish(&messages).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap().unwrap();
    }
    // The large one may have been there when they were deleted once more.
    let mut missing: BTreeSet<_> = (1..2001).collect();
    while !missing.is_empty() {
        let delivery = next(&mut deliveries).await;
        if delivery.message.body.len() < 10 {
            missing.remove(&number(&delivery.message));
        }
        delivery.ack().await.unwrap();
    }
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closes_is_opened_again() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    publish(&bus, 0..1).await;
    let (_connection, channel) = operator(&place).await;
    channel.exchange_delete("windlass.events".into(), ExchangeDeleteOptions::default()).await.unwrap();
    // Publishing to what is not there closes the channel, and the message is not confirmed.
    let error = bus.publish(&pushes(1..2)).await.unwrap_err();
    assert!(matches!(error, BusError::Unavailable(_)), "{error}");
    publish(&bus, 1..2).await;
    let mut deliveries = bus.consume(BUILDER, 2).await.unwrap();
    assert_eq!(drain(&mut deliveries, 2).await, [0, 1]);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_somebody_deletes_is_declared_again_for_a_message_that_is_sent_alone_too() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let (_connection, channel) = operator(&place).await;
    channel.exchange_delete("windlass.events".into(), ExchangeDeleteOptions::default()).await.unwrap();
    let large = with_body(message("push.received", 1), noise(5, 5 << 20));
    until("the message is taken", async || bus.publish(std::slice::from_ref(&large)).await.is_ok()).await;
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    assert!(next(&mut deliveries).await.message == large);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_message_is_delivered_as_far_as_it_can_be_read() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let (_connection, channel) = operator(&place).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("cloudEvents:subject".into(), AMQPValue::LongString("old prefix".into()));
    headers.insert("cloudEvents_replay".into(), AMQPValue::LongInt(3));
    headers.insert("cloudEvents_flag".into(), AMQPValue::Boolean(true));
    headers.insert("cloudEvents_bytes".into(), AMQPValue::ByteArray(ByteArray::from(vec![0xff, 0])));
    headers.insert("cloudEvents_text".into(), AMQPValue::LongString(vec![b'a', 0xff].into()));
    headers.insert("x-windlass-failures".into(), AMQPValue::LongString("many".into()));
    headers.insert("unrelated".into(), AMQPValue::Void);
    let odd = BasicProperties::default().with_headers(headers).with_content_encoding("zstd".into());
    let bare = BasicProperties::default().with_message_id("m-1".into()).with_type("com.example.thing".into());
    for properties in [odd, bare, BasicProperties::default()] {
        let (exchange, key) = ("windlass.events".into(), "push.received.x".into());
        let sent = channel.basic_publish(exchange, key, BasicPublishOptions::default(), b"not zstd", properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }
    let mut deliveries = bus.consume(BUILDER, 4).await.unwrap();
    let odd = next(&mut deliveries).await;
    let read = |name: &str| odd.message.attribute(name).to_owned();
    assert_eq!(["subject", "replay", "flag", "bytes"].map(read), ["old prefix", "3", "true", ""]);
    assert_eq!(odd.message.attribute("text"), "a\u{fffd}");
    assert_eq!((&odd.message.body[..], odd.failures), (&b"not zstd"[..], 0));
    let bare = next(&mut deliveries).await;
    assert_eq!([bare.message.attribute("id"), bare.message.attribute("type")], ["m-1", "com.example.thing"]);
    let nothing = next(&mut deliveries).await;
    assert!(nothing.message.attributes.is_empty());
    nothing.park("it is no event").await.unwrap();
    odd.ack().await.unwrap();
    bare.ack().await.unwrap();
    let mut letters = bus.dead_letters(1).await.unwrap();
    assert_eq!(super::place::next_letter(&mut letters).await.letter.message.body, "not zstd");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_travels_is_a_durable_cloud_event() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let small = message("push.received", 1);
    let large = with_body(message("push.received", 2), "{\"commits\":[]}".repeat(20_000));
    bus.publish(&[small, large]).await.unwrap();
    let (_connection, channel) = operator(&place).await;
    let mut got = Vec::new();
    for _ in 0..2 {
        let options = BasicGetOptions { no_ack: true };
        got.push(channel.basic_get("windlass.builder".into(), options).await.unwrap().unwrap().delivery);
    }
    let properties = &got[0].properties;
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert_eq!(properties.timestamp(), &Some(1_795_417_200));
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "push.received");
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "00000000-0000-0000-0000-000000000001");
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!((properties.content_encoding(), &got[0].data[..]), (&None, &b"1"[..]));
    let headers = properties.headers().as_ref().unwrap();
    // The broker adds one of its own (`x-delivery-count`).
    let names: Vec<_> = headers.inner().keys().filter_map(|name| name.as_str().strip_prefix("cloudEvents_")).collect();
    assert_eq!(names, ["app", "id", "source", "specversion", "time", "type"]);
    assert_eq!(got[1].properties.content_encoding().as_ref().unwrap().as_str(), "zstd");
    assert!(got[1].data.len() < 10_000, "{}", got[1].data.len());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_are_told_at_once() {
    let place = Place::amqp().await;
    let url = RabbitMq::shared().await.unwrap().url();
    let (_, address) = url.split_once('@').unwrap();
    let (server, _) = address.split_once('/').unwrap();
    for (url, says) in [
        (format!("amqp://guest:hunter2@{address}"), "check user and password"),
        (format!("amqp://guest:guest@{server}/nowhere"), "the virtual host must exist"),
        ("amqp://guest:hunter2@[oops/".to_owned(), "is no AMQP address"),
    ] {
        let error = Bus::open(Place::at(url).settings(&[BUILDER])).await.err().unwrap();
        assert!(matches!(&error, BusError::Unusable(why) if why.contains(says)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let (_connection, channel) = operator(&place).await;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("windlass.builder".into(), options, FieldTable::default()).await.unwrap();
    let error = Bus::open(place.settings(&[BUILDER])).await.err().unwrap();
    assert!(matches!(&error, BusError::Unusable(why) if why.contains("rabbitmqctl delete_queue")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_publishing_fails_at_its_deadline() {
    let place = Place::at(format!("amqp://guest:guest@127.0.0.1:{}/%2f", ports::free().unwrap()));
    let settings = Settings { publish_deadline: Duration::from_millis(700), ..place.settings(&[BUILDER]) };
    let bus = Bus::open(settings).await.unwrap();
    let _deliveries = bus.consume(BUILDER, 1).await.unwrap();
    let began = Instant::now();
    let error = bus.publish(&pushes(0..1)).await.unwrap_err();
    assert!(matches!(error, BusError::Unavailable(_)), "{error}");
    assert!(began.elapsed() >= Duration::from_millis(700));
    let why = bus.ready().unwrap_err();
    assert!(why.contains("127.0.0.1") && !why.contains("guest"), "{why}");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_from_a_queue_is_counted() {
    let place = Place::amqp().await;
    let bus = place.open_for(&[BUILDER]).await;
    let consumers = async || {
        let queues = bus.queues().await.unwrap();
        queues.into_iter().find(|queue| queue.name == "windlass.builder").unwrap().consumers
    };
    assert_eq!(consumers().await, Some(0));
    let deliveries = [bus.consume(BUILDER, 1).await.unwrap(), bus.consume(BUILDER, 1).await.unwrap()];
    until("both are counted", async || consumers().await == Some(2)).await;
    drop(deliveries);
    until("both are gone", async || consumers().await == Some(0)).await;
    bus.close().await;
}
