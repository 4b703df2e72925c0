//! `CloudEvents` 1.0 over HTTP, in all three modes: structured, batched and binary. Of their types `CDEvents` are
//! understood.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;
use serde_json::Value;

use crate::{body, cdevents, said::Said, shown};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// One event: its type and its data.
#[derive(Debug, Deserialize)]
pub(crate) struct CloudEvent {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    data_base64: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let events = events(webhook)?;
    if events.is_empty() {
        return Ok(Said::nothing("a batch without events"));
    }
    let said = |event: CloudEvent| match event.kind.as_str() {
        kind if cdevents::is_one(kind) => {
            let data = event.json(webhook)?;
            cdevents::read(webhook, kind, data)
        }
        other => Ok(Said::Nothing(format!("nothing here is called `{}`", shown(other)))),
    };
    events.into_iter().map(said).collect()
}

/// Whether it says of itself that it is a `CloudEvent`, or several.
pub(crate) fn is_one(webhook: &WebhookReceived) -> bool {
    let media_type = body::media_type(webhook);
    [STRUCTURED, BATCH].iter().any(|known| known.eq_ignore_ascii_case(media_type))
        || webhook.headers.contains_key("cetype")
}

/// Every event of the body.
pub(crate) fn events(webhook: &WebhookReceived) -> Result<Vec<CloudEvent>, Failure> {
    let media_type = body::media_type(webhook);
    if media_type.eq_ignore_ascii_case(BATCH) {
        return body::parse(webhook, "batch");
    }
    if media_type.eq_ignore_ascii_case(STRUCTURED) {
        return Ok(vec![body::parse(webhook, "event")?]);
    }
    if let Some(kind) = webhook.headers.get("cetype") {
        let data = if webhook.body.is_empty() { None } else { Some(body::parse(webhook, kind)?) };
        return Ok(vec![CloudEvent { kind: kind.clone(), data, data_base64: None }]);
    }
    // Some send the structured form under JSON's own name.
    Ok(vec![body::parse(webhook, "event")?])
}

impl CloudEvent {
    /// Its data, which may be JSON in base64.
    pub(crate) fn json(&self, webhook: &WebhookReceived) -> Result<Value, Failure> {
        let Some(encoded) = &self.data_base64 else { return Ok(self.data.clone().unwrap_or_default()) };
        let wrong = |error| body::unreadable(webhook, &self.kind, &format!("at `data_base64`: {error}"));
        let bytes = BASE64_STANDARD.decode(encoded).map_err(wrong)?;
        body::parse_bytes(webhook, &self.kind, "data_base64", &bytes)
    }
}
