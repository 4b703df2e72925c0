//! What an overview is worth: as of when it is, when something was last heard, and what keeps it from going on.

use std::time::Duration;

use bus::{Bus, QueueState};
use ledger::EventFilter;
use maud::{Markup, html};
use proto::{Timestamp, topology};

use super::parts::time;
use crate::{desk::Desk, fault::Fault};

/// How long the bus may take to say what waits in it: it has nothing to tell that a page should be kept waiting for.
const ASKED: Duration = Duration::from_secs(2);

/// As of when the overview is; and that the bus is away, or what lies in it for somebody.
pub(super) async fn of(desk: &Desk) -> Result<Markup, Fault> {
    let newest = desk.ledger.list_events(&EventFilter { limit: 1, ..EventFilter::default() }).await?;
    let late = |_| Err(format!("it does not say within {ASKED:?} what waits in it"));
    let bus = tokio::time::timeout(ASKED, behind(&desk.bus)).await.unwrap_or_else(late);
    Ok(html! {
        p {
            "As of " (time(Timestamp::now()))
            @if let Some(last) = newest.first() { "; the last event was written down at " (time(last.recorded_at)) }
            "."
        }
        @match bus {
            Err(why) => {
                p.bad role="alert" {
                    "The bus does not answer: " (why) ". Until it does, nothing moves and nothing can be ordered, and what \
                     stands here may be old. " code { "windlass doctor" } " says what is broken."
                }
            }
            Ok(lines) => { @for (class, line) in lines { p class=(class) role="status" { (line) } } }
        }
    })
}

/// What waits in which queue and is not in the overview yet; or why that is not known.
async fn behind(bus: &Bus) -> Result<Vec<(&'static str, String)>, String> {
    bus.ready()?;
    Ok(bus.queues().await.map_err(|why| why.to_string())?.iter().filter_map(line).collect())
}

/// The embedded bus does not tell what waits for its time from what nobody takes, and its workers live where it does.
fn line(queue: &QueueState) -> Option<(&'static str, String)> {
    let QueueState { name, waiting, consumers } = queue;
    let worker = match name.as_str() {
        topology::DEAD | topology::UNROUTED => "recorder",
        name => name.strip_prefix("windlass.")?,
    };
    let is_ladder = worker.starts_with("retry.");
    match (waiting, consumers) {
        (1.., Some(0)) if !is_ladder => Some((
            "warn",
            format!(
                "{waiting} in the queue {name}, and nobody takes from it: start `windlass-{worker}`, or see why it does not run."
            ),
        )),
        (1.., Some(1..)) => Some(("", format!("{waiting} in the queue {name}."))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_can_do_something_about_is_a_warning() {
        let said = |name: &str, waiting, consumers| line(&QueueState { name: name.to_owned(), waiting, consumers });
        let (class, words) = said("windlass.bumper", 3, Some(0)).unwrap_or_default();
        assert!(class == "warn" && words.contains("start `windlass-bumper`"), "{words}");
        assert_eq!(said("windlass.bumper", 3, Some(1)), Some(("", "3 in the queue windlass.bumper.".to_owned())));
        assert!(said(topology::UNROUTED, 1, Some(0)).is_some_and(|(_, words)| words.contains("`windlass-recorder`")));
        for (name, waiting, consumers) in
            [("windlass.bumper", 0, Some(0)), ("windlass.bumper", 3, None), ("windlass.retry.1s", 3, Some(0))]
        {
            assert_eq!(said(name, waiting, consumers), None, "{name}");
        }
    }
}
