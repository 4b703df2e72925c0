//! Messages that are sent alone: on a channel with no other in flight, so that what the broker does, it does over this
//! one. It closes a channel over a message that is too large for it, and a returned message can be told from no other.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use lapin::{Channel, Confirmation, protocol::AMQPSoftError};
use proto::Message;
use tokio::sync::Semaphore;

use super::{
    lane::{MANDATORY, confirming, is, not_taken, unavailable},
    link::Link,
    wire::Envelope,
};
use crate::BusError;

/// A body from this size on is sent alone, in bytes; RabbitMQ 4.x refuses those over 16 MiB unless told otherwise.
const LARGE: usize = 4 << 20;
/// Messages sent alone at a time, each on a channel of its own; when the lane breaks, all that was on it comes here.
const CHANNELS: usize = 16;

/// Sends messages alone.
pub(super) struct Alone {
    link: Arc<Link>,
    turns: Semaphore,
    /// Channels that sent one message and may send the next.
    spare: Mutex<Vec<Channel>>,
    /// From this size on a body is sent alone: [`LARGE`], or less where the broker has refused less. It stays so when the
    /// broker's limit is raised, until the process starts anew: they go through then, and only slower.
    large: AtomicUsize,
}

/// What became of a message the broker took.
pub(super) enum Sent {
    /// It is where it belongs.
    Confirmed,
    /// No queue took it, or its exchange is not there.
    Returned,
}

impl Alone {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, turns: Semaphore::new(CHANNELS), spare: Mutex::default(), large: AtomicUsize::new(LARGE) }
    }

    /// Whether it must not share a channel.
    pub(super) fn wants(&self, envelope: &Envelope) -> bool {
        envelope.body.len() >= self.large.load(Ordering::Relaxed)
    }

    /// Sends a message with no other in flight on its channel. One that is too large for the broker is refused, and
    /// from then on none of its size shares a channel.
    pub(super) async fn send(
        &self,
        message: &Message,
        exchange: &str,
        key: &str,
        envelope: &Envelope,
    ) -> Result<Sent, BusError> {
        let Ok(_turn) = self.turns.acquire().await else { return Err(not_taken()) };
        // Taken out while in use, so no other message is in flight on it; dropped halfway, it is not put back.
        let channel = self.channel().await?;
        let (exchange, key) = (exchange.into(), key.into());
        let sent = channel.basic_publish(exchange, key, MANDATORY, &envelope.body, envelope.properties.clone());
        let outcome = async { sent.await?.await }.await;
        let sent = match outcome {
            Ok(Confirmation::Ack(None)) => Sent::Confirmed,
            Ok(Confirmation::Ack(Some(_))) => Sent::Returned,
            Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => return Err(not_taken()),
            // Somebody deleted the exchange; the channel is gone with that.
            Err(error) if is(&error, &AMQPSoftError::NOTFOUND) => return Ok(Sent::Returned),
            Err(error) if is(&error, &AMQPSoftError::PRECONDITIONFAILED) => {
                self.large.fetch_min(envelope.body.len(), Ordering::Relaxed);
                return Err(too_large(message, envelope, &error));
            }
            Err(error) => return Err(unavailable(&error)),
        };
        self.spare().push(channel);
        Ok(sent)
    }

    async fn channel(&self) -> Result<Channel, BusError> {
        let connection = self.link.flowing().await?;
        while let Some(channel) = self.take_spare() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        confirming(&connection).await
    }

    fn take_spare(&self) -> Option<Channel> {
        self.spare().pop()
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_large(message: &Message, envelope: &Envelope, error: &lapin::Error) -> BusError {
    let (id, bytes) = (message.attribute("id"), envelope.body.len());
    BusError::Refused(format!(
        "event {id}, {bytes} bytes as sent: {error}; RabbitMQ's `max_message_size` sets the limit"
    ))
}
