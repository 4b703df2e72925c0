//! The bus on RabbitMQ, 3.10 or later. The only place that names lapin.
//!
//! - [`link`] keeps one connection up: one to publish, one to consume, since a memory alarm blocks whoever publishes.
//! - [`topology`] declares the queues; the same arguments on every version of the broker, or it would refuse them.
//! - [`publisher`] publishes and waits for the broker's confirm: over the [`lane`] that all share, or [`alone`].
//! - [`burden`] gives what is large the time that it takes on a slow line.
//! - [`wire`] is the message as AMQP has it.
//! - [`subscription`] takes deliveries, and takes them again elsewhere when connection, channel or queue go.
//!
//! lapin writes returned messages with their bodies to its log: who sets up tracing turns its target off.

mod alone;
mod burden;
mod depth;
#[cfg(test)]
mod fuzz;
mod lane;
mod link;
mod publisher;
mod subscription;
mod topology;
mod wire;

use std::{sync::Arc, time::Duration};

use proto::{
    Message, WorkerName,
    topology::{DEAD, EVENTS_EXCHANGE, UNROUTED},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{BusError, Deliveries, Letters, Location, QueueState, Settings};
use link::Link;
use publisher::Publisher;
pub(crate) use subscription::Settle;
use subscription::Subscription;
use topology::Topology;

/// How long `close` waits for the broker to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// A handle to the broker; cheap to clone.
#[derive(Clone)]
pub struct AmqpBus(Arc<Inner>);

/// Lives as long as a handle, a subscription or an unsettled delivery does.
struct Inner {
    publisher: Publisher,
    consuming: tokio::sync::OnceCell<Arc<Link>>,
    settings: Settings,
    closed: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl AmqpBus {
    pub(crate) async fn open(settings: Settings) -> Result<Self, BusError> {
        let closed = CancellationToken::new();
        let publishing = link::start(&settings, "publish", &closed)?;
        let bus = Self(Arc::new(Inner {
            publisher: Publisher::new(Arc::clone(&publishing), settings.publish_deadline),
            consuming: tokio::sync::OnceCell::new(),
            settings,
            closed,
        }));
        publishing.first_outcome().await.map(|()| bus)
    }

    pub(crate) async fn publish(&self, messages: &[Message]) -> Result<(), BusError> {
        self.0.publisher.publish(EVENTS_EXCHANGE, messages, self.0.settings.publish_deadline).await
    }

    pub(crate) async fn publish_within(&self, deadline: Duration, messages: &[Message]) -> Result<(), BusError> {
        self.0.publisher.publish_patiently(EVENTS_EXCHANGE, messages, deadline).await
    }

    pub(crate) async fn publish_patiently(&self, messages: &[Message]) -> Result<(), BusError> {
        self.publish_within(self.0.settings.publish_deadline, messages).await
    }

    pub(crate) async fn publish_to(&self, worker: WorkerName, messages: &[Message]) -> Result<(), BusError> {
        self.0.publisher.publish_to(worker, messages).await
    }

    pub(crate) async fn consume(&self, worker: WorkerName, prefetch: u16) -> Result<Deliveries, BusError> {
        // One place: the rest of the prefetch waits inside the subscription.
        let (into, receiver) = mpsc::channel(1);
        let subscription = self.subscription(worker.queue().name(), Some(worker), prefetch).await?;
        tokio::spawn(subscription.run(into, subscription::delivery));
        Ok(Deliveries::new(receiver, self.0.closed.clone()))
    }

    pub(crate) async fn dead_letters(&self, prefetch: u16) -> Result<Letters, BusError> {
        // A place for each subscription: it holds one while it waits.
        let (into, receiver) = mpsc::channel(2);
        // What no queue took is rare; the dead get the larger half.
        for (queue, prefetch) in [(DEAD, prefetch.div_ceil(2)), (UNROUTED, prefetch / 2)] {
            let subscription = self.subscription(queue.to_owned(), None, prefetch).await?;
            tokio::spawn(subscription.run(into.clone(), subscription::parcel));
        }
        Ok(Letters::new(receiver, self.0.closed.clone()))
    }

    async fn subscription(
        &self,
        queue: String,
        worker: Option<WorkerName>,
        prefetch: u16,
    ) -> Result<Subscription, BusError> {
        let start = async || link::start(&self.0.settings, "consume", &self.0.closed);
        let link = Arc::clone(self.0.consuming.get_or_try_init(start).await?);
        // 0 would mean "without bound" to the broker.
        Ok(Subscription { bus: Arc::clone(&self.0), link, queue, worker, prefetch: prefetch.max(1) })
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        self.0.publisher.link().ready()
    }

    pub(crate) fn takes(&self) -> Result<(), String> {
        self.0.consuming.get().map_or(Ok(()), |link| link.stands())
    }

    pub(crate) async fn queues(&self) -> Result<Vec<QueueState>, BusError> {
        depth::read(self.0.publisher.link(), &Topology::of(&self.0.settings.workers), self.0.settings.publish_deadline)
            .await
    }

    pub(crate) async fn close(&self) {
        self.0.closed.cancel();
        for link in [Some(self.0.publisher.link()), self.0.consuming.get()].into_iter().flatten() {
            if tokio::time::timeout(GOODBYE, link.ended()).await.is_err() {
                tracing::warn!(bus = %self.0.settings.location, "the broker did not say goodbye in time");
            }
        }
    }
}

impl Inner {
    fn location(&self) -> &Location {
        &self.settings.location
    }
}
