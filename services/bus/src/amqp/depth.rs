//! How many messages wait in each queue, and who takes them.

use std::time::Duration;

use lapin::{Connection, Queue, options::QueueDeclareOptions, types::FieldTable};

use super::{link::Link, topology::Topology};
use crate::{BusError, QueueState};

/// Each declared queue with its messages that are ready; those with a consumer are not among them.
pub(super) async fn read(link: &Link, topology: &Topology, deadline: Duration) -> Result<Vec<QueueState>, BusError> {
    let count = async {
        let connection = link.up().await?;
        let mut states = Vec::new();
        for queue in &topology.queues {
            // A channel each: asking for a queue that somebody deleted closes it.
            let found = find(&connection, &queue.name).await;
            let found = found.map_err(|error| BusError::Unavailable(format!("{}: {error}", queue.name)))?;
            let (waiting, consumers) = (found.message_count().into(), Some(found.consumer_count()));
            states.push(QueueState { name: queue.name.clone(), waiting, consumers });
        }
        Ok(states)
    };
    let late = |_| BusError::Unavailable(format!("the broker did not say within {deadline:?}"));
    tokio::time::timeout(deadline, count).await.map_err(late)?
}

async fn find(connection: &Connection, queue: &str) -> lapin::Result<Queue> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await
}
