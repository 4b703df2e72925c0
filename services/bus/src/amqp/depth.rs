//! How many messages wait in each queue.

use std::time::Duration;

use lapin::{Connection, options::QueueDeclareOptions, types::FieldTable};

use super::{link::Link, topology::Topology};
use crate::BusError;

/// Messages ready in each declared queue; those with a consumer are not among them.
pub(super) async fn read(link: &Link, topology: &Topology, deadline: Duration) -> Result<Vec<(String, u64)>, BusError> {
    let count = async {
        let connection = link.up().await?;
        let mut depths = Vec::new();
        for queue in &topology.queues {
            // A channel each: asking for a queue that somebody deleted closes it.
            let count = ready(&connection, &queue.name).await;
            let count = count.map_err(|error| BusError::Unavailable(format!("{}: {error}", queue.name)))?;
            depths.push((queue.name.clone(), count));
        }
        Ok(depths)
    };
    let late = |_| BusError::Unavailable(format!("the broker did not say within {deadline:?}"));
    tokio::time::timeout(deadline, count).await.map_err(late)?
}

async fn ready(connection: &Connection, queue: &str) -> lapin::Result<u64> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(queue.message_count().into())
}
