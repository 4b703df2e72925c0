//! `windlass events`: what happened, as it happens, and one event with all that came of it.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use ledger::{EventFilter, Ledger, Outline, Recorded, Run};
use operate::{
    Beginning, find,
    history::{Cut, Story, event_json, summary},
    name,
};
use proto::{AppName, EventId, EventType};
use runtime::Config;

use crate::{open, out, replay};

/// What one look may bring while following; what comes in between two looks must fit.
const FOLLOWED: u32 = 10_000;
/// How far back to look again: several recorders may commit in another order than they took their places.
const OVERLAP: i64 = 500;

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One event: what it carries, who ran on it, and its whole chain.
    Show {
        /// The event's id, or its beginning.
        id: Beginning,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Sends an event of the past on its way again: to every worker that hears it, or to one.
    Replay(replay::OfEvent),
}

#[derive(Debug, Args)]
struct List {
    /// Only this type, such as `health.reported`.
    #[arg(long = "type")]
    kind: Option<EventType>,
    /// Only of this app.
    #[arg(long)]
    app: Option<AppName>,
    /// Only of this chain: the id of its first event, in full.
    #[arg(long)]
    chain: Option<EventId>,
    /// Only since then: a time, or how long ago (`2h`).
    #[arg(long, value_parser = name::moment)]
    since: Option<Timestamp>,
    /// Only before then.
    #[arg(long, value_parser = name::moment)]
    until: Option<Timestamp>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Goes on with what happens from now.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(events: Events, config: Config) -> Result<()> {
    let ledger = open::ledger(&config).await?;
    match events.verb {
        Some(Verb::Show { id, json }) => show(&ledger, &id, json).await,
        Some(Verb::Replay(replay)) => replay::of_event(&replay, &ledger, &config).await,
        None => {
            if let Some(app) = &events.list.app {
                find::known(&ledger, &config, app).await?;
            }
            print_list(&ledger, &events.list).await
        }
    }
}

async fn print_list(ledger: &Ledger, list: &List) -> Result<()> {
    let mut filter = EventFilter {
        kind: list.kind,
        app: list.app.clone(),
        correlation: list.chain,
        since: list.since,
        until: list.until,
        limit: list.limit,
        ..EventFilter::default()
    };
    let mut shown = BTreeSet::new();
    loop {
        let mut fresh = ledger.list_events(&filter).await?;
        fresh.retain(|event| shown.insert(event.seq));
        for recorded in fresh.iter().rev() {
            print(recorded, list.json)?;
        }
        if !list.follow {
            return Ok(());
        }
        // Not before the first that was shown: the list began there.
        filter.after = shown.first().zip(shown.last()).map(|(first, last)| (first - 1).max(last - OVERLAP));
        shown = filter.after.map(|after| shown.split_off(&after)).unwrap_or_default();
        filter.limit = FOLLOWED;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn print(recorded: &Recorded<Outline>, as_json: bool) -> Result<()> {
    if as_json {
        return out::line(serde_json::to_string(&event_json(recorded))?);
    }
    out::line(text_line(recorded))
}

fn text_line(recorded: &Recorded<Outline>) -> String {
    let message = &recorded.message;
    let time = message.attribute("time").split(['T', '.', 'Z']).nth(1).unwrap_or("").to_owned();
    let id = message.attribute("id").get(..8).unwrap_or("-");
    let (kind, app, what) = (message.attribute("type"), message.attribute("app"), summary(message));
    format!("{time}  {id}  {kind:<17}  {app:<12}  {what}")
}

async fn show(ledger: &Ledger, id: &Beginning, as_json: bool) -> Result<()> {
    let story = Story::of(ledger, find::event(ledger, id).await?).await?;
    if as_json {
        return out::line(serde_json::to_string(&story.to_json())?);
    }
    let Story { event, runs, chain, cut } = story;
    let found = event.outline();
    out::line(text_line(&found))?;
    for (name, value) in &found.message.attributes {
        out::line(format_args!("  {name:<16} {value}"))?;
    }
    out::line(format_args!("  {}", serde_json::to_string_pretty(&event_json(&found).data)?.replace('\n', "\n  ")))?;
    out::line("runs")?;
    for run in &runs {
        out::line(format_args!("  {}", run_line(run)))?;
    }
    out::line("chain")?;
    for Cut { correlation, shown, events } in &cut {
        let all = format!("windlass events --chain {correlation} --limit {events}");
        out::line(format_args!("  these are the newest {shown} of {events} events; all of them: {all}"))?;
    }
    for recorded in &chain {
        out::line(format_args!("  {}", text_line(recorded)))?;
    }
    Ok(())
}

fn run_line(run: &Run) -> String {
    let state = serde_json::to_value(run.state).ok().and_then(|s| s.as_str().map(str::to_owned)).unwrap_or_default();
    let took = run.finished_at.map(|end| end.duration_since(run.started_at)).map(|took| format!(" in {took:#}"));
    let error = run.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let again = if run.replay == 0 { String::new() } else { format!(", replay {}", run.replay) };
    let took = took.unwrap_or_default();
    format!("{:<10} {state}{took}, {} attempts{again}, {} outcomes{error}", run.worker, run.attempts, run.outcomes)
}
