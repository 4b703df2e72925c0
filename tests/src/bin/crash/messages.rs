//! Slack: one message for each thing worth telling, and at most one more for each time the notifier died.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use testkit::slack::FakeSlack;

use crate::records::{Records, attribute};

/// What Slack got.
pub(crate) struct Compared {
    pub(crate) messages: usize,
    /// Messages beyond the first of each event.
    pub(crate) doubled: usize,
    pub(crate) faults: Vec<String>,
}

/// Holds Slack's messages against the events.
pub(crate) fn compare(slack: &FakeSlack, records: &Records, crashes: u32) -> Compared {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let messages = slack.messages();
    for message in &messages {
        *counts.entry(event_of(message)).or_default() += 1;
    }
    let expected = records.events.iter().filter(|event| is_told(event)).map(|event| attribute(event, "id").to_owned());
    let expected: HashSet<String> = expected.collect();
    let doubled = counts.values().map(|count| count - 1).sum();
    let missing =
        expected.iter().filter(|id| !counts.contains_key(*id)).map(|id| format!("Slack was not told of {id}"));
    let foreign = counts.keys().filter(|id| !expected.contains(*id)).map(|id| format!("Slack was told of {id:?}"));
    let mut faults: Vec<_> = missing.chain(foreign).collect();
    if doubled > crashes as usize {
        faults.push(format!("{doubled} messages came again in Slack, after {crashes} crashes of the notifier"));
    }
    Compared { messages: messages.len(), doubled, faults }
}

/// The event in a message's footer: ``event `id` ``.
fn event_of(message: &Value) -> String {
    let blocks = message["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let footer = blocks.last().and_then(|block| block["elements"][0]["text"].as_str()).unwrap_or_default();
    footer.trim_start_matches("event ").trim_matches('`').to_owned()
}

/// Whether people are to be told of it.
fn is_told(event: &Value) -> bool {
    let data = &event["data"];
    match attribute(event, "type") {
        "manifest.bumped" | "image.failed" => true,
        "tests.finished" | "scan.finished" => data["passed"] == false,
        "sync.finished" => data["succeeded"] == false,
        "health.reported" => {
            let mut checks = data["checks"].as_array().into_iter().flatten();
            data["healthy"] == true || !checks.all(|check| check["name"] == "sync")
        }
        "delivery.parked" => data["worker"] != json!("notifier"),
        _ => false,
    }
}
