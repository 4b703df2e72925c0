//! Replay: a message is published again with `replay` raised by one, confirmed, and only then marked. Its outcomes
//! inherit the number, so the whole chain behind it runs again; effects that are there already are no-ops.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bus::Bus;
use clap::Args;
use ledger::{Ledger, StoredDeadLetter};
use proto::{Message, WorkerName};
use runtime::Config;

use crate::{dead, events, open, out};

#[derive(Debug, Args)]
pub(crate) struct OfLetters {
    /// Ids, or their beginnings; or choose by the options.
    #[arg(value_parser = crate::open::beginning)]
    ids: Vec<String>,
    #[command(flatten)]
    which: dead::Which,
    /// Every dead letter the options choose, when no other option narrows them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct OfEvent {
    /// The event's id, or its beginning.
    #[arg(value_parser = crate::open::beginning)]
    id: String,
    /// Only to this worker.
    #[arg(long)]
    worker: Option<WorkerName>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// Only prints what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Who does it, for the record.
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    /// At most so many a second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
}

pub(crate) async fn of_letters(replay: &OfLetters, ledger: &Ledger, config: &Config) -> Result<()> {
    let letters = chosen(replay, ledger).await?;
    if letters.is_empty() {
        out::line("no dead letter is chosen")?;
        return Ok(());
    }
    let bus = if replay.how.dry_run { None } else { Some(open::bus(config).await?) };
    for letter in &letters {
        let worker = letter.letter.worker;
        let target = worker.map_or("every worker that hears it".to_owned(), |worker| worker.to_string());
        if let Some(bus) = &bus {
            publish(bus, ledger, worker, again(&letter.letter.message, &replay.how.by)).await?;
            ledger.mark_replayed(letter.id, &replay.how.by).await?;
            // Whoever stops reading does not stop the replay.
            let _read_or_not = out::line(format_args!("replayed to {target}: {}", dead::text_line(letter)));
            tokio::time::sleep(Duration::from_secs(1) / replay.how.rate.max(1)).await;
        } else {
            out::line(format_args!("would replay to {target}: {}", dead::text_line(letter)))?;
        }
    }
    if u32::try_from(letters.len()).is_ok_and(|chosen| replay.ids.is_empty() && chosen >= replay.which.limit) {
        let limit = replay.which.limit;
        out::line(format_args!("these are the newest {limit} of what was chosen; there may be more: run it again"))?;
    }
    close(bus).await;
    Ok(())
}

async fn chosen(replay: &OfLetters, ledger: &Ledger) -> Result<Vec<StoredDeadLetter>> {
    if !replay.ids.is_empty() {
        let mut letters = Vec::new();
        for id in &replay.ids {
            letters.push(dead::find(ledger, id).await?);
        }
        return Ok(letters);
    }
    let which = &replay.which;
    let narrowed = which.worker.is_some() || which.since.is_some() || which.until.is_some() || which.text.is_some();
    ensure!(narrowed || replay.all, "choose: ids, --worker, --since, --until, --text, or --all");
    let mut letters = ledger.dead_letters(&which.filter()).await?;
    // Oldest first: as they would have been handled.
    letters.reverse();
    Ok(letters)
}

pub(crate) async fn of_event(replay: &OfEvent, ledger: &Ledger, config: &Config) -> Result<()> {
    let recorded = events::find(ledger, &replay.id).await?;
    let id = recorded.message.attribute("id").to_owned();
    let target = replay.worker.map_or("every worker that hears it".to_owned(), |worker| worker.to_string());
    if replay.how.dry_run {
        out::line(format_args!("would replay {id} ({}) to {target}", recorded.message.attribute("type")))?;
        return Ok(());
    }
    let bus = open::bus(config).await?;
    publish(&bus, ledger, replay.worker, again(&recorded.message, &replay.how.by)).await?;
    out::line(format_args!("replayed {id} ({}) to {target}", recorded.message.attribute("type")))?;
    close(Some(bus)).await;
    Ok(())
}

async fn publish(bus: &Bus, ledger: &Ledger, worker: Option<WorkerName>, message: Message) -> Result<()> {
    let messages = [message];
    let failed = "publishing; nothing was marked as replayed";
    let Some(worker) = worker else {
        return bus.publish(&messages).await.context(failed);
    };
    bus.publish_to(worker, &messages).await.context(failed)?;
    // The recorder does not hear what goes to one worker. Unrecorded, the next replay would count from the same
    // number, and be taken for this one.
    ledger.record(&messages).await.map(drop).context("recording the replay, which is under way")
}

async fn close(bus: Option<Bus>) {
    if let Some(bus) = bus {
        bus.close().await;
    }
}

/// The message with `replay` raised by one, and who did it.
fn again(message: &Message, by: &str) -> Message {
    let mut message = message.clone();
    let replay: u32 = message.attribute("replay").parse().unwrap_or(0);
    message.attributes.insert("replay".to_owned(), (replay + 1).to_string());
    message.attributes.insert("replayedby".to_owned(), by.to_owned());
    message
}
