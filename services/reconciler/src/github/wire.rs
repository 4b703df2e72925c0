//! What GitHub's API says, as far as it is needed (docs.github.com, REST API: "Repository webhooks", "Organization
//! webhooks", "GitHub App webhooks", API version 2022-11-28).

use anyhow::{Context, Result};
use proto::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

/// A webhook.
#[derive(Debug, Deserialize)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) config: HookConfig,
}

/// Where it sends.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct HookConfig {
    #[serde(default)]
    pub(crate) url: Option<String>,
}

/// One attempt to deliver: the first, or one that was asked for. Those of one delivery share its GUID.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Attempt {
    /// The attempt's own number.
    pub(crate) id: u64,
    /// The delivery's id: `X-GitHub-Delivery`.
    pub(crate) guid: String,
    pub(crate) delivered_at: Timestamp,
    /// What the receiver answered; 0 or nothing when it did not.
    #[serde(default)]
    pub(crate) status_code: Option<i64>,
    /// `push`.
    #[serde(default)]
    pub(crate) event: String,
}

/// An installation of an App.
#[derive(Debug, Deserialize)]
pub(crate) struct Installation {
    pub(crate) id: u64,
}

/// An installation's token.
#[derive(Debug, Deserialize)]
pub(crate) struct InstallationToken {
    pub(crate) token: String,
    pub(crate) expires_at: Timestamp,
}

/// An error's body.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) message: String,
}

/// Reads a body; the error says where in it.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, body: &str) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut reader).with_context(|| format!("reading GitHub's {what}"))
}

/// The cursor of the next page, from a `Link` header (RFC 8288). Only the cursor is taken from it: the token goes
/// nowhere but to the API that is configured.
pub(crate) fn next_cursor(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let url = next.split_once('<')?.1.split_once('>')?.0;
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_cursor_is_taken_from_a_link() {
        let at = "https://api.github.com/repositories/1/hooks/2/deliveries";
        let link = format!("<{at}?per_page=100&cursor=v1_17%2B8>; rel=\"next\", <{at}?per_page=100>; rel=\"first\"");
        assert_eq!(next_cursor(&link).as_deref(), Some("v1_17+8"));
        assert_eq!(next_cursor(&format!("<{at}?cursor=a>; rel=\"prev\"")), None);
        assert_eq!(next_cursor("nonsense"), None);
    }

    #[test]
    fn an_attempt_may_have_had_no_answer() {
        let attempt = |status: &str| {
            let text = format!(
                "[{{\"id\":12345678,\"guid\":\"0b989ba4\",\"delivered_at\":\"2019-06-03T00:57:16Z\",\"redelivery\":false,\
                 \"duration\":0.27,\"status\":\"timed out\",\"status_code\":{status},\"event\":\"push\",\"action\":null,\
                 \"installation_id\":null,\"repository_id\":123,\"throttled_at\":null}}]"
            );
            parse::<Vec<Attempt>>("deliveries", &text).map(|list| list[0].status_code)
        };
        assert_eq!(attempt("0").unwrap(), Some(0));
        assert_eq!(attempt("null").unwrap(), None);
        let error = format!("{:#}", attempt("\"no\"").unwrap_err());
        assert!(error.contains("reading GitHub's deliveries: [0].status_code"), "{error}");
    }
}
