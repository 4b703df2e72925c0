//! Publishing: every message is sent on a channel in confirm mode, and only a true ack counts.
//!
//! All callers share one channel, the lane, and pipeline on it: one task sends what waits and takes the confirms, so
//! that a burst is one write and its confirms are one wake. What is large, or goes to one queue by name, is sent alone
//! on a channel of its own: the broker closes a channel over a message that is too large, and a returned message can
//! only be told from others where no others are in flight.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation, Connection, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};
use proto::{Message, WorkerName, topology::DEAD};
use tokio::sync::{mpsc, oneshot};

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
/// Messages that wait for their turn on the lane, and that are sent in one go.
const BATCH: usize = 256;
/// Messages on the lane that are unconfirmed at a time. With so many the broker hangs; the rest wait for it, and for
/// their deadline, outside.
const UNCONFIRMED: usize = 4096;

/// The sending side of a bus.
pub(super) struct Publisher {
    link: Arc<Link>,
    deadline: Duration,
    lane: tokio::sync::Mutex<Option<Arc<Lane>>>,
    /// A channel that sent one message and may send the next.
    alone: Mutex<Option<Channel>>,
}

/// A channel in confirm mode that callers share. Its task ends when the last of them lets go of it.
struct Lane {
    channel: Channel,
    connection: Arc<Connection>,
    jobs: mpsc::Sender<Job>,
}

/// A message to be sent on the lane.
struct Job {
    exchange: String,
    key: String,
    envelope: Envelope,
    done: oneshot::Sender<lapin::Result<Confirmation>>,
}

/// What becomes of a message that is on its way.
type Sending = oneshot::Receiver<lapin::Result<Confirmation>>;

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
        let (done, sending) = oneshot::channel();
        let job = Job { exchange: exchange.to_owned(), key: key.to_owned(), envelope, done };
        lane.jobs.send(job).await.map_err(|_| gone())?;
        Ok(sending)
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
        let (jobs, waiting) = mpsc::channel(BATCH);
        tokio::spawn(drive(channel.clone(), waiting));
        Ok(Arc::clone(slot.insert(Arc::new(Lane { channel, connection, jobs }))))
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
        let spare = self.alone.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        *self.alone.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
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
        Arc::ptr_eq(&self.connection, connection) && self.channel.status().connected() && !self.jobs.is_closed()
    }
}

/// Sends what comes, in order, and passes each confirm on, until nobody can send any more and all are confirmed.
///
/// It is one task because lapin numbers a message and queues it in two steps: were another to come between them, its
/// numbers would not be the broker's, and one message would be confirmed for another.
async fn drive(channel: Channel, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut unconfirmed = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = unconfirmed.next() => {}
            taken = jobs.recv_many(&mut waiting, BATCH), if unconfirmed.len() < UNCONFIRMED => {
                if taken == 0 {
                    break;
                }
                for job in waiting.drain(..) {
                    unconfirmed.extend(start(&channel, job).await);
                }
            }
        }
    }
    while unconfirmed.next().await.is_some() {}
}

/// Numbers and queues one message; the rest is waiting for its confirm. Nothing is sent for one who has given up.
async fn start(channel: &Channel, job: Job) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    if job.done.is_closed() {
        return None;
    }
    let channel = channel.clone();
    let mut sending = Box::pin(async move {
        let Job { exchange, key, envelope: Envelope { properties, body }, done } = job;
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
        let outcome = async { sent.await?.await }.await;
        // Who asked may have given up; then nobody needs the answer.
        let _ = done.send(outcome);
    });
    let first = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context)));
    first.await.is_pending().then_some(sending)
}

async fn confirmed(sending: Sending) -> Result<(), BusError> {
    match sending.await {
        Ok(Ok(Confirmation::Ack(_))) => Ok(()),
        Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Err(not_taken()),
        Ok(Err(error)) => Err(unavailable(&error)),
        Err(_) => Err(gone()),
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

fn gone() -> BusError {
    BusError::Unavailable("the channel to the broker ended".to_owned())
}

fn not_taken() -> BusError {
    BusError::Unavailable("the broker could not store the message".to_owned())
}
