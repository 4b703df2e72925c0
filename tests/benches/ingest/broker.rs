//! The receiver's durable ingest against raw confirmed publishing.
//!
//! Both sides publish bodies of the same bytes to the same exchange of the same private RabbitMQ with the same routing
//! key, so to the same two quorum queues (the normalizer's and the recorder's), and at most 32 are unconfirmed at a
//! time. Raw: lapin alone, one channel in confirm mode, bodies without any header. Ours: the real receiver with the
//! real bus in this process; 32 connections post pushes signed as GitHub does, each answered 202 once it is confirmed.
//! Sender, receiver and broker share the machine's cores; the raw side shares them with the broker alone.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use bus::Bus;
use bytes::Bytes;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueuePurgeOptions},
};
use prometheus_client::registry::Registry;
use proto::{EventType, WorkerName, topology::EVENTS_EXCHANGE};
use receiver::{Receiver, Spool};
use runtime::Config;
use testkit::rabbitmq::RabbitMq;
use tokio_util::sync::CancellationToken;

use crate::{
    cpu::{Cost, Used},
    load, push,
    rounds::{Done, Measure, Plan, Turn, alternate},
};

pub(crate) const NAME: &str = "durable ingest of 8 KB pushes, 32 connections, RabbitMQ";
const AIM: f64 = 0.85;
const CONNECTIONS: usize = 32;
/// The workers whose queues hear a webhook.
const HEAR: [WorkerName; 2] = [WorkerName::Normalizer, WorkerName::Recorder];

pub(crate) async fn measure(plan: Plan) -> Result<Measure> {
    let broker = RabbitMq::start().await?;
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, push::SECRET)?;
    let yaml = format!(
        "bus: {}\ndata: {}\nworkers: [normalizer, recorder]\nreceiver: {{ listen: \"127.0.0.1:0\" }}\nsources:\n  {}: {{ kind: \
         github, secrets: [file:{}] }}\n",
        broker.url(),
        folder.path().display(),
        push::SOURCE,
        secret.display()
    );
    let config = Config::parse(&yaml, Path::new("windlass.yaml"))?;
    let bus = open(&config).await?;
    // As in production: the way past an empty spool is part of what is measured.
    let spool = Spool::open(&config, &bus).await?;
    let receiver = Receiver::bind(&config, bus.clone(), spool, &mut Registry::default())?;
    let (address, stop) = (receiver.address(), CancellationToken::new());
    let serving = tokio::spawn(receiver.run(stop.clone()));
    let raw = Raw::connect(&broker.url()).await?;

    let pushes: Arc<[_]> = push::requests("push").into();
    let send = async |turn| load::send(address, Arc::clone(&pushes), "202", CONNECTIONS, turn).await;
    let (mut by_raw, mut by_ours) = (Cost::default(), Cost::default());
    let mut measure = alternate(
        NAME,
        AIM,
        plan,
        async || take_turn(&broker, &raw, &mut by_raw, plan, async |turn| raw.publish(turn).await).await,
        async || take_turn(&broker, &raw, &mut by_ours, plan, send).await,
    )
    .await?;
    let ((raw_here, raw_broker), (ours_here, ours_broker)) = (by_raw.micros(), by_ours.micros());
    measure.beside.extend([
        ("us of processor time a message, raw: lapin", raw_here),
        ("us of processor time a message, raw: the broker", raw_broker),
        ("us of processor time a message, ours: sender, receiver and bus", ours_here),
        ("us of processor time a message, ours: the broker", ours_broker),
    ]);

    // The same bytes as pings are authenticated in the same way and answered without being published.
    let turn = Turn::begin(plan.turn);
    let pings = load::send(address, push::requests("ping").into(), "200", CONNECTIONS, turn).await?;
    measure
        .beside
        .push(("signed pings of the same size a second, which are answered without the bus", turn.rate(pings)));

    stop.cancel();
    serving.await??;
    bus.close().await;
    Ok(measure)
}

/// One turn of either side, from empty queues to empty queues.
async fn take_turn(
    broker: &RabbitMq,
    raw: &Raw,
    cost: &mut Cost,
    plan: Plan,
    work: impl AsyncFnOnce(Turn) -> Result<Done>,
) -> Result<f64> {
    let id = broker.id().context("the broker ended")?;
    let (before, turn) = (Used::now(id)?, Turn::begin(plan.turn));
    let done = work(turn).await?;
    cost.add(&before, &Used::now(id)?, done.all);
    raw.purge(done).await?;
    Ok(turn.rate(done))
}

async fn open(config: &Config) -> Result<Bus> {
    let settings = bus::Settings {
        location: config.bus_location()?,
        workers: config.workers.clone(),
        publish_deadline: config.receiver.publish_deadline,
        name: "windlass-bench".to_owned(),
    };
    Ok(Bus::open(settings).await?)
}

/// lapin by itself.
struct Raw {
    _connection: Connection,
    channel: Channel,
    bodies: Vec<Bytes>,
}

impl Raw {
    async fn connect(url: &str) -> Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { _connection: connection, channel, bodies: push::bodies() })
    }

    async fn publish(&self, turn: Turn) -> Result<Done> {
        // All in one task: two threads on one channel would mix up lapin's numbering of what it sends.
        let publishers = (0..CONNECTIONS).map(|first| self.publisher(first, turn));
        Ok(futures_util::future::try_join_all(publishers).await?.into_iter().sum())
    }

    async fn publisher(&self, first: usize, turn: Turn) -> Result<Done> {
        let key = format!("{}._", EventType::WebhookReceived);
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let mut done = Done::default();
        for body in self.bodies.iter().cycle().skip(first) {
            let options = BasicPublishOptions::default();
            let (exchange, key) = (EVENTS_EXCHANGE.into(), key.as_str().into());
            let sent = self.channel.basic_publish(exchange, key, options, body, persistent.clone());
            let confirmed = sent.await?.await?;
            ensure!(matches!(confirmed, Confirmation::Ack(None)), "not confirmed: {confirmed:?}");
            if !turn.count(&mut done, 1) {
                break;
            }
        }
        Ok(done)
    }

    /// Empties the queues, so that memory and disk stay bounded; each must hold all that was confirmed.
    async fn purge(&self, done: Done) -> Result<()> {
        for worker in HEAR {
            let queue = worker.queue().name();
            let held = self.channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await?;
            ensure!(u64::from(held) == done.all, "{} were confirmed, {queue} holds {held}", done.all);
        }
        Ok(())
    }
}
