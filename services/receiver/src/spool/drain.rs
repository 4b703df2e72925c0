//! From the file to the broker, in order: a batch is published, and once all of it is confirmed it leaves the file.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bus::{Bus, BusError, Deliveries, Delivery};
use futures_util::future::join_all;
use proto::{EventType, Message};
use tokio_util::sync::CancellationToken;

use super::level::{self, Level};

/// A batch ends with this many events, or with the one that reaches this many bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;
/// How long to wait for a batch's next event. They come as fast as they are read, or not at all.
const NEXT: Duration = Duration::from_millis(5);
/// How long to wait before the broker is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// The one that hands on.
pub(super) struct Drain {
    pub(super) path: PathBuf,
    pub(super) file: Bus,
    pub(super) deliveries: Deliveries,
    pub(super) bus: Bus,
    pub(super) level: Arc<Level>,
    pub(super) stop: CancellationToken,
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
        while let Some(batch) = self.batch().await {
            if let Ok(time) = batch[0].message.attribute("time").parse() {
                self.level.oldest(time);
            }
            if self.hand_on(batch).await.is_none() {
                return;
            }
        }
    }

    /// What comes next in the file, one event at least; `None` when told to stop.
    async fn batch(&mut self) -> Option<Vec<Delivery>> {
        let first = self.stop.run_until_cancelled(self.deliveries.next()).await.flatten()?;
        let mut bytes = first.message.body.len();
        let mut batch = vec![first];
        while batch.len() < BATCH
            && bytes < BATCH_BYTES
            && let Ok(Some(next)) = tokio::time::timeout(NEXT, self.deliveries.next()).await
        {
            bytes += next.message.body.len();
            batch.push(next);
        }
        Some(batch)
    }

    async fn hand_on(&self, batch: Vec<Delivery>) -> Option<()> {
        let messages: Vec<Message> = batch.iter().map(|delivery| delivery.message.clone()).collect();
        match self.publish(&messages).await? {
            Ok(()) => self.done(batch).await,
            // One of them; which one, only shows one by one.
            Err(_) if batch.len() > 1 => {
                for delivery in batch {
                    match self.publish(std::slice::from_ref(&delivery.message)).await? {
                        Ok(()) => self.done(vec![delivery]).await,
                        Err(why) => self.set_aside(delivery, &why).await,
                    }
                }
            }
            Err(why) => {
                for delivery in batch {
                    self.set_aside(delivery, &why).await;
                }
            }
        }
        Some(())
    }

    /// Publishes until it is confirmed, or refused for good; `None` when told to stop first. Nothing is published
    /// while the file cannot be written: what cannot leave it would be published again and again.
    async fn publish(&self, messages: &[Message]) -> Option<Result<(), String>> {
        loop {
            if self.file.ready().and_then(|()| self.bus.ready()).is_ok() {
                match self.bus.publish(messages).await {
                    Ok(()) => return Some(Ok(())),
                    Err(BusError::Refused(why)) => return Some(Err(why)),
                    Err(error) => tracing::debug!(%error, "the spool cannot hand on yet"),
                }
            }
            self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await?;
        }
    }

    async fn done(&self, batch: Vec<Delivery>) {
        let settled = batch.into_iter().map(async |delivery| {
            let weight = level::weight(&delivery.message);
            let settled = delivery.ack().await;
            if settled.is_ok() {
                self.level.handed_on();
                self.level.leave(weight);
            }
            settled
        });
        if let Some(error) = join_all(settled).await.into_iter().find_map(Result::err) {
            tracing::warn!(%error, "what the bus has confirmed could not leave the spool; it is handed on again");
        }
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
