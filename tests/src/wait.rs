//! Waiting for facts: ask again and again until it is so, or say what was seen instead when the time is up.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::time::Instant;

/// Long enough for a pause between two questions to cost little, short enough not to be felt.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks `probe` until it returns a value. Its errors mean "not yet"; the last one is quoted when the time is up.
pub async fn until<T>(deadline: Duration, what: &str, mut probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let mut seen = anyhow!("no answer within that time");
    loop {
        match tokio::time::timeout_at(started + deadline, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => seen = error,
            Err(_) => bail!("waited {deadline:?} for {what}; last seen: {seen:#}"),
        }
        if started.elapsed() >= deadline {
            bail!("waited {deadline:?} for {what}; last seen: {seen:#}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks `probe` until it returns true.
pub async fn until_true(deadline: Duration, what: &str, mut probe: impl AsyncFnMut() -> bool) -> Result<()> {
    until(deadline, what, async || if probe().await { Ok(()) } else { bail!("not so yet") }).await
}
