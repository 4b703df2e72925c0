//! What a host answers, in whichever form it says what is wrong.

use anyhow::{Context, Result};
use proto::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::limits::{self, Limits, Verdict};

/// More than any answer we ask for takes, in bytes: a page of a hundred of what a host says of itself.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;
/// As much of a host's own words as is told.
const WORDS: usize = 300;

/// What was answered: what was asked for, or that there is no such thing.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What came with it.
    pub body: String,
    /// The cursor of the next page, where pages have cursors.
    pub next: Option<String>,
    /// Whether there is another page, where the answer tells.
    pub(crate) has_next: bool,
    /// What a classic token of GitHub's may do, parted by commas; nothing of others.
    pub(crate) scopes: Option<String>,
    pub(crate) limits: Limits,
}

impl Answer {
    /// One with this status and these headers, whose body has not been read.
    pub(crate) fn headed<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let link = header("link");
        let by_link = link.is_some_and(|link| next_in(link).is_some());
        let has_next = by_link || header("x-next-page").is_some_and(|page| !page.trim().is_empty());
        let (next, limits) = (link.and_then(next_cursor), Limits::read(&header));
        let scopes = header("x-oauth-scopes").map(ToOwned::to_owned);
        Self { status, body: String::new(), next, has_next, scopes, limits }
    }

    /// What it means to who has asked `tried` times before.
    pub(crate) fn judge(&self, tried: u32) -> Verdict {
        limits::judge(self.status, &self.limits, &self.message(), tried, Timestamp::now().as_second())
    }

    /// Its own words, bounded; the body may be a page for people.
    fn message(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let keys = ["message", "error_description", "error"];
        let said = keys.iter().map(|key| words(&body[*key])).find(|said| !said.is_empty());
        // GitHub's say what exactly is wrong behind that.
        let details = body["errors"].as_array().into_iter().flatten().filter_map(|error| error["message"].as_str());
        let said: Vec<_> = said.into_iter().chain(details.map(ToOwned::to_owned)).collect();
        said.join(": ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect()
    }

    /// Status and words.
    pub fn said(&self) -> String {
        let (status, message) = (self.status.to_string(), self.message());
        // GitLab's words often begin with it.
        if message.starts_with(&status) { message } else { format!("{status} {message}").trim_end().to_owned() }
    }
}

/// Reads a body of this host's; the error says where in it.
pub(crate) fn parse<T: DeserializeOwned>(host: &str, what: &str, body: &str) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut reader).with_context(|| format!("reading {host}'s {what}"))
}

/// What a host says: a text, a list of texts, or texts by the field they are about.
fn words(said: &Value) -> String {
    match said {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            fields.iter().map(|(field, said)| format!("{field} {}", words(said))).collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}

/// What of a `Link` header (RFC 8288) leads to the next page.
fn next_in(link: &str) -> Option<&str> {
    link.split(',').find(|part| part.contains("rel=\"next\""))
}

/// The cursor of the next page, from a `Link` header. Only the cursor is taken from it: the token goes nowhere but to the
/// API that is configured.
fn next_cursor(link: &str) -> Option<String> {
    let url = next_in(link)?.split_once('<')?.1.split_once('>')?.0;
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        Answer { body: body.to_owned(), ..Answer::headed(status, |_| None) }.said()
    }

    #[test]
    fn a_hosts_words_are_found_in_whichever_form_it_says_them() {
        assert_eq!(said(405, r#"{"message":"405 Method Not Allowed"}"#), "405 Method Not Allowed");
        assert_eq!(said(409, r#"{"message":["Another open one exists: !3"]}"#), "409 Another open one exists: !3");
        let fields = r#"{"message":{"title":["is too long"],"base":["one","two"]}}"#;
        assert_eq!(said(400, fields), "400 base one; two; title is too long");
        let scope = r#"{"error":"insufficient_scope","error_description":"It requires more.","scope":"api"}"#;
        assert_eq!(said(403, scope), "403 It requires more.");
        assert_eq!(said(405, r#"{"message":"","url":"https://git.example/api/swagger"}"#), "405");
        let invalid =
            r#"{"message":"Validation Failed","errors":[{"code":"custom","message":"No commits"},{"code":"x"}]}"#;
        assert_eq!(said(422, invalid), "422 Validation Failed: No commits");
        assert_eq!(said(502, "<html>Bad Gateway</html>"), "502");
    }

    #[test]
    fn another_page_is_told_by_a_link_or_by_its_number() {
        let has_next = |name: &'static str, value: &'static str| {
            Answer::headed(200, |asked| (asked == name).then_some(value)).has_next
        };
        assert!(has_next("link", "<https://git.example/x?page=2>; rel=\"next\"") && has_next("x-next-page", "2"));
        assert!(!has_next("link", "<https://git.example/x>; rel=\"first\"") && !has_next("x-next-page", " "));
    }

    #[test]
    fn only_the_cursor_is_taken_from_a_link() {
        let at = "https://api.github.com/repositories/1/hooks/2/deliveries";
        let link = format!("<{at}?per_page=100&cursor=v1_17%2B8>; rel=\"next\", <{at}?per_page=100>; rel=\"first\"");
        assert_eq!(next_cursor(&link).as_deref(), Some("v1_17+8"));
        assert_eq!(next_cursor(&format!("<{at}?cursor=a>; rel=\"prev\"")), None);
        assert_eq!(next_cursor("nonsense"), None);
    }
}
