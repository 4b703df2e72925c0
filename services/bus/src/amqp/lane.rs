//! Publishing: every message is sent on a channel in confirm mode, and only a true ack counts.
//!
//! All callers share one channel and pipeline on it. What is large, or goes to one queue by name, is sent alone on
//! a channel of its own: the broker closes a channel over a message that is too large, and a returned message can
//! only be told from others where no others are in flight.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use lapin::{
    Channel, Confirmation, Connection, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};
use proto::{Message, WorkerName, topology::DEAD};

use super::{
    link::Link,
    topology::{step_for, step_name},
    wire::{self, Beside, Envelope},
};
use crate::{BusError, codec};

/// Messages of one call that may be unconfirmed at a time.
const WINDOW: usize = 256;
/// A body from this size on is sent alone; RabbitMQ 4.x refuses those over 16 MiB.
const LARGE: usize = 4 << 20;
/// Confirms nobody waited for, after which a lane is given up: lapin keeps them until its channel goes.
const ABANDONED: usize = 256;

/// The sending side of a bus.
pub(super) struct Publisher {
    link: Arc<Link>,
    deadline: Duration,
    lane: tokio::sync::Mutex<Option<Arc<Lane>>>,
    /// A channel that sent one message and may send the next.
    alone: Mutex<Option<Channel>>,
}

/// A channel in confirm mode that callers share.
struct Lane {
    channel: Channel,
    connection: Arc<Connection>,
    /// lapin numbers a message and queues it in two steps; between them nobody else may do either, or its numbers
    /// are not the broker's, and one message is confirmed for another.
    order: Mutex<()>,
    abandoned: AtomicUsize,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>, deadline: Duration) -> Self {
        Self { link, deadline, lane: tokio::sync::Mutex::default(), alone: Mutex::default() }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Publishes each by its routing key, in order.
    pub(super) async fn publish(&self, exchange: &str, messages: &[Message]) -> Result<(), BusError> {
        for message in messages {
            check(message)?;
        }
        self.in_time(self.pipeline(exchange, messages)).await
    }

    /// Publishes to a worker's queue alone; a queue that is not there is an error.
    pub(super) async fn publish_to(&self, worker: WorkerName, messages: &[Message]) -> Result<(), BusError> {
        let queue = worker.queue().name();
        let send = async {
            self.check_queue(worker, &queue).await?;
            for message in messages {
                check(message)?;
                let envelope = wire::write(message, Beside::Nothing).await?;
                if let Sent::Returned = self.send_alone(message, "", &queue, &envelope).await? {
                    return Err(codec::no_queue(worker));
                }
            }
            Ok(())
        };
        self.in_time(send).await
    }

    /// Publishes to the retry ladder; from there it comes back to this queue.
    pub(super) async fn retry(
        &self,
        queue: &str,
        message: &Message,
        failures: u32,
        after: Duration,
    ) -> Result<(), BusError> {
        let step = step_name(step_for(after));
        let send = async {
            let envelope = wire::write(message, Beside::Failures(failures)).await?;
            self.send(message, &step, queue, envelope).await
        };
        self.in_time(send).await
    }

    /// Publishes to the dead letters.
    pub(super) async fn park(
        &self,
        worker: Option<WorkerName>,
        message: &Message,
        attempts: u32,
        reason: &str,
    ) -> Result<(), BusError> {
        let send = async {
            let envelope = wire::write(message, Beside::Dead { worker, reason, attempts }).await?;
            self.send(message, DEAD, "", envelope).await
        };
        self.in_time(send).await
    }

    async fn in_time(&self, work: impl Future<Output = Result<(), BusError>>) -> Result<(), BusError> {
        tokio::time::timeout(self.deadline, work).await.unwrap_or_else(|_| {
            let why = self.link.ready().err().unwrap_or_else(|| "the broker is slow".to_owned());
            Err(BusError::Unavailable(format!("no confirmation within {:?}: {why}", self.deadline)))
        })
    }

    async fn pipeline(&self, exchange: &str, messages: &[Message]) -> Result<(), BusError> {
        let mut unconfirmed = VecDeque::new();
        for message in messages {
            let envelope = wire::write(message, Beside::Nothing).await?;
            let key = message.routing_key();
            if envelope.body.len() >= LARGE {
                // Alone, and in its place.
                all(&mut unconfirmed).await?;
                self.send_alone(message, exchange, &key, &envelope).await?;
                continue;
            }
            if unconfirmed.len() >= WINDOW
                && let Some(oldest) = unconfirmed.pop_front()
            {
                confirmed(oldest).await?;
            }
            unconfirmed.push_back(self.begin(exchange, &key, envelope).await?);
        }
        all(&mut unconfirmed).await
    }

    /// Sends one message and waits for its confirm.
    async fn send(&self, message: &Message, exchange: &str, key: &str, envelope: Envelope) -> Result<(), BusError> {
        if envelope.body.len() >= LARGE {
            return self.send_alone(message, exchange, key, &envelope).await.map(drop);
        }
        confirmed(self.begin(exchange, key, envelope).await?).await
    }

    /// Puts a message on the shared lane; what is returned resolves with its confirm.
    async fn begin(&self, exchange: &str, key: &str, envelope: Envelope) -> Result<Sending, BusError> {
        let lane = self.lane().await?;
        let (exchange, key) = (exchange.to_owned(), key.to_owned());
        let mut sending = {
            let lane = Arc::clone(&lane);
            Box::pin(async move {
                let Envelope { properties, body } = envelope;
                let options = BasicPublishOptions::default();
                let sent = lane.channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
                sent.await?.await
            })
        };
        let first = poll_fn(|context| {
            let _in_order = lock(&lane.order);
            Poll::Ready(sending.as_mut().poll(context))
        });
        let done = match first.await {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        };
        Ok(Sending { lane, rest: sending, done })
    }

    /// The shared lane; a new one where it broke.
    async fn lane(&self) -> Result<Arc<Lane>, BusError> {
        let connection = self.link.flowing().await?;
        let mut slot = self.lane.lock().await;
        if let Some(lane) = &*slot {
            if lane.usable(&connection) {
                return Ok(Arc::clone(lane));
            }
            if Arc::ptr_eq(&lane.connection, &connection) {
                // The channel alone broke: perhaps somebody deleted what it published to.
                self.link.topology().declare(&connection).await.map_err(|error| unavailable(&error))?;
            }
        }
        let channel = confirming(&connection).await.map_err(|error| unavailable(&error))?;
        let lane = Lane { channel, connection, order: Mutex::new(()), abandoned: AtomicUsize::new(0) };
        Ok(Arc::clone(slot.insert(Arc::new(lane))))
    }

    /// Sends a message with no other in flight on its channel.
    async fn send_alone(
        &self,
        message: &Message,
        exchange: &str,
        key: &str,
        envelope: &Envelope,
    ) -> Result<Sent, BusError> {
        let connection = self.link.flowing().await?;
        // Taken out while in use, so no other message is in flight on it; dropped halfway, it is not put back.
        let spare = lock(&self.alone).take();
        let channel = match spare {
            Some(channel) if channel.status().connected() => channel,
            _ => confirming(&connection).await.map_err(|error| unavailable(&error))?,
        };
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (exchange, key) = (exchange.into(), key.into());
        let sent = channel.basic_publish(exchange, key, options, &envelope.body, envelope.properties.clone());
        let outcome = async { sent.await?.await }.await;
        let sent = match outcome {
            Ok(Confirmation::Ack(None)) => Sent::Confirmed,
            Ok(Confirmation::Ack(Some(_))) => Sent::Returned,
            Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => return Err(not_taken()),
            Err(error) => return Err(too_large(message, envelope, &error).unwrap_or_else(|| unavailable(&error))),
        };
        *lock(&self.alone) = Some(channel);
        Ok(sent)
    }

    /// Asks whether the queue is there, on a channel of its own: a no closes it.
    async fn check_queue(&self, worker: WorkerName, queue: &str) -> Result<(), BusError> {
        let connection = self.link.flowing().await?;
        let channel = connection.create_channel().await.map_err(|error| unavailable(&error))?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), options, FieldTable::default()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, &AMQPSoftError::NOTFOUND) => Err(codec::no_queue(worker)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

enum Sent {
    Confirmed,
    Returned,
}

impl Lane {
    fn usable(&self, connection: &Arc<Connection>) -> bool {
        Arc::ptr_eq(&self.connection, connection)
            && self.channel.status().connected()
            && self.abandoned.load(Ordering::Relaxed) < ABANDONED
    }
}

/// A message on its way, and the confirm to come.
struct Sending {
    lane: Arc<Lane>,
    rest: Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send>>,
    done: Option<lapin::Result<Confirmation>>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.done.is_none() {
            self.lane.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What these locks guard is valid after every statement, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn confirmed(mut sending: Sending) -> Result<(), BusError> {
    if sending.done.is_none() {
        let done = sending.rest.as_mut().await;
        sending.done = Some(done);
    }
    match &sending.done {
        Some(Ok(Confirmation::Ack(_))) => Ok(()),
        Some(Err(error)) => Err(unavailable(error)),
        _ => Err(not_taken()),
    }
}

async fn all(unconfirmed: &mut VecDeque<Sending>) -> Result<(), BusError> {
    while let Some(oldest) = unconfirmed.pop_front() {
        confirmed(oldest).await?;
    }
    Ok(())
}

async fn confirming(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

fn check(message: &Message) -> Result<(), BusError> {
    codec::check_body(message)?;
    let (id, key) = (message.attribute("id"), message.routing_key());
    if key.len() > usize::from(u8::MAX) {
        return Err(BusError::Refused(format!("event {id}: its routing key of {} bytes is too long", key.len())));
    }
    Ok(())
}

fn too_large(message: &Message, envelope: &Envelope, error: &lapin::Error) -> Option<BusError> {
    let id = message.attribute("id");
    is(error, &AMQPSoftError::PRECONDITIONFAILED).then(|| {
        BusError::Refused(format!(
            "event {id}, {} bytes as sent: {error}; RabbitMQ's `max_message_size` sets the limit",
            envelope.body.len()
        ))
    })
}

fn is(error: &lapin::Error, soft: &AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(e) if *e.kind() == AMQPErrorKind::Soft(soft.clone()))
}

fn unavailable(error: &lapin::Error) -> BusError {
    BusError::Unavailable(error.to_string())
}

fn not_taken() -> BusError {
    BusError::Unavailable("the broker could not store the message".to_owned())
}
