//! What the ledger tells: that every event was handled by all who hear it, once, and that all that came of it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};

use anyhow::{Context, Result, bail};
use proto::{EventType, WorkerName, topology::QUEUES};
use serde_json::{Value, json};
use testkit::engine::Engine;

use crate::{book::Book, load::Push};

/// The ledger at the end.
pub(crate) struct Records {
    /// Every event, oldest first, as `windlass events --json` tells it.
    pub(crate) events: Vec<Value>,
    /// Every environment's state.
    pub(crate) environments: Vec<Value>,
    dead: Vec<Value>,
    runs: Vec<Run>,
}

struct Run {
    worker: String,
    /// Without hyphens.
    event: String,
    replay: u32,
    state: String,
    attempts: u32,
    outcomes: usize,
}

/// Reads all of it.
pub(crate) async fn read(engine: &Engine, book: &Book) -> Result<Records> {
    let events = engine.json(&["events", "--json", "--limit", "1000000"]).await?;
    let dead = engine.json(&["dead", "list", "--json", "--with-replayed", "--limit", "1000000"]).await?;
    let claims = format!("SELECT worker, {}, replay, state, attempts, outcome_count FROM claims", book.hex("event"));
    let runs = book.rows(&claims).await?.into_iter().map(run).collect::<Result<_>>()?;
    let kept = "SELECT kept_for, kept FROM claims WHERE kept_for IS NOT NULL ORDER BY kept_version DESC";
    let environments = environments(&book.rows(kept).await?)?;
    Ok(Records { events, environments, dead, runs })
}

/// What the newest of each app's chains, the newest first, says of its environments.
fn environments(kept: &[Vec<String>]) -> Result<Vec<Value>> {
    let mut newest: BTreeMap<&str, Value> = BTreeMap::new();
    for row in kept {
        let [name, state] = row.as_slice() else { bail!("a chain of other columns") };
        if let Entry::Vacant(place) = newest.entry(name.trim_start_matches("chain/")) {
            place.insert(serde_json::from_str(state)?);
        }
    }
    let places = newest.iter().flat_map(|(app, chain)| {
        let places = chain["places"].as_object().into_iter().flatten();
        places.map(move |(environment, place)| {
            let (current, healthy) = (&place["asked"]["deployment"], &place["asked"]["verdict"]["healthy"]);
            json!({ "app": app, "environment": environment, "current": current, "healthy": healthy })
        })
    });
    Ok(places.collect())
}

fn run(row: Vec<String>) -> Result<Run> {
    let [worker, event, replay, state, attempts, outcomes] =
        <[String; 6]>::try_from(row).ok().context("a run of other columns")?;
    Ok(Run { worker, event, replay: replay.parse()?, state, attempts: attempts.parse()?, outcomes: outcomes.parse()? })
}

/// An attribute of an event.
pub(crate) fn attribute<'a>(event: &'a Value, name: &str) -> &'a str {
    event["attributes"][name].as_str().unwrap_or_default()
}

impl Records {
    /// The events of a type.
    pub(crate) fn of_type(&self, kind: EventType) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| attribute(event, "type") == kind.as_str())
    }

    /// How many runs were begun again.
    pub(crate) fn taken_over(&self) -> usize {
        self.runs.iter().filter(|run| run.attempts > 1).count()
    }

    /// What is not as it should be.
    pub(crate) fn faults(&self, pushes: &[Push]) -> Vec<String> {
        let mut faults: Vec<String> = self.dead.iter().map(|letter| format!("a dead letter: {letter}")).collect();
        faults.extend(self.repeated());
        faults.extend(self.missing(pushes));
        faults.extend(self.unhandled());
        faults.extend(self.miscounted());
        faults
    }

    fn repeated(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let key = |event| (attribute(event, "id"), attribute(event, "replay"));
        let again = self.events.iter().filter(|event| !seen.insert(key(event)));
        again.map(|event| format!("recorded twice: {}", attribute(event, "id"))).collect()
    }

    /// Acknowledged pushes and causes that are not in the history.
    fn missing(&self, pushes: &[Push]) -> Vec<String> {
        let ids: HashSet<_> = self.events.iter().map(|event| attribute(event, "id")).collect();
        let lost = pushes.iter().filter(|push| !ids.contains(push.event.as_str()));
        let mut faults: Vec<_> = lost.map(|push| format!("acknowledged and lost: {push:?}")).collect();
        let causes = self.events.iter().map(|event| attribute(event, "causationid")).filter(|cause| !cause.is_empty());
        let unknown: BTreeSet<_> = causes.filter(|cause| !ids.contains(cause)).collect();
        faults.extend(unknown.into_iter().map(|cause| format!("a cause that was never recorded: {cause}")));
        faults
    }

    /// Events that somebody hears and did not handle to the end.
    fn unhandled(&self) -> Vec<String> {
        let done = self.runs.iter().filter(|run| run.state == "done" && run.replay == 0);
        let done: HashSet<_> = done.map(|run| (run.worker.as_str(), run.event.as_str())).collect();
        let caused: HashSet<_> =
            self.events.iter().map(|e| (attribute(e, "source"), attribute(e, "causationid"))).collect();
        let mut faults = Vec::new();
        for event in &self.events {
            let (id, kind) = (attribute(event, "id"), attribute(event, "type"));
            let Ok(event_type) = kind.parse::<EventType>() else {
                faults.push(format!("an event of the unknown type {kind}"));
                continue;
            };
            for queue in QUEUES.iter().filter(|queue| queue.worker != WorkerName::Recorder && queue.takes(event_type)) {
                let (plain, source) = (id.replace('-', ""), format!("/workers/{}", queue.worker));
                let handled = if queue.claimed {
                    done.contains(&(queue.worker.as_str(), plain.as_str()))
                } else {
                    caused.contains(&(source.as_str(), id))
                };
                if !handled {
                    faults.push(format!("{kind} {id} was not handled by the {}", queue.worker));
                }
            }
        }
        faults
    }

    /// Workers of whose outcomes more or fewer are recorded than their runs have.
    fn miscounted(&self) -> Vec<String> {
        let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
        for run in &self.runs {
            *kept.entry(run.worker.as_str()).or_default() += run.outcomes;
        }
        let mut recorded: HashMap<&str, usize> = HashMap::new();
        for event in &self.events {
            *recorded.entry(attribute(event, "source").trim_start_matches("/workers/")).or_default() += 1;
        }
        let differ =
            kept.into_iter().filter(|(worker, kept)| recorded.get(worker).copied().unwrap_or_default() != *kept);
        let told = |(worker, kept)| {
            format!("the {worker}'s runs have {kept} outcomes, the history {:?}", recorded.get(worker))
        };
        differ.map(told).collect()
    }
}
