//! Messages to write down, and keys to claim.

use std::collections::BTreeMap;

use proto::{EventId, Message, Timestamp, WorkerName};

/// A readable message of this type, with a new id.
pub(crate) fn message(kind: &str) -> Message {
    let id = EventId::fresh().to_string();
    let attributes = [
        ("specversion", "1.0"),
        ("id", &id),
        ("source", "/webhooks/github"),
        ("type", kind),
        ("subject", "refs/heads/main"),
        ("time", "2026-03-01T10:00:00.123456Z"),
        ("correlationid", &id),
        ("replay", "0"),
        ("app", "shop"),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Message {
        attributes: BTreeMap::from(attributes),
        content_type: "application/json".to_owned(),
        body: br#"{"ref":"refs/heads/main"}"#.as_slice().into(),
    }
}

/// The message with one attribute set otherwise.
pub(crate) fn with(mut message: Message, name: &str, value: &str) -> Message {
    message.attributes.insert(name.to_owned(), value.to_owned());
    message
}

pub(crate) fn id(message: &Message) -> EventId {
    message.attribute("id").parse().unwrap()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A claim's key on a new event.
pub(crate) fn key(worker: WorkerName) -> ledger::ClaimKey {
    ledger::ClaimKey { worker, event: EventId::fresh(), replay: 0 }
}
