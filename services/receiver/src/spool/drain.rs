//! From the file to the broker, in order: a batch is published, and once all of it is confirmed it leaves the file.
//!
//! Three batches are in hand at most, so that none of the three waits costs the others anything: while one is being
//! confirmed, the next is read, and the one before leaves the file. The next is published only once all of this one is
//! confirmed, or what the broker lost of this one would come behind it.
//!
//! A file that cannot be written, on a full disk, is no reason to keep from the broker what lies in it: what is confirmed
//! stays in hand then, without its body, until it can leave.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bus::{Bus, BusError, Deliveries, Delivery};
use bytes::Bytes;
use futures_util::future::join_all;
use proto::{EventType, Message};
use tokio::{join, select};
use tokio_util::sync::CancellationToken;

use super::level::{self, Level};

/// A batch ends with this many events, or with the one that reaches this many bytes.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 4 << 20;
/// How long to wait for a batch's next event when nothing else is under way. They come as fast as they are read, or
/// not at all.
const NEXT: Duration = Duration::from_millis(5);
/// How long to wait before the broker, or the file, is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the broker may take to confirm a batch. Nobody waits for it, and given up while the broker is only slow, all
/// of it would be sent again, and come behind itself.
const CONFIRMED: Duration = Duration::from_mins(1);

/// The one that hands on.
pub(super) struct Drain {
    pub(super) deliveries: Deliveries,
    pub(super) hands: Hands,
}

/// What handing on takes, besides what is handed on.
pub(super) struct Hands {
    pub(super) path: PathBuf,
    pub(super) file: Bus,
    pub(super) bus: Bus,
    pub(super) level: Arc<Level>,
    pub(super) stop: CancellationToken,
    /// How long a stop waits for the batch that is being confirmed.
    pub(super) farewell: Duration,
}

/// What the broker has confirmed and the file still holds; its body is not needed any more.
struct Confirmed {
    delivery: Delivery,
    /// What it counts for.
    weight: u64,
}

impl From<Delivery> for Confirmed {
    fn from(mut delivery: Delivery) -> Self {
        let weight = level::weight(&delivery.message);
        delivery.message.body = Bytes::new();
        Self { delivery, weight }
    }
}

/// Puts back into the file's queue what was set aside: the broker's limit may have been raised since.
pub(super) async fn put_back(file: &Bus, letters: u64) -> Result<(), BusError> {
    if letters == 0 {
        return Ok(());
    }
    tracing::info!("{letters} events of the spool were refused by the bus; they are tried again");
    let mut dead = file.dead_letters(1).await?;
    for _ in 0..letters {
        let Some(parcel) = dead.next().await else { break };
        file.publish(std::slice::from_ref(&parcel.letter.message)).await?;
        parcel.ack().await?;
    }
    Ok(())
}

impl Drain {
    /// Hands on until told to stop, and finishes the batch it is at if the broker takes it.
    pub(super) async fn run(mut self) {
        let (mut batch, mut confirmed) = (Vec::new(), Vec::new());
        loop {
            if batch.is_empty() && confirmed.is_empty() {
                match self.hands.stop.run_until_cancelled(self.deliveries.next()).await.flatten() {
                    Some(first) => batch.push(first),
                    None => return,
                }
            }
            let over = CancellationToken::new();
            let handing_on = async {
                let (handed_on, staying) = join!(self.hands.hand_on(batch), self.hands.done(confirmed));
                over.cancel();
                Some((handed_on?, staying))
            };
            let (handed_on, next) = join!(handing_on, gather(&mut self.deliveries, &over));
            let Some((handed_on, mut staying)) = handed_on else { return };
            staying.extend(handed_on);
            self.hands.level.confirmed(staying.len());
            if self.hands.stop.is_cancelled() {
                self.hands.done(staying).await;
                return;
            }
            (batch, confirmed) = (next, staying);
        }
    }
}

/// The next batch: what comes until the one before is `over`, and then as long as it comes at once; perhaps nothing.
async fn gather(deliveries: &mut Deliveries, over: &CancellationToken) -> Vec<Delivery> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let idle = async {
            over.cancelled().await;
            tokio::time::sleep(NEXT).await;
        };
        let next = select! { biased; next = deliveries.next() => next, () = idle => None };
        let Some(next) = next else { break };
        bytes += next.message.body.len();
        batch.push(next);
    }
    batch
}

impl Hands {
    /// Publishes a batch, and sets aside what the broker refuses; what was confirmed. `None` when told to stop before.
    async fn hand_on(&self, batch: Vec<Delivery>) -> Option<Vec<Confirmed>> {
        let Some(first) = batch.first() else { return Some(Vec::new()) };
        if let Ok(time) = first.message.attribute("time").parse() {
            self.level.oldest(time);
        }
        let messages: Vec<Message> = batch.iter().map(|delivery| delivery.message.clone()).collect();
        if self.publish(&messages).await?.is_ok() {
            return Some(batch.into_iter().map(Confirmed::from).collect());
        }
        // One of them; which one, only shows one by one.
        let mut confirmed = Vec::new();
        for delivery in batch {
            match self.publish(std::slice::from_ref(&delivery.message)).await {
                Some(Ok(())) => confirmed.push(delivery.into()),
                Some(Err(why)) => self.set_aside(delivery, &why).await,
                None => {
                    self.done(confirmed).await;
                    return None;
                }
            }
        }
        Some(confirmed)
    }

    /// Publishes until it is confirmed, or refused for good; `None` when told to stop first.
    async fn publish(&self, messages: &[Message]) -> Option<Result<(), String>> {
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.farewell).await;
        };
        select! { published = self.insist(messages) => published, () = stopped => None }
    }

    async fn insist(&self, messages: &[Message]) -> Option<Result<(), String>> {
        loop {
            if self.bus.ready().is_ok() {
                match self.bus.publish_within(CONFIRMED.max(self.farewell), messages).await {
                    Ok(()) => return Some(Ok(())),
                    Err(BusError::Refused(why)) => return Some(Err(why)),
                    Err(error) => tracing::debug!(%error, "the spool cannot hand on yet"),
                }
            }
            self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await?;
        }
    }

    /// Takes out of the file what is confirmed, and gives back what must stay, while the file cannot be written.
    async fn done(&self, confirmed: Vec<Confirmed>) -> Vec<Confirmed> {
        if !confirmed.is_empty() && self.file.ready().is_err() {
            tokio::time::sleep(PAUSE).await;
            return confirmed;
        }
        let settled = confirmed.into_iter().map(async |Confirmed { delivery, weight }| {
            let settled = delivery.ack().await;
            if settled.is_ok() {
                self.level.handed_on(weight);
            }
            settled
        });
        if let Some(error) = join_all(settled).await.into_iter().find_map(Result::err) {
            tracing::warn!(%error, "what the bus has confirmed could not leave the spool; it is handed on again");
        }
        Vec::new()
    }

    async fn set_aside(&self, delivery: Delivery, why: &str) {
        let (weight, message) = (level::weight(&delivery.message), delivery.message.clone());
        let id = message.attribute("id");
        if let Err(error) = delivery.park(why).await {
            tracing::warn!(event = id, %error, "webhook {id}, which the bus refuses, could not be set aside yet");
            return;
        }
        self.level.refused();
        self.level.leave(weight);
        tracing::error!(
            event = id,
            source = message.attribute("webhooksource"),
            bytes = message.body.len(),
            "{} {id} was taken and is refused by the bus for good: {why}. It is set aside in {}: raise the bus's limit \
             and start the receiver again, and it is handed on",
            EventType::WebhookReceived,
            self.path.display()
        );
    }
}
