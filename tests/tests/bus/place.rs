//! Where a story plays: a fresh virtual host of one shared private broker, or a fresh file.

use std::{collections::BTreeMap, time::Duration};

use bus::{Bus, Deliveries, Delivery, Letters, Location, Parcel, Settings};
use bytes::Bytes;
use proto::{Message, WorkerName};
use tempfile::TempDir;
use testkit::rabbitmq::RabbitMq;
use tokio::{
    sync::{Mutex, MutexGuard, OnceCell},
    time::timeout,
};

/// How long a fact may take before the story fails: generous, since machines are slow when much runs at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must happen where nothing may.
pub(crate) const SILENCE: Duration = Duration::from_millis(400);

pub(crate) struct Place {
    pub(crate) location: Location,
    _folder: Option<TempDir>,
}

impl Place {
    pub(crate) async fn amqp() -> Self {
        Self::at(RabbitMq::shared().await.unwrap().vhost().await.unwrap())
    }

    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("bus.db"));
        Self { location, _folder: Some(folder) }
    }

    pub(crate) fn at(url: String) -> Self {
        Self { location: Location::Amqp(url), _folder: None }
    }

    pub(crate) fn is_amqp(&self) -> bool {
        matches!(self.location, Location::Amqp(_))
    }

    /// The bus with every worker.
    pub(crate) async fn open(&self) -> Bus {
        self.open_for(&WorkerName::ALL).await
    }

    pub(crate) async fn open_for(&self, workers: &[WorkerName]) -> Bus {
        Bus::open(self.settings(workers)).await.unwrap()
    }

    pub(crate) fn settings(&self, workers: &[WorkerName]) -> Settings {
        Settings {
            location: self.location.clone(),
            workers: workers.to_vec(),
            publish_deadline: PATIENCE,
            name: "windlass-test".to_owned(),
        }
    }
}

/// The broker that stories may stop and alarm, one at a time.
pub(crate) async fn rough_broker() -> MutexGuard<'static, RabbitMq> {
    static BROKER: OnceCell<Mutex<RabbitMq>> = OnceCell::const_new();
    BROKER.get_or_init(async || Mutex::new(RabbitMq::start().await.unwrap())).await.lock().await
}

/// A message of this type, told from others by its number.
pub(crate) fn message(kind: &str, number: usize) -> Message {
    let attributes = [
        ("specversion", "1.0"),
        ("id", &uuid::Uuid::from_u128(number as u128).to_string()),
        ("source", "/webhooks/test"),
        ("type", kind),
        ("app", "shop"),
        ("time", "2026-11-23T07:00:00Z"),
    ];
    Message {
        attributes: attributes.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>(),
        content_type: "application/json".to_owned(),
        body: number.to_string().into(),
    }
}

/// Messages that the builder hears.
pub(crate) fn pushes(numbers: std::ops::Range<usize>) -> Vec<Message> {
    numbers.map(|number| message("push.received", number)).collect()
}

pub(crate) fn with_body(mut message: Message, body: impl Into<Bytes>) -> Message {
    message.body = body.into();
    message
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    use rand::{RngExt, SeedableRng};
    let mut bytes = vec![0; length];
    rand::rngs::SmallRng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

pub(crate) fn number(message: &Message) -> usize {
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}

pub(crate) async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(PATIENCE, deliveries.next()).await.expect("no delivery came").expect("the bus is closed")
}

pub(crate) async fn next_letter(letters: &mut Letters) -> Parcel {
    timeout(PATIENCE, letters.next()).await.expect("no dead letter came").expect("the bus is closed")
}

/// Takes and acknowledges so many; gives their numbers.
pub(crate) async fn drain(deliveries: &mut Deliveries, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let delivery = next(deliveries).await;
        numbers.push(number(&delivery.message));
        delivery.ack().await.unwrap();
    }
    numbers
}

/// Nothing comes, as far as a moment can tell.
pub(crate) async fn assert_silent(deliveries: &mut Deliveries) {
    if let Ok(delivery) = timeout(SILENCE, deliveries.next()).await {
        panic!("there came {:?}", delivery.map(|delivery| delivery.message));
    }
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    patience.await.unwrap_or_else(|_| panic!("never: {what}"));
}
