//! Questions to an API that is asked with a token: GitLab's, Gitea's. One after the other, and at once or not at all:
//! where one must wait, the error is [`Later`].

use std::fmt;

use anyhow::{Context, Result, bail};
use http::{HeaderName, HeaderValue, Method, header};
use runtime::{
    Secret, SecretRef,
    http::{HttpError, read_bounded},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    answer::{self, Answer, LARGEST},
    gate::Gates,
    limits::{self, Cause, Verdict},
    server::Server,
};

/// An API, as somebody.
pub(crate) struct Rest {
    host: Host,
    server: Server,
    http: reqwest::Client,
    token: SecretRef,
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
        let server = Server::new(base, format!("token {token}"), gates);
        Self { host, server, http, token }
    }

    /// Asks, once.
    ///
    /// # Errors
    /// [`crate::Later`] where one is to ask again; anything else is for people to mend, and says what.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        let _turn = self.server.gate.enter().await;
        if let Some(later) = self.server.rests(&question) {
            bail!(later);
        }
        let answer = match self.exchange(&question).await? {
            Ok(answer) => answer,
            Err(error @ HttpError::Blocked(_)) => bail!(error),
            Err(error) => {
                bail!(self.server.later(Cause::Trouble, limits::trouble(0), &question, &error.to_string()))
            }
        };
        let refusal = |why| self.server.refusal(&question, why, &answer, &self.hint());
        match answer.judge(0) {
            _ if question.answers.contains(&answer.status) => Ok(answer),
            Verdict::Answer => {
                self.server.heed(&answer);
                Ok(answer)
            }
            Verdict::NotKnown => bail!(refusal("it does not know who we are")),
            Verdict::Refused(why) => bail!(refusal(why)),
            Verdict::Wait(cause, after) => bail!(self.server.later(cause, after, &question, &answer.said())),
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
        answer::parse(self.host.name, what, body)
    }

    /// What is said of an answer that nobody can go on with: such a host says "not found" of what one may not see.
    pub(crate) fn refused(&self, what: &str, answer: &Answer) -> String {
        format!("{what}: {} answered {}; {}", self.host.name, answer.said(), self.hint())
    }

    /// What to mend, in words.
    pub(crate) fn hint(&self) -> String {
        format!("check that {} may {}", self.token, self.host.may)
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Result<Answer, HttpError>> {
        let token = self.authorization(&self.token.read()?)?;
        let url = format!("{}{}", self.server.base, question.path);
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
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let answer = Answer::headed(response.status().as_u16(), header);
        let body = read_bounded(response, LARGEST).await;
        Ok(body.map(|body| Answer { body: String::from_utf8_lossy(&body).into_owned(), ..answer }))
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
