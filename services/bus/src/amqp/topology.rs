//! The exchanges, queues and bindings, made from [`proto::topology`] and declared on every connection.
//!
//! Nothing may be lost on any way: each exchange has `windlass.unrouted` as its alternate, and each queue that
//! dead-letters does so at least once. Arguments must be the same on every version of the broker, which refuses a
//! queue declared otherwise; so the delivery limit is a number that 3.10 takes and no message reaches, instead of
//! the -1 that 4.x would like.

use std::time::Duration;

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use proto::{
    WorkerName,
    topology::{DEAD, EVENTS_EXCHANGE, RETRY_STEPS, UNROUTED},
};

/// Redeliveries after which the broker gives a message up, to [`DEAD`]. From 4.0 on it would do so after 20.
const DELIVERY_LIMIT: i32 = 1_000_000;
/// What a worker may take beyond its deadline before the broker takes the delivery away (RabbitMQ 3.12 or later).
const TIMEOUT_MARGIN: Duration = Duration::from_mins(10);

pub(super) struct Exchange {
    pub(super) name: String,
    pub(super) kind: ExchangeKind,
}

pub(super) struct Queue {
    pub(super) name: String,
    pub(super) arguments: FieldTable,
    /// Exchange and pattern.
    pub(super) bindings: Vec<(String, String)>,
}

/// Everything this installation declares.
pub(super) struct Topology {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) queues: Vec<Queue>,
}

/// The exchange and queue of a step of the retry ladder.
pub(super) fn step_name(step: Duration) -> String {
    match step.as_secs() {
        seconds if seconds % 60 == 0 => format!("windlass.retry.{}m", seconds / 60),
        seconds => format!("windlass.retry.{seconds}s"),
    }
}

/// The smallest step that is long enough, else the last one.
pub(super) fn step_for(after: Duration) -> Duration {
    let last = RETRY_STEPS[RETRY_STEPS.len() - 1];
    RETRY_STEPS.into_iter().find(|step| *step >= after).unwrap_or(last)
}

impl Topology {
    pub(super) fn of(workers: &[WorkerName]) -> Self {
        let fanout = |name: String| Exchange { name, kind: ExchangeKind::Fanout };
        let mut exchanges = vec![fanout(UNROUTED.to_owned()), fanout(DEAD.to_owned())];
        exchanges.push(Exchange { name: EVENTS_EXCHANGE.to_owned(), kind: ExchangeKind::Topic });
        exchanges.extend(RETRY_STEPS.map(|step| fanout(step_name(step))));
        let mut queues = vec![kept(UNROUTED), kept(DEAD)];
        queues.extend(RETRY_STEPS.map(waiting));
        queues.extend(workers.iter().map(|worker| working(*worker)));
        Self { exchanges, queues }
    }

    /// Declares it all on a channel of its own: a refusal closes the channel.
    pub(super) async fn declare(&self, connection: &Connection) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        for exchange in &self.exchanges {
            declare_exchange(&channel, exchange).await?;
        }
        for queue in &self.queues {
            queue.declare(&channel).await?;
        }
        Ok(())
    }

    /// Whether it declares this queue.
    pub(super) fn has(&self, name: &str) -> bool {
        self.queues.iter().any(|queue| queue.name == name)
    }

    /// One of its queues, or that of a worker this installation was not said to run.
    pub(super) fn queue(mut self, name: &str, worker: Option<WorkerName>) -> Option<Queue> {
        let place = self.queues.iter().position(|queue| queue.name == name);
        place.map(|place| self.queues.swap_remove(place)).or_else(|| worker.map(working))
    }
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    if exchange.name != UNROUTED {
        arguments.insert("alternate-exchange".into(), text(UNROUTED));
    }
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.name.as_str().into(), exchange.kind.clone(), options, arguments).await
}

impl Queue {
    pub(super) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let name = || self.name.as_str().into();
        channel.queue_declare(name(), options, self.arguments.clone()).await?;
        for (exchange, pattern) in &self.bindings {
            let (exchange, pattern) = (exchange.as_str().into(), pattern.as_str().into());
            let options = QueueBindOptions::default();
            channel.queue_bind(name(), exchange, pattern, options, FieldTable::default()).await?;
        }
        Ok(())
    }
}

/// The queue of the dead, or of what no queue took: nothing leaves it but by an acknowledgement.
fn kept(name: &str) -> Queue {
    let arguments = quorum(&[("x-delivery-limit", AMQPValue::LongInt(i32::MAX))]);
    Queue { name: name.to_owned(), arguments, bindings: vec![(name.to_owned(), String::new())] }
}

/// A step of the ladder: its messages expire to the default exchange, under the routing key they came with, which
/// is the name of the queue they belong to.
fn waiting(step: Duration) -> Queue {
    let name = step_name(step);
    let arguments = quorum(&[
        ("x-message-ttl", AMQPValue::LongLongInt(millis(step))),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-strategy", text("at-least-once")),
    ]);
    Queue { arguments, bindings: vec![(name.clone(), String::new())], name }
}

fn working(worker: WorkerName) -> Queue {
    let row = worker.queue();
    let mut arguments = quorum(&[
        ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text(DEAD)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-consumer-timeout", AMQPValue::LongLongInt(millis(row.deadline + TIMEOUT_MARGIN))),
    ]);
    if row.single_active {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    let bindings = row.patterns().into_iter().map(|pattern| (EVENTS_EXCHANGE.to_owned(), pattern)).collect();
    Queue { name: row.name(), arguments, bindings }
}

/// Dead-lettering at least once needs `reject-publish`; without a length limit it rejects nothing.
fn quorum(more: &[(&'static str, AMQPValue)]) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    for (name, value) in more {
        arguments.insert((*name).into(), value.clone());
    }
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_rounds_up_and_ends_with_its_last_step() {
        let step = |seconds| step_for(Duration::from_secs(seconds)).as_secs();
        assert_eq!([0, 1, 2, 10, 11, 60, 61, 600, 601, 86_400].map(step), [1, 1, 10, 10, 60, 60, 600, 600, 600, 600]);
        assert_eq!(
            RETRY_STEPS.map(step_name),
            ["windlass.retry.1s", "windlass.retry.10s", "windlass.retry.1m", "windlass.retry.10m"]
        );
    }
}
