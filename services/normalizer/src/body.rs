//! Bodies as they are sent: JSON, or JSON in a form.

use std::borrow::Cow;

use anyhow::anyhow;
use proto::WebhookReceived;
use runtime::Failure;
use serde::{Deserialize, de::DeserializeOwned};

const FORM: &str = "application/x-www-form-urlencoded";

/// Reads the body as `T`. What cannot be read is a permanent failure that names the source, the event and the place.
pub(crate) fn parse<T: DeserializeOwned>(webhook: &WebhookReceived, event: &str) -> Result<T, Failure> {
    let wrong = |what: &str| {
        let source = &webhook.webhook_source;
        Failure::Permanent(anyhow!("the body of `{event}` from the source `{source}` cannot be read: {what}"))
    };
    let json = json(webhook).map_err(|error| wrong(&format!("no form with a field `payload`: {error}")))?;
    let mut parser = serde_json::Deserializer::from_slice(&json);
    let value = serde_path_to_error::deserialize(&mut parser)
        .map_err(|error| wrong(&format!("at `{}`: {}", error.path(), error.inner())))?;
    parser.end().map_err(|error| wrong(&error.to_string()))?;
    Ok(value)
}

fn json(webhook: &WebhookReceived) -> Result<Cow<'_, [u8]>, serde_urlencoded::de::Error> {
    #[derive(Deserialize)]
    struct Form {
        payload: String,
    }
    let essence = webhook.content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        return Ok(Cow::Borrowed(&webhook.body));
    }
    let form: Form = serde_urlencoded::from_bytes(&webhook.body)?;
    Ok(Cow::Owned(form.payload.into_bytes()))
}
