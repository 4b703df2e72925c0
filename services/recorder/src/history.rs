//! Every event into the history, in groups: what has arrived by the time one write ends goes into the next.

use std::time::Duration;

use anyhow::Result;
use bus::{Deliveries, Delivery};
use proto::{Message, WorkerName};
use runtime::{Context, harness::insist};
use tracing::warn;

/// Takes events and writes them down until shutdown.
pub(crate) async fn record(context: &Context) -> Result<()> {
    let most = WorkerName::Recorder.queue().concurrency;
    let mut deliveries = context.bus.consume(WorkerName::Recorder, most).await?;
    while let Some(group) = next_group(context, &mut deliveries, usize::from(most)).await {
        let messages: Vec<Message> = group.iter().map(|delivery| delivery.message.clone()).collect();
        let written = insist("the ledger", &context.shutdown, || context.ledger.record(&messages)).await;
        if written.is_none() {
            return Ok(());
        }
        for delivery in group {
            if let Err(error) = delivery.ack().await {
                warn!(%error, "an event may be recorded again, which changes nothing: {error}");
            }
        }
    }
    Ok(())
}

async fn next_group(context: &Context, deliveries: &mut Deliveries, most: usize) -> Option<Vec<Delivery>> {
    let first = tokio::select! {
        first = deliveries.next() => first?,
        () = context.shutdown.cancelled() => return None,
    };
    let mut group = vec![first];
    while group.len() < most {
        // Only what is there already: an event is never kept waiting for company.
        match tokio::time::timeout(Duration::ZERO, deliveries.next()).await {
            Ok(Some(next)) => group.push(next),
            _ => break,
        }
    }
    Some(group)
}
