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
