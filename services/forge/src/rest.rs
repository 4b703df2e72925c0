//! Questions to an API that is asked with a token: GitLab's, Gitea's. One after the other, and at once or not at all:
//! where one must wait, the error is [`Later`].

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use http::{HeaderName, HeaderValue, Method, header};
use proto::Timestamp;
use runtime::{
    Secret, SecretRef,
    http::{HttpError, read_bounded},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    gate::{Gate, Gates},
    limits::{self, Cause, Later, Limits, Verdict},
};

/// More than any answer we ask for takes: a page of a hundred of what a host says of itself.
const LARGEST: usize = 16 * 1024 * 1024;

/// An API, as somebody.
pub(crate) struct Rest {
    host: Host,
    base: String,
    http: reqwest::Client,
    token: SecretRef,
    /// Questions go one after the other.
    gate: Arc<Gate>,
}

/// Whose API it is.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: &'static str,
    /// How it takes a token: in which header, and behind which word.
    pub(crate) header: HeaderName,
    pub(crate) scheme: &'static str,
    /// What the token must be allowed, for whoever is refused.
    pub(crate) may: &'static str,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question<'a> {
    method: Method,
    path: &'a str,
    body: Option<Value>,
    /// Statuses that answer this very question, whatever they mean elsewhere.
    answers: &'a [u16],
}

/// What was answered: what was asked for, or that there is no such thing.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Whether there is another page, where the answer tells.
    pub(crate) has_next: bool,
    limits: Limits,
}

impl<'a> Question<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: None, answers: &[] }
    }

    pub(crate) fn send(method: Method, path: &'a str, body: Value) -> Self {
        Self { method, path, body: Some(body), answers: &[] }
    }

    pub(crate) fn answered_by(self, answers: &'a [u16]) -> Self {
        Self { answers, ..self }
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Rest {
    /// The API at this address. Those made with the same `gates` share limits where the host counts them together.
    pub(crate) fn new(host: Host, base: &str, token: SecretRef, gates: &Gates, http: reqwest::Client) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let gate = gates.of(&base, format!("token {token}"));
        Self { host, base, http, token, gate }
    }

    /// Asks, once.
    ///
    /// # Errors
    /// [`Later`] where one is to ask again; anything else is for people to mend, and says what.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        let _turn = self.gate.enter().await;
        if let Some(after) = self.gate.rest() {
            let why = format!("{question} at {}: what is left of the limit is left to others", self.base);
            bail!(Later { cause: Cause::Primary, after, why });
        }
        let answer = match self.exchange(&question).await? {
            Ok(answer) => answer,
            Err(error @ HttpError::Blocked(_)) => bail!(error),
            Err(error) => return Err(self.later(Cause::Trouble, limits::trouble(0), &question, &error.to_string())),
        };
        let now = Timestamp::now().as_second();
        let verdict = limits::judge(answer.status, &answer.limits, &answer.message(), 0, now);
        match verdict {
            _ if question.answers.contains(&answer.status) => Ok(answer),
            Verdict::Answer => {
                self.gate.rest_until(answer.limits.rest(now).map(|wait| Instant::now() + wait));
                Ok(answer)
            }
            Verdict::NotKnown => bail!(self.refusal(&question, "it does not know who we are", &answer)),
            Verdict::Refused(why) => bail!(self.refusal(&question, why, &answer)),
            Verdict::Wait(cause, after) => Err(self.later(cause, after, &question, &answer.said())),
        }
    }

    /// Asks for something that must be there.
    pub(crate) async fn read<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<(T, bool)> {
        let answer = self.ask(Question::get(path)).await?;
        match answer.status {
            200 => Ok((self.parse(what, &answer.body)?, answer.has_next)),
            _ => bail!(self.refused(&format!("reading {what}"), &answer)),
        }
    }

    /// Reads a body; the error says where in it.
    pub(crate) fn parse<T: DeserializeOwned>(&self, what: &str, body: &str) -> Result<T> {
        let mut reader = serde_json::Deserializer::from_str(body);
        serde_path_to_error::deserialize(&mut reader).with_context(|| format!("reading {}'s {what}", self.host.name))
    }

    /// What is said of an answer that nobody can go on with: such a host says "not found" of what one may not see.
    pub(crate) fn refused(&self, what: &str, answer: &Answer) -> String {
        format!("{what}: {} answered {}; {}", self.host.name, answer.said(), self.hint())
    }

    /// What to mend, in words.
    pub(crate) fn hint(&self) -> String {
        format!("check that {} may {}", self.token, self.host.may)
    }

    fn refusal(&self, question: &Question<'_>, why: &str, answer: &Answer) -> String {
        format!("{question} at {}: {why} ({}); {}", self.base, answer.said(), self.hint())
    }

    /// A limit holds for all who share it.
    fn later(&self, cause: Cause, after: Duration, question: &Question<'_>, why: &str) -> anyhow::Error {
        if cause != Cause::Trouble {
            self.gate.rest_until(Some(Instant::now() + after));
        }
        Later { cause, after, why: format!("{question} at {}: {why}", self.base) }.into()
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Result<Answer, HttpError>> {
        let token = self.authorization(&self.token.read()?)?;
        let url = format!("{}{}", self.base, question.path);
        let request = self.http.request(question.method.clone(), url).header(self.host.header.clone(), token);
        let request = request.header(header::ACCEPT, "application/json");
        let request = match &question.body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Err(error.into())),
        };
        let said = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let limits = Limits::read(said);
        let by_link = said("link").is_some_and(|link| link.contains("rel=\"next\""));
        let has_next = by_link || said("x-next-page").is_some_and(|page| !page.trim().is_empty());
        let status = response.status().as_u16();
        Ok(read_bounded(response, LARGEST).await.map(|body| {
            let body = String::from_utf8_lossy(&body).into_owned();
            Answer { status, body, has_next, limits }
        }))
    }

    fn authorization(&self, token: &Secret) -> Result<HeaderValue> {
        let said = format!("{}{}", self.host.scheme, token.expose());
        // The parser's own words would be nothing to go by, and must not repeat it.
        let value = HeaderValue::from_str(&said).ok();
        let mut value =
            value.with_context(|| format!("{} holds what no header can; write a token alone", self.token))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Answer {
    /// Its own words, bounded; the body may be a page for people.
    fn message(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let keys = ["message", "error_description", "error"];
        let said = keys.iter().map(|key| words(&body[*key])).find(|said| !said.is_empty()).unwrap_or_default();
        said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
    }

    /// Status and words.
    pub(crate) fn said(&self) -> String {
        let (status, message) = (self.status.to_string(), self.message());
        // GitLab's words often begin with it.
        if message.starts_with(&status) { message } else { format!("{status} {message}").trim_end().to_owned() }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        Answer { status, body: body.to_owned(), has_next: false, limits: Limits::default() }.said()
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
        assert_eq!(said(502, "<html>Bad Gateway</html>"), "502");
    }
}
