//! What came in, as it came.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{DecodeError, Message, SourceName, event};

/// An authenticated webhook: the sender's bytes as they were signed, and the headers that say what they are. Of Slack's
/// bytes, what would let whoever reads them act is blotted out (`***`).
///
/// On the wire the body is the message's body, and the rest are attributes: `webhooksource`, `webhookkind`, `webhookproof`, and
/// `header<name>` for each kept header, its `-` removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookReceived {
    /// The configured source it came to.
    pub webhook_source: SourceName,
    /// The source's kind, such as `github`: which parser reads it.
    pub kind: String,
    /// The sender's `Content-Type`.
    pub content_type: String,
    /// Headers the parser needs, by lower-case name without `-`: `xgithubevent`, `xgithubdelivery`. Never credentials.
    pub headers: BTreeMap<String, String>,
    /// What proved the sender: a secret's reference in the config (never the secret), or the proof's name.
    pub proof: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl WebhookReceived {
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let own = [("webhooksource", self.webhook_source.as_str()), ("webhookkind", &self.kind)];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let proof = self.proof.clone().map(|proof| ("webhookproof".to_owned(), proof));
        let headers = self.headers.iter().map(|(name, value)| (format!("header{name}"), value.clone()));
        own.into_iter().chain(proof).chain(headers.collect::<Vec<_>>())
    }

    pub(crate) fn from_message(message: &Message) -> Result<Self, DecodeError> {
        let header = |(name, value): (&String, &String)| Some((name.strip_prefix("header")?.to_owned(), value.clone()));
        Ok(Self {
            webhook_source: event::read(message, "webhooksource")?,
            kind: event::text(message, "webhookkind")?.to_owned(),
            content_type: message.content_type.clone(),
            headers: message.attributes.iter().filter_map(header).collect(),
            proof: message.attributes.get("webhookproof").cloned(),
            body: message.body.clone(),
        })
    }

    pub(crate) fn describe(&self) -> serde_json::Value {
        serde_json::json!({
            "webhook_source": self.webhook_source,
            "kind": self.kind,
            "content_type": self.content_type,
            "headers": self.headers,
            "proof": self.proof,
            "body_bytes": self.body.len(),
        })
    }
}
