//! Taking deliveries, so many at a time, until the service stops.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{Worker, delivery};
use crate::{programs, service::Context};

/// Works until shutdown. Then it stops taking, gives what is under way its grace period, and hands back the rest.
pub async fn work<W: Worker>(worker: W, context: Context) -> Result<()> {
    programs::look_for::<W>(&context).await?;
    let queue = W::NAME.queue();
    let opening = context.bus.consume(W::NAME, queue.concurrency);
    let mut deliveries = opening.await.with_context(|| format!("consuming {}", queue.name()))?;
    let harness = Arc::new(delivery::Harness::new(worker, context));
    let mut runs = JoinSet::new();
    info!(worker = %W::NAME, queue = queue.name(), concurrency = queue.concurrency, "{} takes deliveries", W::NAME);
    loop {
        tokio::select! {
            biased;
            () = harness.context.shutdown.cancelled() => break,
            Some(_) = runs.join_next() => {}
            delivery = deliveries.next(), if runs.len() < usize::from(queue.concurrency) => match delivery {
                Some(delivery) => drop(runs.spawn(Arc::clone(&harness).settle(delivery))),
                None => break,
            },
        }
    }
    drop(deliveries);
    finish(&mut runs, &harness).await;
    Ok(())
}

async fn finish<W: Worker>(runs: &mut JoinSet<()>, harness: &delivery::Harness<W>) {
    let grace = harness.context.config.harness.grace;
    let all = async { while runs.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_err() {
        warn!(worker = %W::NAME, left = runs.len(), "{} hands back {} unfinished deliveries", W::NAME, runs.len());
        harness.hand_back.cancel();
        while runs.join_next().await.is_some() {}
    }
}
