//! What a consumer gets: a message, and the one right to settle it.

use std::time::Duration;

use jiff::Timestamp;
use proto::{Message, WorkerName};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{BusError, amqp, sqlite};

/// One delivery of a message to a worker. Settling consumes it, so it cannot be settled twice; dropping it
/// unsettled hands it back to the queue.
pub struct Delivery {
    /// The message as it was published.
    pub message: Message,
    /// How often it has failed transiently before: 0 the first time.
    pub failures: u32,
    /// Whether the bus has given it out before without hearing how it ended.
    pub redelivered: bool,
    pub(crate) settle: Settle,
}

/// What becomes of the number of a delivery's failures when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// This was another one.
    OneMore,
    /// Nothing is known of it: it was not tried.
    AsBefore,
    /// What made it fail is over: it came as far as to a wait.
    Over,
}

/// The backend's side of a delivery.
pub(crate) enum Settle {
    Amqp(amqp::Settle),
    Sqlite(sqlite::Settle),
}

impl Settle {
    fn usable(&self) -> bool {
        match self {
            Self::Amqp(settle) => settle.usable(),
            Self::Sqlite(_) => true,
        }
    }
}

impl Delivery {
    /// Done: it does not come again. Fails when the bus may not have heard it; then it may come again.
    pub async fn ack(self) -> Result<(), BusError> {
        match self.settle {
            Settle::Amqp(settle) => settle.ack().await,
            Settle::Sqlite(settle) => settle.ack().await,
        }
    }

    /// Not now: it comes again no sooner than after this time, and after the last step of the ladder
    /// ([`proto::topology::RETRY_STEPS`]) where that is sooner. On RabbitMQ it is rounded up to a step.
    pub async fn retry(self, after: Duration, count: Failures) -> Result<(), BusError> {
        let failures = match count {
            Failures::OneMore => self.failures + 1,
            Failures::AsBefore => self.failures,
            Failures::Over => 0,
        };
        match self.settle {
            // Boxed, as what publishing alone takes is large, and this is rare.
            Settle::Amqp(settle) => Box::pin(settle.retry(&self.message, failures, after)).await,
            Settle::Sqlite(settle) => settle.retry(failures, after).await,
        }
    }

    /// Never: it goes to the dead letters, as it is, with the reason and the number of attempts made.
    pub async fn park(self, reason: &str) -> Result<(), BusError> {
        let attempts = self.failures + 1;
        match self.settle {
            Settle::Amqp(settle) => Box::pin(settle.park(&self.message, attempts, reason)).await,
            Settle::Sqlite(settle) => settle.park(attempts, reason).await,
        }
    }
}

/// A message that a worker could not handle, or that no queue took.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The message, as it was published.
    pub message: Message,
    /// Whose queue it came from; `None` when no queue took it.
    pub worker: Option<WorkerName>,
    /// The error and its causes.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub parked_at: Timestamp,
}

/// One delivery of a dead letter to the recorder.
pub struct Parcel {
    /// What died.
    pub letter: DeadLetter,
    pub(crate) settle: Settle,
}

impl Parcel {
    /// The letter is kept elsewhere: it does not come again.
    pub async fn ack(self) -> Result<(), BusError> {
        match self.settle {
            Settle::Amqp(settle) => settle.ack().await,
            Settle::Sqlite(settle) => settle.ack().await,
        }
    }
}

/// What can be settled, as long as its channel stands.
pub trait Settled {
    /// Whether it still can; otherwise it has been given out again.
    fn is_usable(&self) -> bool;
}

impl Settled for Delivery {
    fn is_usable(&self) -> bool {
        self.settle.usable()
    }
}

impl Settled for Parcel {
    fn is_usable(&self) -> bool {
        self.settle.usable()
    }
}

/// A worker's deliveries, in order.
pub struct Deliveries<T = Delivery> {
    receiver: mpsc::Receiver<T>,
    closed: CancellationToken,
}

/// The dead letters, in order.
pub type Letters = Deliveries<Parcel>;

impl<T: Settled> Deliveries<T> {
    pub(crate) fn new(receiver: mpsc::Receiver<T>, closed: CancellationToken) -> Self {
        Self { receiver, closed }
    }

    /// The next one; `None` once the bus is closed. Safe to cancel.
    pub async fn next(&mut self) -> Option<T> {
        // What is still under way when the bus closes, or its channel went, could not be settled any more.
        loop {
            let next = self.closed.run_until_cancelled(self.receiver.recv()).await.flatten()?;
            if next.is_usable() {
                return Some(next);
            }
        }
    }
}
