//! The recorder writes every event into the ledger's history and every dead letter into its list, and says of each
//! dead letter that it is there (`delivery.parked`).
//!
//! It is no [`runtime::Worker`]: it reads no payload, must keep what nobody can read, and writes in groups. While the
//! ledger is away it holds what it has and takes no more; nothing is lost, the queues wait.

mod history;
mod letters;

use anyhow::Result;
use proto::WorkerName;
use runtime::Context;

/// Records until shutdown.
pub async fn serve(context: Context) -> Result<()> {
    runtime::service::require(&context.config, WorkerName::Recorder)?;
    tokio::try_join!(history::record(&context), letters::bury(&context))?;
    Ok(())
}

/// Does it until it is done, or the service stops: then `None`.
async fn insist<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    context: &Context,
    what: &str,
    attempt: impl Fn() -> F,
) -> Option<T> {
    let mut pause = std::time::Duration::from_millis(100);
    loop {
        match attempt().await {
            Ok(value) => return Some(value),
            Err(error) => tracing::warn!(%error, "{what} is away; the recorder waits for it: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(std::time::Duration::from_secs(5)),
            () = context.shutdown.cancelled() => return None,
        }
    }
}
