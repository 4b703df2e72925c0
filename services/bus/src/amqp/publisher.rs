//! Publishing: every message is sent on a channel in confirm mode, and only a true ack counts.
//!
//! Most go over the [`lane`](super::lane). What is large, or goes to one queue by name, is sent [`alone`](super::alone).
//! A broker may take less than what is large here, or have no queue for a message any more: then the lane breaks, whatever
//! was unconfirmed on it is sent again one by one, only what is too large is refused, and queues are declared again.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use lapin::{options::QueueDeclareOptions, protocol::AMQPSoftError, types::FieldTable};
use proto::{
    Message, WorkerName,
    topology::{DEAD, UNROUTED},
};

use super::{
    alone::{Alone, Sent},
    burden::Burden,
    lane::{Lane, Lost, Sending, is, unavailable},
    link::Link,
    topology::{step_for, step_name},
    wire::{self, Beside, Envelope},
};
use crate::{BusError, codec};

/// Messages of one call that may be unconfirmed at a time.
const WINDOW: usize = 256;
/// The time before a queue that somebody deleted is declared again: the broker tells consumers of its end a moment later,
/// and those whom it finds a queue of that name for then are never told, and wait for good.
const FAREWELL: Duration = Duration::from_secs(1);

/// The sending side of a bus.
pub(super) struct Publisher {
    link: Arc<Link>,
    deadline: Duration,
    burden: Burden,
    lane: tokio::sync::Mutex<Option<Arc<Lane>>>,
    alone: Alone,
    /// When queues were last declared again.
    declared: tokio::sync::Mutex<Option<Instant>>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>, deadline: Duration) -> Self {
        let alone = Alone::new(Arc::clone(&link));
        let (burden, lane, declared) = <_>::default();
        Self { link, deadline, burden, lane, alone, declared }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Publishes each by its routing key, in order, and all within this time.
    pub(super) async fn publish(
        &self,
        exchange: &str,
        messages: &[Message],
        deadline: Duration,
    ) -> Result<(), BusError> {
        for message in messages {
            check(message)?;
        }
        self.in_time(deadline, self.pipeline(exchange, messages)).await
    }

    /// The same for who has no one waiting: its bytes have their time besides.
    pub(super) async fn publish_patiently(
        &self,
        exchange: &str,
        messages: &[Message],
        deadline: Duration,
    ) -> Result<(), BusError> {
        let load = self.burden.take_on(messages);
        self.publish(exchange, messages, load.deadline(deadline)).await
    }

    /// Publishes to a worker's queue alone; a queue that is not there is an error.
    pub(super) async fn publish_to(&self, worker: WorkerName, messages: &[Message]) -> Result<(), BusError> {
        let (queue, load) = (worker.queue().name(), self.burden.take_on(messages));
        let send = async {
            self.check_queue(worker, &queue).await?;
            for message in messages {
                check(message)?;
                let envelope = wire::write(message, Beside::Nothing).await?;
                if let Sent::Returned = self.alone.send(message, "", &queue, &envelope).await? {
                    return Err(codec::no_queue(worker));
                }
            }
            Ok(())
        };
        self.in_time(load.deadline(self.deadline), send).await
    }

    /// Publishes to the retry ladder; from there it comes back to this queue.
    pub(super) async fn retry(
        &self,
        queue: &str,
        message: &Message,
        failures: u32,
        after: Duration,
    ) -> Result<(), BusError> {
        let (step, load) = (step_name(step_for(after)), self.burden.take_on(std::slice::from_ref(message)));
        let send = async {
            let envelope = wire::write(message, Beside::Failures(failures)).await?;
            self.send(message, &step, queue, envelope).await
        };
        self.in_time(load.deadline(self.deadline), send).await
    }

    /// Publishes to the dead letters.
    pub(super) async fn park(
        &self,
        worker: Option<WorkerName>,
        message: &Message,
        attempts: u32,
        reason: &str,
    ) -> Result<(), BusError> {
        let load = self.burden.take_on(std::slice::from_ref(message));
        let send = async {
            let envelope = wire::write(message, Beside::Dead { worker, reason, attempts }).await?;
            self.send(message, DEAD, "", envelope).await
        };
        self.in_time(load.deadline(self.deadline), send).await
    }

    async fn in_time(
        &self,
        deadline: Duration,
        work: impl Future<Output = Result<(), BusError>>,
    ) -> Result<(), BusError> {
        tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
            let why = self.link.ready().err().unwrap_or_else(|| "the broker is slow".to_owned());
            Err(BusError::Unavailable(format!("no confirmation within {deadline:?}: {why}")))
        })
    }

    async fn pipeline(&self, exchange: &str, messages: &[Message]) -> Result<(), BusError> {
        let mut flight = Flight::default();
        match self.on_the_lane(exchange, messages, &mut flight).await {
            Err(Lost::Channel(_)) if self.link.ready().is_ok() => {
                self.one_by_one(exchange, &messages[flight.confirmed..]).await
            }
            Err(Lost::Channel(error) | Lost::Other(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Sends many at a time.
    async fn on_the_lane(&self, exchange: &str, messages: &[Message], flight: &mut Flight) -> Result<(), Lost> {
        for message in messages {
            let envelope = wire::write(message, Beside::Nothing).await?;
            let key = message.routing_key();
            if self.alone.wants(&envelope) {
                // Alone, and in its place.
                flight.land(0).await?;
                self.send_alone(message, exchange, &key, &envelope).await?;
                flight.confirmed += 1;
                continue;
            }
            flight.land(WINDOW - 1).await?;
            flight.unconfirmed.push_back(self.lane().await?.send(exchange, &key, envelope).await?);
        }
        flight.land(0).await
    }

    /// Sends each alone: only so it shows which of them is too large, or comes back.
    async fn one_by_one(&self, exchange: &str, messages: &[Message]) -> Result<(), BusError> {
        for message in messages {
            let envelope = wire::write(message, Beside::Nothing).await?;
            self.send_alone(message, exchange, &message.routing_key(), &envelope).await?;
        }
        Ok(())
    }

    /// Sends one alone. Where it comes back there is not even a queue for what belongs nowhere, so somebody deleted
    /// queues: they are declared again, and it is sent once more.
    async fn send_alone(
        &self,
        message: &Message,
        exchange: &str,
        key: &str,
        envelope: &Envelope,
    ) -> Result<(), BusError> {
        if let Sent::Confirmed = self.alone.send(message, exchange, key, envelope).await? {
            return Ok(());
        }
        self.declare_again().await?;
        match self.alone.send(message, exchange, key, envelope).await? {
            Sent::Confirmed => Ok(()),
            Sent::Returned => Err(BusError::Unavailable(format!(
                "no queue takes `{key}` from `{exchange}`, not even `{UNROUTED}`; somebody deletes queues"
            ))),
        }
    }

    /// Declares what somebody deleted, a moment after; once for all who miss it at that moment.
    async fn declare_again(&self) -> Result<(), BusError> {
        let missed = Instant::now();
        let mut declared = self.declared.lock().await;
        if declared.is_some_and(|at| at > missed) {
            return Ok(());
        }
        tokio::time::sleep(FAREWELL).await;
        let connection = self.link.flowing().await?;
        self.link.topology().declare(&connection).await.map_err(|error| unavailable(&error))?;
        *declared = Some(Instant::now());
        Ok(())
    }

    /// Sends one message and waits for its confirm.
    async fn send(&self, message: &Message, exchange: &str, key: &str, envelope: Envelope) -> Result<(), BusError> {
        if !self.alone.wants(&envelope) {
            let lane = self.lane().await?;
            let sent = async { lane.send(exchange, key, envelope.clone()).await?.confirmed().await };
            match sent.await {
                Err(Lost::Channel(_)) if self.link.ready().is_ok() => {}
                Err(Lost::Channel(error) | Lost::Other(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        self.send_alone(message, exchange, key, &envelope).await
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
                self.declare_again().await?;
            }
        }
        Ok(Arc::clone(slot.insert(Arc::new(Lane::open(connection).await?))))
    }

    /// Asks whether the queue is there, on a channel of its own: a no closes it. One of ours that somebody deleted is
    /// declared again.
    async fn check_queue(&self, worker: WorkerName, queue: &str) -> Result<(), BusError> {
        let connection = self.link.flowing().await?;
        let channel = connection.create_channel().await.map_err(|error| unavailable(&error))?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), options, FieldTable::default()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, &AMQPSoftError::NOTFOUND) && self.link.topology().has(queue) => {
                self.declare_again().await
            }
            Err(error) if is(&error, &AMQPSoftError::NOTFOUND) => Err(codec::no_queue(worker)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// One call's messages on the lane.
#[derive(Default)]
struct Flight {
    unconfirmed: VecDeque<Sending>,
    /// How many are confirmed, from the first on and without a gap.
    confirmed: usize,
}

impl Flight {
    /// Waits, from the oldest on, until no more than so many are unconfirmed.
    async fn land(&mut self, most: usize) -> Result<(), Lost> {
        while self.unconfirmed.len() > most
            && let Some(oldest) = self.unconfirmed.pop_front()
        {
            oldest.confirmed().await?;
            self.confirmed += 1;
        }
        Ok(())
    }
}

fn check(message: &Message) -> Result<(), BusError> {
    codec::check_body(message)?;
    let (id, key) = (message.attribute("id"), message.routing_key());
    if key.len() > usize::from(u8::MAX) {
        return Err(BusError::Refused(format!("event {id}: its routing key of {} bytes is too long", key.len())));
    }
    Ok(())
}
