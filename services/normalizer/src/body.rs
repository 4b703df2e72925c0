//! Bodies as they are sent: JSON, or JSON in a form.

use std::borrow::Cow;

use anyhow::anyhow;
use proto::WebhookReceived;
use runtime::Failure;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::shown;

const FORM: &str = "application/x-www-form-urlencoded";
/// The most values a body may hold, by what begins or parts them. Of some dialects the whole body is kept while it is
/// read, where a value takes 32 bytes and more: 25 MB of zeros would take a gigabyte.
const MOST_VALUES: usize = 2_000_000;
/// The longest path of a field in a message, in characters: deep bodies have long ones.
const LONGEST_PATH: usize = 80;

/// Reads the body as `T`. What cannot be read is a permanent failure that names the source, the event and the place.
pub(crate) fn parse<T: DeserializeOwned>(webhook: &WebhookReceived, event: &str) -> Result<T, Failure> {
    let json = json(webhook)
        .map_err(|error| unreadable(webhook, event, &format!("no form with a field `payload`: {error}")))?;
    parse_bytes(webhook, event, "", &json)
}

/// Reads JSON that stood somewhere in the body.
pub(crate) fn parse_bytes<T: DeserializeOwned>(
    webhook: &WebhookReceived,
    event: &str,
    place: &str,
    json: &[u8],
) -> Result<T, Failure> {
    let opens = |b: &&u8| matches!(b, b',' | b'[' | b'{');
    if json.len() > MOST_VALUES && json.iter().filter(opens).count() > MOST_VALUES {
        return Err(unreadable(webhook, event, &format!("it holds more than {MOST_VALUES} values")));
    }
    let mut parser = serde_json::Deserializer::from_slice(json);
    let value = read(webhook, event, place, &mut parser)?;
    parser.end().map_err(|error| unreadable(webhook, event, &error.to_string()))?;
    Ok(value)
}

/// Reads a part of the body that was kept as it is.
pub(crate) fn parse_value<T: DeserializeOwned>(
    webhook: &WebhookReceived,
    event: &str,
    place: &str,
    value: serde_json::Value,
) -> Result<T, Failure> {
    read(webhook, event, place, value)
}

/// What the words for an unreadable body are.
pub(crate) fn unreadable(webhook: &WebhookReceived, event: &str, what: &str) -> Failure {
    let (source, event) = (&webhook.webhook_source, shown(event));
    Failure::Permanent(anyhow!("the body of `{event}` from the source `{source}` cannot be read: {}", shown(what)))
}

/// The value of a header that the dialect cannot do without.
pub(crate) fn header<'a>(webhook: &'a WebhookReceived, name: &str) -> Result<&'a str, Failure> {
    webhook.headers.get(name).map(String::as_str).ok_or_else(|| {
        let kind = shown(&webhook.kind);
        Failure::permanent(format!("a webhook of kind `{kind}` without the attribute `header{name}`"))
    })
}

/// A field that may be null or absent: its default then.
pub(crate) fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn read<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    webhook: &WebhookReceived,
    event: &str,
    place: &str,
    from: D,
) -> Result<T, Failure> {
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        let at = match (place.is_empty(), path.as_str()) {
            (true, _) => path,
            (false, ".") => place.to_owned(),
            (false, _) => format!("{place}.{path}"),
        };
        unreadable(webhook, event, &format!("at `{}`: {}", start_of(&at), error.inner()))
    })
}

/// A path, cut where it is so long that the words behind it would be.
fn start_of(path: &str) -> String {
    match path.char_indices().nth(LONGEST_PATH) {
        Some((end, _)) => format!("{}…", shown(&path[..end])),
        None => shown(path),
    }
}

fn json(webhook: &WebhookReceived) -> Result<Cow<'_, [u8]>, serde_urlencoded::de::Error> {
    #[derive(Deserialize)]
    struct Form {
        payload: String,
    }
    if !media_type(webhook).eq_ignore_ascii_case(FORM) {
        return Ok(Cow::Borrowed(&webhook.body));
    }
    let form: Form = serde_urlencoded::from_bytes(&webhook.body)?;
    Ok(Cow::Owned(form.payload.into_bytes()))
}

/// The content type without its parameters.
pub(crate) fn media_type(webhook: &WebhookReceived) -> &str {
    webhook.content_type.split(';').next().unwrap_or_default().trim()
}
