//! Taking deliveries, and settling them.
//!
//! A subscription is one task and one channel. When the channel, the connection or the queue goes, what it had out
//! comes again by the broker's doing, and the task subscribes anew, having declared the queue again.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    Acker, Channel, Connection, Consumer,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use proto::{Message, WorkerName};
use tokio::sync::mpsc;

use super::{Inner, Topology, link::Link, wire};
use crate::{BusError, Delivery, Parcel, delivery};

/// The pause before subscribing again on a connection that stands.
const PAUSE: Duration = Duration::from_millis(500);

/// A wish to take from a queue.
pub(super) struct Subscription {
    pub(super) bus: Arc<Inner>,
    pub(super) link: Arc<Link>,
    pub(super) queue: String,
    pub(super) worker: Option<WorkerName>,
    pub(super) prefetch: u16,
}

/// What a delivery becomes for its consumer.
pub(super) type Wrap<T> = fn(&Subscription, lapin::message::Delivery, Settle) -> futures_util::future::BoxFuture<'_, T>;

impl Subscription {
    /// Hands deliveries out until the consumer goes or the bus is closed.
    pub(super) async fn run<T: Send>(self, into: mpsc::Sender<T>, wrap: Wrap<T>) {
        let closed = self.bus.closed.clone();
        closed.run_until_cancelled(self.keep_taking(&into, wrap)).await;
    }

    async fn keep_taking<T: Send>(&self, into: &mpsc::Sender<T>, wrap: Wrap<T>) {
        while !into.is_closed() {
            let connection = tokio::select! {
                connection = self.link.up() => connection,
                () = into.closed() => return,
            };
            let Ok(connection) = connection else { return };
            if let Err(error) = self.take(&connection, into, wrap).await
                && !into.is_closed()
            {
                let bus = self.bus.location();
                tracing::warn!(%bus, queue = self.queue, error, "lost the subscription; subscribing again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Takes on one channel until it ends: `Ok` when the consumer went.
    async fn take<T: Send>(
        &self,
        connection: &Connection,
        into: &mpsc::Sender<T>,
        wrap: Wrap<T>,
    ) -> Result<(), String> {
        let said = |error: lapin::Error| error.to_string();
        let (channel, mut consumer) = self.subscribe(connection).await.map_err(said)?;
        loop {
            // Its place first: what has none yet stays with lapin, and goes back in order when the consumer goes.
            let Ok(place) = into.reserve().await else {
                return hand_back(&channel, consumer).await.map_err(said);
            };
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery,
                () = into.closed() => return hand_back(&channel, consumer).await.map_err(said),
            };
            let delivery = delivery.ok_or("the broker cancelled it")?.map_err(said)?;
            let settle = self.settle(&channel, delivery.acker.clone());
            place.send(wrap(self, delivery, settle).await);
        }
    }

    async fn subscribe(&self, connection: &Connection) -> lapin::Result<(Channel, Consumer)> {
        let channel = connection.create_channel().await?;
        if let Some(queue) = Topology::of(&self.bus.settings.workers).queue(&self.queue, self.worker) {
            queue.declare(&channel).await?;
        }
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let queue = self.queue.as_str().into();
        // Empty, the broker makes one up.
        let tag = ShortString::try_new(self.bus.settings.name.as_str()).unwrap_or_default();
        let consumer = channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default()).await?;
        Ok((channel, consumer))
    }

    fn settle(&self, channel: &Channel, acker: Acker) -> Settle {
        let (bus, queue) = (Arc::clone(&self.bus), self.queue.clone());
        Settle { bus, acker, _channel: channel.clone(), queue, worker: self.worker, open: true }
    }
}

/// Ends a subscription: what was fetched ahead goes back at once, what is out may still be settled on the channel.
async fn hand_back(channel: &Channel, mut consumer: Consumer) -> lapin::Result<()> {
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
    while let Some(Ok(delivery)) = consumer.next().await {
        delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
    }
    Ok(())
}

/// To a worker.
pub(super) fn delivery(
    _: &Subscription,
    mut from: lapin::message::Delivery,
    settle: Settle,
) -> futures_util::future::BoxFuture<'_, Delivery> {
    Box::pin(async move {
        let (message, failures) = wire::read(&mut from).await;
        Delivery { message, failures, redelivered: from.redelivered, settle: delivery::Settle::Amqp(settle) }
    })
}

/// To the recorder.
pub(super) fn parcel(
    subscription: &Subscription,
    mut from: lapin::message::Delivery,
    settle: Settle,
) -> futures_util::future::BoxFuture<'_, Parcel> {
    Box::pin(async move {
        let letter = wire::read_letter(&mut from, &subscription.queue).await;
        Parcel { letter, settle: delivery::Settle::Amqp(settle) }
    })
}

/// The right to settle one delivery. Dropped, it goes back to its queue.
pub(crate) struct Settle {
    bus: Arc<Inner>,
    acker: Acker,
    /// Keeps the channel open: closing it would give the delivery back.
    _channel: Channel,
    queue: String,
    worker: Option<WorkerName>,
    open: bool,
}

impl Settle {
    /// Whether its channel still stands; otherwise the broker has given the delivery out again.
    pub(crate) fn usable(&self) -> bool {
        self.acker.usable()
    }

    pub(crate) async fn ack(mut self) -> Result<(), BusError> {
        self.open = false;
        match self.acker.ack(BasicAckOptions::default()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(unheard("its channel is gone")),
            Err(error) => Err(unheard(&error.to_string())),
        }
    }

    /// Confirmed on the ladder first, then acknowledged here: between the two it may be there twice, never not at all.
    pub(crate) async fn retry(self, message: &Message, failures: u32, after: Duration) -> Result<(), BusError> {
        self.bus.publisher.retry(&self.queue, message, failures, after).await?;
        self.ack().await
    }

    pub(crate) async fn park(self, message: &Message, attempts: u32, reason: &str) -> Result<(), BusError> {
        self.bus.publisher.park(self.worker, message, attempts, reason).await?;
        self.ack().await
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        if self.open && self.acker.usable() {
            // Polled once, it is on its way; a channel that is gone has given the delivery back already.
            let _ = self.acker.nack(BasicNackOptions { requeue: true, multiple: false }).now_or_never();
        }
    }
}

fn unheard(why: &str) -> BusError {
    BusError::Unavailable(format!("the broker may not have heard the acknowledgement: {why}"))
}
