//! `windlass dead`: what could not be handled, and sending it on its way again.

use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use ledger::{DeadFilter, Ledger, Outline, StoredDeadLetter};
use operate::{
    Beginning, find,
    history::{letter_json, summary},
    name,
};
use proto::WorkerName;
use runtime::Config;

use crate::{open, out, replay};

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// Lists dead letters, newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One dead letter: its cause, and what it carries.
    Show {
        /// The dead letter's id, or its beginning.
        id: Beginning,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Publishes dead letters to their worker again.
    Replay(replay::OfLetters),
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// Only from this worker's queue.
    #[arg(long)]
    pub(crate) worker: Option<WorkerName>,
    /// Only given up since then: a time, or how long ago (`2h`).
    #[arg(long, value_parser = name::moment)]
    pub(crate) since: Option<Timestamp>,
    /// Only given up before then.
    #[arg(long, value_parser = name::moment)]
    pub(crate) until: Option<Timestamp>,
    /// Only those whose reason holds this text.
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// Those that were replayed already as well.
    #[arg(long)]
    pub(crate) with_replayed: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

impl Which {
    /// The same for the ledger.
    pub(crate) fn filter(&self) -> DeadFilter {
        DeadFilter {
            worker: self.worker,
            since: self.since,
            until: self.until,
            text: self.text.clone(),
            id_prefix: None,
            with_replayed: self.with_replayed,
            before: None,
            limit: self.limit,
        }
    }
}

pub(crate) async fn run(dead: Dead, config: Config) -> Result<()> {
    let ledger = open::ledger(&config).await?;
    match dead {
        Dead::List { which, json } => list(&ledger, &which, json).await,
        Dead::Show { id, json } => show(&ledger, &id, json).await,
        Dead::Replay(replay) => replay::of_letters(&replay, &ledger, &config).await,
    }
}

async fn list(ledger: &Ledger, which: &Which, as_json: bool) -> Result<()> {
    for letter in ledger.dead_letters(&which.filter()).await? {
        if as_json {
            out::line(serde_json::to_string(&letter_json(&letter))?)?;
        } else {
            out::line(text_line(&letter))?;
        }
    }
    Ok(())
}

/// A dead letter in a line.
pub(crate) fn text_line(stored: &StoredDeadLetter<Outline>) -> String {
    let letter = &stored.letter;
    let id = stored.id.to_string();
    let worker = letter.worker.map_or("no queue", WorkerName::as_str);
    let replayed = if stored.replayed_at.is_some() { " (replayed)" } else { "" };
    let reason = letter.reason.lines().next().unwrap_or("");
    let kind = letter.message.attribute("type");
    format!(
        "{}  {:.0}  {worker:<10}  {kind:<17}  {} attempts{replayed}: {reason}",
        &id[..8],
        letter.parked_at,
        letter.attempts
    )
}

async fn show(ledger: &Ledger, id: &Beginning, as_json: bool) -> Result<()> {
    let stored = find::letter(ledger, id).await?.outline();
    if as_json {
        return out::line(serde_json::to_string(&letter_json(&stored))?);
    }
    let letter = &stored.letter;
    out::line(text_line(&stored))?;
    out::line(format_args!("  reason\n    {}", letter.reason.replace('\n', "\n    ")))?;
    out::line(format_args!("  event\n    {}", summary(&letter.message)))?;
    for (name, value) in &letter.message.attributes {
        out::line(format_args!("  {name:<16} {value}"))?;
    }
    if let (Some(at), Some(by)) = (stored.replayed_at, &stored.replayed_by) {
        out::line(format_args!("  replayed         {at} by {by}"))?;
    }
    out::line(format_args!("  once it is mended: windlass dead replay {}", &stored.id.to_string()[..8]))
}
