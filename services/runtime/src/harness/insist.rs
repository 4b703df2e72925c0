//! Waiting for what must not be away: the bus and the ledger.

use std::time::Duration;

use bus::BusError;
use ledger::LedgerError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The first pause, doubled with each failure up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Errors of bus and ledger, all of which mean waiting: what they cannot do now they may be able to do once mended.
pub trait Away: std::fmt::Display {}
impl Away for LedgerError {}
impl Away for BusError {}

/// Does it until it is done, however long what it needs is away; `None` when it is stopped first.
pub async fn insist<T, E: Away, F: Future<Output = Result<T, E>>>(
    what: &str,
    stop: &CancellationToken,
    attempt: impl Fn() -> F,
) -> Option<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt().await {
            Ok(value) => return Some(value),
            Err(error) => warn!(%error, "{what} is away; waits for it: {error}"),
        }
        stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
