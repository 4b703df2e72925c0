//! `windlass dead replay` and `windlass events replay`: which, to whom, and how fast.

use std::time::Duration;

use anyhow::{Result, ensure};
use bus::Bus;
use clap::Args;
use ledger::{Ledger, Outline, StoredDeadLetter};
use operate::{Beginning, find, replay};
use proto::WorkerName;
use runtime::Config;

use crate::{dead, open, out};

#[derive(Debug, Args)]
pub(crate) struct OfLetters {
    /// Ids, or their beginnings; or choose by the options.
    ids: Vec<Beginning>,
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
    id: Beginning,
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

pub(crate) async fn of_letters(asked: &OfLetters, ledger: &Ledger, config: &Config) -> Result<()> {
    let letters = chosen(asked, ledger).await?;
    if letters.is_empty() {
        out::line("no dead letter is chosen")?;
        return Ok(());
    }
    let bus = if asked.how.dry_run { None } else { Some(open::bus(config).await?) };
    for letter in &letters {
        let target = replay::target(letter.letter.worker);
        if let Some(bus) = &bus {
            replay::letter(bus, ledger, letter, &asked.how.by).await?;
            // Whoever stops reading does not stop the replay.
            let _read_or_not = out::line(format_args!("replayed to {target}: {}", dead::text_line(letter)));
            tokio::time::sleep(Duration::from_secs(1) / asked.how.rate.max(1)).await;
        } else {
            out::line(format_args!("would replay to {target}: {}", dead::text_line(letter)))?;
        }
    }
    if u32::try_from(letters.len()).is_ok_and(|chosen| asked.ids.is_empty() && chosen >= asked.which.limit) {
        let limit = asked.which.limit;
        out::line(format_args!("these are the newest {limit} of what was chosen; there may be more: run it again"))?;
    }
    close(bus).await;
    Ok(())
}

async fn chosen(asked: &OfLetters, ledger: &Ledger) -> Result<Vec<StoredDeadLetter<Outline>>> {
    if !asked.ids.is_empty() {
        let mut letters = Vec::new();
        for id in &asked.ids {
            letters.push(find::listed_letter(ledger, id).await?);
        }
        return Ok(letters);
    }
    let which = &asked.which;
    let narrowed = which.worker.is_some() || which.since.is_some() || which.until.is_some() || which.text.is_some();
    ensure!(narrowed || asked.all, "choose: ids, --worker, --since, --until, --text, or --all");
    let mut letters = ledger.dead_letters(&which.filter()).await?;
    // Oldest first: as they would have been handled.
    letters.reverse();
    Ok(letters)
}

pub(crate) async fn of_event(asked: &OfEvent, ledger: &Ledger, config: &Config) -> Result<()> {
    let recorded = find::event(ledger, &asked.id).await?;
    let id = recorded.message.attribute("id").to_owned();
    let target = replay::target(asked.worker);
    if asked.how.dry_run {
        out::line(format_args!("would replay {id} ({}) to {target}", recorded.message.attribute("type")))?;
        return Ok(());
    }
    let bus = open::bus(config).await?;
    replay::event(&bus, ledger, &recorded, asked.worker, &asked.how.by).await?;
    out::line(format_args!("replayed {id} ({}) to {target}", recorded.message.attribute("type")))?;
    close(Some(bus)).await;
    Ok(())
}

async fn close(bus: Option<Bus>) {
    if let Some(bus) = bus {
        bus.close().await;
    }
}
