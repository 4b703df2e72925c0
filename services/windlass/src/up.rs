//! `windlass up`: the receiver, every configured worker, the reconciler and the console in one process.

use anyhow::{Context as _, Result};
use proto::WorkerName;
use runtime::{
    Context, Worker, harness,
    service::{self, Base},
};
use tokio::task::JoinSet;
use tracing::info;

/// Runs everything until shutdown, or until one part fails.
pub(crate) async fn up(base: Base) -> Result<()> {
    let context = Context::open(base.clone()).await?;
    let ops = context.open_ops()?;
    let mut parts = JoinSet::new();
    for worker in context.config.workers.clone() {
        spawn(&mut parts, worker, context.clone())?;
    }
    if reconciler::is_configured(&context.config) {
        let context = context.clone();
        parts.spawn(async move { reconciler::serve(context).await.context("the reconciler") });
    }
    if context.config.console.is_some() {
        let context = context.clone();
        parts.spawn(async move { console::serve(context).await.context("the console") });
    }
    parts.spawn(async move { receiver::serve(base).await.context("the receiver") });
    info!(data = %context.config.data.display(), "starting everything; data in {}", context.config.data.display());
    let ended = first_failure(&mut parts, &context).await;
    ops.stop().await;
    ended
}

/// Waits for every part. When one ends before its time, the others are told to stop.
async fn first_failure(parts: &mut JoinSet<Result<()>>, context: &Context) -> Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        let ended = ended.context("a part panicked").flatten();
        context.shutdown.cancel();
        outcome = outcome.and(ended);
    }
    outcome
}

fn spawn(parts: &mut JoinSet<Result<()>>, worker: WorkerName, context: Context) -> Result<()> {
    match worker {
        WorkerName::Normalizer => work(parts, normalizer::Normalizer::new(&context)?, context),
        WorkerName::Builder => work(parts, builder::Builder::new(&context)?, context),
        WorkerName::Scanner => work(parts, scanner::Scanner::new(&context)?, context),
        WorkerName::Bumper => work(parts, bumper::Bumper::new(&context)?, context),
        WorkerName::Syncer => work(parts, syncer::Syncer::new(&context)?, context),
        WorkerName::Prober => work(parts, prober::Prober::new(&context)?, context),
        WorkerName::Notifier => work(parts, notifier::Notifier::new(&context)?, context),
        WorkerName::Recorder => {
            service::require(&context.config, worker)?;
            parts.spawn(recorder::serve(context));
        }
    }
    Ok(())
}

fn work<W: Worker>(parts: &mut JoinSet<Result<()>>, worker: W, context: Context) {
    parts.spawn(async move { harness::work(worker, context).await.with_context(|| format!("the {}", W::NAME)) });
}
