//! Publish and consume, durably: RabbitMQ ([`amqp`], the only place that names lapin) or one SQLite file ([`sqlite`]).
//!
//! Both are built from [`proto::topology`], and both pass the one list of contract tests in `tests/tests/bus.rs`.
//! What holds for either:
//! - [`Bus::publish`] resolves when every message is durable, or fails. After a failure the messages may or may not
//!   be there: publish them again under the same ids.
//! - A delivery is settled once, by consuming it. One that is dropped unsettled comes again.
//! - A message is redelivered until it is settled; order within a queue is the order of publishing, but for retries.
//!
//! This crate knows no worker's logic and reads no payload.

mod amqp;
mod codec;
mod delivery;
pub mod folders;
mod location;
mod sqlite;

use std::time::Duration;

use proto::{Message, WorkerName};

pub use amqp::AmqpBus;
pub use codec::MAX_BODY;
pub use delivery::{DeadLetter, Deliveries, Delivery, Failures, Letters, Parcel};
pub use location::{BadLocation, Location};
pub use sqlite::{Damaged, Inspected, SqliteBus, Stock};

/// Why the bus could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// Not now: the broker is away, blocked, or did not confirm in time. Try again.
    #[error("the bus did not take it: {0}")]
    Unavailable(String),
    /// Never like this: the message exceeds a limit of the bus.
    #[error("the bus refuses the message: {0}")]
    Refused(String),
    /// The bus is not set up as this build needs it, and says what to do.
    #[error("the bus cannot be used: {0}")]
    Unusable(String),
}

/// How a bus is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub location: Location,
    /// The workers this installation runs: only their queues are declared, so nothing piles up for one that is not there.
    pub workers: Vec<WorkerName>,
    /// How long one publish may wait for its confirmation. What nobody waits for (retries, dead letters, replays) has
    /// more where it is large.
    pub publish_deadline: Duration,
    /// What the connection calls itself at the broker, such as `windlass-receiver`.
    pub name: String,
}

/// How it stands with a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Its name: `windlass.<worker>`, or a place for what no worker takes.
    pub name: String,
    /// Messages that wait in it (unsettled ones included where the bus can tell).
    pub waiting: u64,
    /// Who takes from it; `None` where the bus cannot tell.
    pub consumers: Option<u32>,
}

/// A handle to the bus; cheap to clone.
#[derive(Clone)]
pub enum Bus {
    /// RabbitMQ.
    Amqp(AmqpBus),
    /// The embedded bus.
    Sqlite(SqliteBus),
}

impl Bus {
    /// Opens the bus and declares its topology. For RabbitMQ: fails only when the settings are wrong for good
    /// (credentials, permissions, a queue declared otherwise); while the broker is away it keeps trying in the background.
    pub async fn open(settings: Settings) -> Result<Self, BusError> {
        match settings.location {
            Location::Amqp(_) => AmqpBus::open(settings).await.map(Self::Amqp),
            Location::Sqlite(_) => SqliteBus::open(settings).await.map(Self::Sqlite),
        }
    }

    /// Publishes to the events exchange, each by its routing key. Resolves when all are durable.
    pub async fn publish(&self, messages: &[Message]) -> Result<(), BusError> {
        match self {
            Self::Amqp(bus) => bus.publish(messages).await,
            Self::Sqlite(bus) => bus.publish(messages).await,
        }
    }

    /// The same with another deadline than the settings': for who has no one waiting, and would only send it all again.
    /// On RabbitMQ large bodies have more, as they take longer on a slow line.
    pub async fn publish_within(&self, deadline: Duration, messages: &[Message]) -> Result<(), BusError> {
        match self {
            Self::Amqp(bus) => bus.publish_within(deadline, messages).await,
            Self::Sqlite(bus) => bus.publish_within(deadline, messages).await,
        }
    }

    /// The same for who has no one waiting that gives up as soon, as a replay: on RabbitMQ large bodies have their time
    /// besides the settings' deadline.
    pub async fn publish_patiently(&self, messages: &[Message]) -> Result<(), BusError> {
        match self {
            Self::Amqp(bus) => bus.publish_patiently(messages).await,
            Self::Sqlite(bus) => bus.publish(messages).await,
        }
    }

    /// Publishes to one worker's queue alone, as replay does, in the time that a patient publish has. Resolves when all are durable.
    pub async fn publish_to(&self, worker: WorkerName, messages: &[Message]) -> Result<(), BusError> {
        match self {
            Self::Amqp(bus) => bus.publish_to(worker, messages).await,
            Self::Sqlite(bus) => bus.publish_to(worker, messages).await,
        }
    }

    /// Takes from a worker's queue, at most `prefetch` unsettled at a time. Subscribes again by itself when the
    /// connection, the channel or the consumer is lost.
    pub async fn consume(&self, worker: WorkerName, prefetch: u16) -> Result<Deliveries, BusError> {
        match self {
            Self::Amqp(bus) => bus.consume(worker, prefetch).await,
            Self::Sqlite(bus) => bus.consume(worker, prefetch),
        }
    }

    /// Takes dead letters, and what no queue took.
    pub async fn dead_letters(&self, prefetch: u16) -> Result<Letters, BusError> {
        match self {
            Self::Amqp(bus) => bus.dead_letters(prefetch).await,
            Self::Sqlite(bus) => bus.dead_letters(prefetch),
        }
    }

    /// Whether a publish made now could be confirmed, as far as is known without making one; else why not.
    pub fn ready(&self) -> Result<(), String> {
        match self {
            Self::Amqp(bus) => bus.ready(),
            Self::Sqlite(bus) => bus.ready(),
        }
    }

    /// Whether what this process takes could come now, as far as is known; else why not. It is always so where nothing
    /// is taken.
    pub fn takes(&self) -> Result<(), String> {
        match self {
            Self::Amqp(bus) => bus.takes(),
            // The file that is published to is the one that is taken from.
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Messages that wait in each declared queue (unsettled ones included where the bus can tell).
    pub async fn depths(&self) -> Result<Vec<(String, u64)>, BusError> {
        Ok(self.queues().await?.into_iter().map(|queue| (queue.name, queue.waiting)).collect())
    }

    /// How it stands with each declared queue.
    pub async fn queues(&self) -> Result<Vec<QueueState>, BusError> {
        match self {
            Self::Amqp(bus) => bus.queues().await,
            Self::Sqlite(bus) => bus.queues().await,
        }
    }

    /// Ends the connection in good order. Unsettled deliveries come again elsewhere.
    pub async fn close(&self) {
        match self {
            Self::Amqp(bus) => bus.close().await,
            Self::Sqlite(bus) => bus.close().await,
        }
    }
}
