//! The wire form of an event: a CloudEvents 1.0 event in binary content mode, whatever carries it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The content type of every payload but `webhook.received`, which keeps its sender's.
pub const JSON: &str = "application/json";

/// An event as a bus or a ledger holds it: CloudEvents context attributes, and a body nobody has parsed.
///
/// Attribute names are CloudEvents' own (`id source specversion type subject time traceparent`) and the
/// extensions `correlationid causationid replay app`; names are lower-case letters and digits (CloudEvents 1.0,
/// naming conventions). A binding adds its own prefix (AMQP: `cloudEvents_`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// CloudEvents context attributes, without `datacontenttype`.
    pub attributes: BTreeMap<String, String>,
    /// CloudEvents `datacontenttype`.
    pub content_type: String,
    /// The data, byte for byte.
    pub body: Bytes,
}

impl Message {
    /// The attribute, or the empty string: for routing and display, where absence is no error.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// `<type>.<app>`; `_` stands where an event belongs to no app.
    pub fn routing_key(&self) -> String {
        let or_none = |name| Some(self.attribute(name)).filter(|value| !value.is_empty()).unwrap_or("_");
        format!("{}.{}", or_none("type"), or_none("app"))
    }
}

/// Why a message is not an event this build can read. The message is parked as it is; nothing of it is lost.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// An attribute every event has is absent.
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    /// An attribute is there and cannot be read.
    #[error("attribute `{name}` = `{value}`: {why}")]
    Attribute {
        /// The attribute's name.
        name: &'static str,
        /// What it held.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// The body does not fit the type.
    #[error("body of `{kind}`: {why}")]
    Body {
        /// The event's type.
        kind: super::EventType,
        /// The parser's words, with line and column.
        why: serde_json::Error,
    },
}
