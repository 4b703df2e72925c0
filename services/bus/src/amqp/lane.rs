//! The lane: one channel in confirm mode that all callers share and pipeline on. One task sends what waits and takes
//! the confirms, so that a burst is one write and its confirms are one wake.
//!
//! A message that no queue takes, not even the one for what belongs nowhere, comes back before its confirm. lapin hands
//! it to whoever is confirmed next, which may be another message of those on their way; so all that are confirmed at
//! once are judged together, and one that came back ends the lane: whatever is not confirmed by then is sent again alone.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation, Connection, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use tokio::sync::{mpsc, oneshot};

use super::wire::Envelope;
use crate::BusError;

/// Messages that wait for their turn on the lane, and that are sent in one go.
const BATCH: usize = 256;
/// Messages on the lane that are unconfirmed at a time. With so many the broker hangs; the rest wait for it, and for
/// their deadline, outside.
const UNCONFIRMED: usize = 4096;

/// What no queue takes comes back.
pub(super) const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

/// A channel in confirm mode that callers share. Its task ends when the last of them lets go of it, or a message comes
/// back.
pub(super) struct Lane {
    channel: Channel,
    pub(super) connection: Arc<Connection>,
    jobs: mpsc::Sender<Job>,
}

/// A message to be sent on the lane.
struct Job {
    exchange: String,
    key: String,
    envelope: Envelope,
    done: oneshot::Sender<Said>,
}

/// What the broker says of a message.
type Said = lapin::Result<Confirmation>;

/// What becomes of a message that is on its way; closed, when the lane has ended before it was known.
pub(super) struct Sending(oneshot::Receiver<Said>);

/// A message that was said something of, and who waits for it.
struct Settled(oneshot::Sender<Said>, Said);

/// Why a message on the lane is not confirmed.
pub(super) enum Lost {
    /// The lane has ended; the broker closes it over one of the messages on it, perhaps another's.
    Channel(BusError),
    /// Anything else.
    Other(BusError),
}

impl Lane {
    pub(super) async fn open(connection: Arc<Connection>) -> Result<Self, BusError> {
        let channel = confirming(&connection).await?;
        let (jobs, waiting) = mpsc::channel(BATCH);
        tokio::spawn(drive(channel.clone(), waiting));
        Ok(Self { channel, connection, jobs })
    }

    pub(super) fn usable(&self, connection: &Arc<Connection>) -> bool {
        Arc::ptr_eq(&self.connection, connection) && self.channel.status().connected() && !self.jobs.is_closed()
    }

    /// Puts a message on it; what is returned resolves with its confirm.
    pub(super) async fn send(&self, exchange: &str, key: &str, envelope: Envelope) -> Result<Sending, Lost> {
        let (done, sending) = oneshot::channel();
        let job = Job { exchange: exchange.to_owned(), key: key.to_owned(), envelope, done };
        self.jobs.send(job).await.map_err(|_| Lost::Channel(gone()))?;
        Ok(Sending(sending))
    }
}

impl Sending {
    /// Waits for a true ack.
    pub(super) async fn confirmed(self) -> Result<(), Lost> {
        match self.0.await {
            Ok(Ok(Confirmation::Ack(_))) => Ok(()),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Err(Lost::Other(not_taken())),
            Ok(Err(error)) if broke(&error) => Err(Lost::Channel(unavailable(&error))),
            Ok(Err(error)) => Err(Lost::Other(unavailable(&error))),
            Err(_) => Err(Lost::Channel(gone())),
        }
    }
}

/// Sends what comes, in order, and passes each confirm on, until nobody can send any more and all are confirmed, or
/// until a message comes back.
///
/// It is one task because lapin numbers a message and queues it in two steps: were another to come between them, its
/// numbers would not be the broker's, and one message would be confirmed for another.
async fn drive(channel: Channel, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut unconfirmed = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !unconfirmed.is_empty() {
        tokio::select! {
            Some(first) = unconfirmed.next() => {
                if !pass_on(first, &mut unconfirmed) {
                    return;
                }
            }
            taken = jobs.recv_many(&mut waiting, BATCH), if is_open && unconfirmed.len() < UNCONFIRMED => {
                is_open = taken > 0;
                for job in waiting.drain(..) {
                    unconfirmed.extend(start(&channel, job).await);
                }
            }
        }
    }
}

/// Tells all that are settled by now, this one and what is ready besides; unless a message came back, which may be any
/// of them. Whether none did.
fn pass_on(first: Settled, unconfirmed: &mut FuturesUnordered<OnItsWay>) -> bool {
    let mut settled = vec![first];
    // It may say once that nothing is ready while it only lets others have their turn.
    for _ in 0..2 {
        while let Some(Some(more)) = unconfirmed.next().now_or_never() {
            settled.push(more);
        }
    }
    let has_returned =
        |Settled(_, said): &Settled| matches!(said, Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))));
    if settled.iter().any(has_returned) {
        return false;
    }
    for Settled(done, said) in settled {
        // Who asked may have given up; then nobody needs the answer.
        let _ = done.send(said);
    }
    true
}

type OnItsWay = Pin<Box<dyn Future<Output = Settled> + Send>>;

/// Numbers and queues one message; the rest is waiting for its confirm. Nothing is sent for one who has given up.
async fn start(channel: &Channel, job: Job) -> Option<OnItsWay> {
    if job.done.is_closed() {
        return None;
    }
    let channel = channel.clone();
    let mut sending = Box::pin(async move {
        let Job { exchange, key, envelope: Envelope { properties, body }, done } = job;
        let sent = channel.basic_publish(exchange.into(), key.into(), MANDATORY, &body, properties);
        Settled(done, async { sent.await?.await }.await)
    });
    match poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await {
        Poll::Pending => Some(sending),
        // It could not even be queued.
        Poll::Ready(settled) => Some(Box::pin(std::future::ready(settled))),
    }
}

/// A channel in confirm mode.
pub(super) async fn confirming(connection: &Connection) -> Result<Channel, BusError> {
    let open = async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    };
    open.await.map_err(|error| unavailable(&error))
}

/// Of messages that were on their way when the broker closed the channel over one that is too large, it says why; one
/// that came to the channel a moment later is only told that it is closed.
fn broke(error: &lapin::Error) -> bool {
    is(error, &AMQPSoftError::PRECONDITIONFAILED) || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
}

/// Whether it is this refusal of the broker's.
pub(super) fn is(error: &lapin::Error, soft: &AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(e) if *e.kind() == AMQPErrorKind::Soft(soft.clone()))
}

pub(super) fn unavailable(error: &lapin::Error) -> BusError {
    BusError::Unavailable(error.to_string())
}

pub(super) fn not_taken() -> BusError {
    BusError::Unavailable("the broker could not store the message".to_owned())
}

fn gone() -> BusError {
    BusError::Unavailable("the channel to the broker ended".to_owned())
}

impl From<BusError> for Lost {
    fn from(error: BusError) -> Self {
        Self::Other(error)
    }
}
