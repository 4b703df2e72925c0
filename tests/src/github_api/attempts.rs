//! What webhooks attempted, as GitHub lists it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proto::Timestamp;
use serde_json::{Value, json};

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// This status was answered.
    Answered(u16),
    /// No answer within ten seconds.
    TimedOut,
    /// No connection.
    Unreachable,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its number.
    pub id: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Whether it was asked for.
    pub again: bool,
    /// What became of it.
    pub outcome: Outcome,
    pub(super) hook: u64,
    pub(super) sent: Sent,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) guid: String,
    pub(super) event: String,
    pub(super) body: Bytes,
    action: Option<String>,
}

/// Every attempt, by its number.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_id: BTreeMap<u64, Attempt>,
    by_guid: HashMap<String, Vec<u64>>,
}

impl Outcome {
    /// Whether it was taken.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    fn code(self) -> u16 {
        match self {
            Self::Answered(status) => status,
            Self::TimedOut | Self::Unreachable => 0,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Answered(200..=299) => "OK".to_owned(),
            Self::Answered(status) => format!("Invalid HTTP Response: {status}"),
            Self::TimedOut => "timed out".to_owned(),
            Self::Unreachable => "failed to connect to host".to_owned(),
        }
    }
}

impl Sent {
    pub(super) fn new(event: &str, payload: &Value) -> Self {
        Self {
            guid: uuid::Uuid::new_v4().to_string(),
            event: event.to_owned(),
            body: payload.to_string().into(),
            action: payload["action"].as_str().map(ToOwned::to_owned),
        }
    }
}

impl Attempts {
    /// Lists an attempt. Numbers grow with time, as far as GitHub's do: what is listed later has a higher one.
    pub(super) fn add(&mut self, hook: u64, sent: &Sent, at: Timestamp, outcome: Outcome, again: bool) {
        let id = self.by_id.last_key_value().map_or(17_000_000_000, |(last, _)| last + 3);
        self.insert(Attempt { id, at, again, outcome, hook, sent: sent.clone() });
    }

    /// Lists an attempt late: its number is that before the first of another.
    pub(super) fn add_below(&mut self, other: &str, sent: &Sent, at: Timestamp, outcome: Outcome) {
        let Some(Attempt { id, hook, .. }) = self.of(other).first().cloned() else { return };
        self.insert(Attempt { id: id - 1, at, again: false, outcome, hook, sent: sent.clone() });
    }

    fn insert(&mut self, attempt: Attempt) {
        self.by_guid.entry(attempt.sent.guid.clone()).or_default().push(attempt.id);
        self.by_id.insert(attempt.id, attempt);
    }

    pub(super) fn get(&self, id: u64) -> Option<&Attempt> {
        self.by_id.get(&id)
    }

    pub(super) fn of(&self, guid: &str) -> Vec<Attempt> {
        self.by_guid.get(guid).into_iter().flatten().filter_map(|id| self.by_id.get(id)).cloned().collect()
    }

    pub(super) fn missing(&self) -> Vec<String> {
        let taken = |id: &u64| self.by_id.get(id).is_some_and(|attempt| attempt.outcome.is_taken());
        let missing = self.by_guid.iter().filter(|(_, ids)| !ids.iter().any(taken));
        missing.map(|(guid, _)| guid.clone()).collect()
    }

    /// A page of a webhook's attempts, newest first, from this number on; and where the next begins.
    pub(super) fn page(&self, hook: u64, from: u64, size: usize) -> (Vec<Value>, Option<u64>) {
        let mut found =
            self.by_id.range(..=from).rev().map(|(_, attempt)| attempt).filter(|attempt| attempt.hook == hook);
        let page = found.by_ref().take(size).map(Attempt::listed).collect();
        (page, found.next().map(|attempt| attempt.id))
    }
}

impl Attempt {
    /// As a list has it.
    fn listed(&self) -> Value {
        json!({
            "id": self.id, "guid": self.sent.guid, "delivered_at": format!("{:.0}", self.at), "redelivery": self.again,
            "duration": 0.27, "status": self.outcome.words(), "status_code": self.outcome.code(),
            "event": self.sent.event, "action": self.sent.action, "installation_id": null,
            "repository_id": 186_853_002, "throttled_at": null,
        })
    }
}
