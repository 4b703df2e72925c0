//! What GitHub's API says of itself, whatever it is asked (docs.github.com, REST API, version 2022-11-28).

use anyhow::{Context, Result};
use proto::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

/// An installation of an App.
#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
}

/// An installation's token.
#[derive(Debug, Deserialize)]
pub(super) struct InstallationToken {
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
}

/// An error's body.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) message: String,
    /// What exactly is wrong; each may have a `message`.
    #[serde(default)]
    pub(super) errors: Vec<serde_json::Value>,
}

/// Reads a body; the error says where in it.
pub fn parse<T: DeserializeOwned>(what: &str, body: &str) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut reader).with_context(|| format!("reading GitHub's {what}"))
}

/// The cursor of the next page, from a `Link` header (RFC 8288). Only the cursor is taken from it: the token goes
/// nowhere but to the API that is configured.
pub(super) fn next_cursor(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let url = next.split_once('<')?.1.split_once('>')?.0;
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cursor_is_taken_from_a_link() {
        let at = "https://api.github.com/repositories/1/hooks/2/deliveries";
        let link = format!("<{at}?per_page=100&cursor=v1_17%2B8>; rel=\"next\", <{at}?per_page=100>; rel=\"first\"");
        assert_eq!(next_cursor(&link).as_deref(), Some("v1_17+8"));
        assert_eq!(next_cursor(&format!("<{at}?cursor=a>; rel=\"prev\"")), None);
        assert_eq!(next_cursor("nonsense"), None);
    }
}
