//! When nothing is left to do: no message in any queue, no run under way or to be run again, and no new event.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::{engine::Engine, http};
use tokio::time::Instant;

use crate::book::Book;

/// How long the last chains may take. A delivery that failed twice waits a minute; one that failed three times would
/// wait ten, and nothing here may fail so often.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long it must have been quiet: a message between a queue and its worker is in no count.
const STILL: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(250);

/// Waits until it is so.
pub(crate) async fn wait(engine: &mut Engine, book: &Book) -> Result<()> {
    let began = Instant::now();
    let (mut since, mut before) = (Instant::now(), 0);
    loop {
        engine.must_run()?;
        let events = book.events().await?;
        let left = left(engine, book).await?;
        if !left.is_empty() || events != before {
            (since, before) = (Instant::now(), events);
        }
        if since.elapsed() >= STILL {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("not quiet after {PATIENCE:?}; left are {}", left.join(", "));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What waits or runs.
async fn left(engine: &Engine, book: &Book) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let unfinished = book.unfinished().await?;
    if unfinished > 0 {
        left.push(format!("{unfinished} runs"));
    }
    for (name, url) in engine.ops() {
        let page =
            http::client().get(format!("{url}/metrics")).send().await.with_context(|| format!("asking {name}"))?;
        let page = page.text().await?;
        anyhow::ensure!(page.contains("windlass_queue_depth{"), "{name} tells no queue's depth: {page}");
        let counts = page
            .lines()
            .filter(|line| line.starts_with("windlass_queue_depth{") || line.starts_with("windlass_running{"));
        left.extend(counts.filter(|line| !line.ends_with(" 0")).map(|line| format!("{name}: {line}")));
    }
    Ok(left)
}
