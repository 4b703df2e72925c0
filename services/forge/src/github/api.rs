//! Questions to GitHub's API, one after the other, with the patience it asks for.
//!
//! octocrab stands on the client that all of ours do, with its deadlines, and without retries of its own: those know no
//! limits. Whatever is asked here may be asked twice.

use std::{fmt, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use http::HeaderName;
use octocrab::Octocrab;
use proto::Timestamp;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{
    credentials::{self, Bearer, Credentials, MARGIN, Who},
    wire::{self, Installation, InstallationToken},
};
use crate::{
    answer::Answer,
    gate::Gates,
    limits::{self, Cause, Later, Verdict},
    server::Server,
};

const API_VERSION: (HeaderName, &str) = (HeaderName::from_static("x-github-api-version"), "2022-11-28");

/// Told of each wait before a question is asked again: why, and how long.
type OnWait = Box<dyn Fn(Cause, Duration) + Send + Sync>;

/// The API, as somebody.
pub struct Api {
    server: Server,
    http: reqwest::Client,
    credentials: Credentials,
    on_wait: OnWait,
    /// Whether it waits itself where one must.
    waits: bool,
    client: Mutex<Option<(Octocrab, Timestamp)>>,
}

/// GitHub does not know who asks.
#[derive(Debug)]
struct NotKnown(String);

impl std::error::Error for NotKnown {}

impl fmt::Display for NotKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy)]
struct Question<'a> {
    method: &'static str,
    path: &'a str,
    body: Option<&'a Value>,
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Api {
    /// The one at this address: `https://api.github.com`, or `https://<host>/api/v3` of an Enterprise Server. Those made
    /// with the same `gates` share limits where GitHub counts them together.
    pub fn new(
        base: &str,
        credentials: Credentials,
        gates: &Gates,
        http: reqwest::Client,
        on_wait: impl Fn(Cause, Duration) + Send + Sync + 'static,
    ) -> Self {
        let server = Server::new(base, credentials.limited_as(), gates);
        Self { server, http, credentials, on_wait: Box::new(on_wait), waits: true, client: Mutex::default() }
    }

    /// The same for who has something better to do than to wait: where it would, the error is [`Later`] at once.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { waits: false, ..self }
    }

    /// A GET of this path below the API's.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Question { method: "GET", path, body: None }).await
    }

    /// A POST without a body.
    pub async fn post(&self, path: &str) -> Result<Answer> {
        self.ask(Question { method: "POST", path, body: None }).await
    }

    /// A `POST`, `PATCH` or `PUT` with a body.
    pub(super) async fn send(&self, method: &'static str, path: &str, body: &Value) -> Result<Answer> {
        self.ask(Question { method, path, body: Some(body) }).await
    }

    /// Until when whoever asks waits for the limit, and all others who share it; `None` while nobody does.
    pub fn waits_until(&self) -> Option<Timestamp> {
        self.server.gate.waits().map(|wait| Timestamp::now() + wait)
    }

    /// What to mend when something is not there, in words: GitHub says so too of what one may not see.
    pub fn hint(&self) -> String {
        self.credentials.hint()
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        let mut known = self.client.lock().await;
        if let Some((client, until)) = known.take().filter(|(_, until)| Timestamp::now() < *until - MARGIN) {
            match self.patiently(&client, question).await {
                // These credentials may have been taken back.
                Err(error) if error.is::<NotKnown>() => {}
                answer => {
                    *known = Some((client, until));
                    return answer;
                }
            }
        }
        let bearer = self.bearer().await?;
        let client = self.client(&bearer)?;
        let answer = self.patiently(&client, question).await?;
        *known = Some((client, bearer.until));
        Ok(answer)
    }

    async fn bearer(&self) -> Result<Bearer> {
        let (app, owner) = match &self.credentials.of {
            Who::Token(reference) => return credentials::token(reference),
            Who::App(app) => return credentials::jwt(app),
            Who::Installation(app, owner) => (self.client(&credentials::jwt(app)?)?, owner),
        };
        let found = self
            .patiently(&app, Question { method: "GET", path: &format!("/{owner}/installation"), body: None })
            .await?;
        ensure!(found.status == 200, "the App is not installed on {owner}; install it there");
        let Installation { id } = wire::parse("installation", &found.body)?;
        let path = format!("/app/installations/{id}/access_tokens");
        let made = self.patiently(&app, Question { method: "POST", path: &path, body: None }).await?;
        ensure!(made.status == 201, "no token for {owner} ({}); {}", made.status, self.hint());
        let InstallationToken { token, expires_at } = wire::parse("installation token", &made.body)?;
        Ok(Bearer { secret: token.into(), until: expires_at })
    }

    fn client(&self, bearer: &Bearer) -> Result<Octocrab> {
        let built = Octocrab::builder().base_uri(self.server.base.as_str()).and_then(|builder| {
            let builder = builder.personal_token(bearer.secret.expose());
            builder.add_header(API_VERSION.0, API_VERSION.1.to_owned()).build_with_reqwest(self.http.clone())
        });
        built.with_context(|| format!("building a client for {}", self.server.base))
    }

    /// Asks until there is an answer, or none is to be hoped for. Nobody else asks meanwhile: what makes one wait makes
    /// all wait.
    async fn patiently(&self, client: &Octocrab, question: Question<'_>) -> Result<Answer> {
        let _turn = self.server.gate.enter().await;
        let mut tried = 0;
        loop {
            self.rest(question).await?;
            let (cause, wait, why) = match exchange(client, question).await {
                Ok(answer) => match answer.judge(tried) {
                    Verdict::Answer => {
                        self.server.heed(&answer);
                        return Ok(answer);
                    }
                    Verdict::NotKnown => {
                        bail!(NotKnown(self.refusal(question, "it does not know who we are", &answer)))
                    }
                    Verdict::Refused(why) => bail!(self.refusal(question, why, &answer)),
                    Verdict::Wait(cause, wait) => (cause, wait, answer.said()),
                },
                Err(error) => (Cause::Trouble, limits::trouble(tried), innermost(&error)),
            };
            if !self.waits {
                (self.on_wait)(cause, wait);
                bail!(self.server.later(cause, wait, &question, &why));
            }
            if tried >= limits::patience(cause) {
                bail!(Later {
                    cause,
                    after: wait,
                    why: format!("{question} at {}: {why}, again and again", self.server.base)
                });
            }
            tried += 1;
            tracing::info!(question = %question, "asks {} again after {wait:?}: {why}", self.server.base);
            self.wait(cause, wait).await;
        }
    }

    fn refusal(&self, question: Question<'_>, why: &str, answer: &Answer) -> String {
        self.server.refusal(&question, why, answer, &self.hint())
    }

    async fn wait(&self, cause: Cause, wait: Duration) {
        (self.on_wait)(cause, wait);
        if cause != Cause::Trouble {
            self.server.gate.waits_until(Instant::now() + wait);
        }
        tokio::time::sleep(wait).await;
    }

    /// Waits for the window's end, where what is left in it is left to others.
    async fn rest(&self, question: Question<'_>) -> Result<()> {
        let Some(later) = self.server.rests(&question) else { return Ok(()) };
        if !self.waits {
            bail!(later);
        }
        let (wait, base) = (later.after, &self.server.base);
        tracing::info!("leaves what is left of the limit of {base} to others, and goes on in {wait:?}");
        self.wait(later.cause, wait).await;
        Ok(())
    }
}

async fn exchange(client: &Octocrab, question: Question<'_>) -> octocrab::Result<Answer> {
    let Question { method, path, body } = question;
    let response = match method {
        "POST" => client._post(path, body).await?,
        "PATCH" => client._patch(path, body).await?,
        "PUT" => client._put(path, body).await?,
        _ => client._get(path).await?,
    };
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let answer = Answer::headed(response.status().as_u16(), header);
    Ok(Answer { body: client.body_to_string(response).await?, ..answer })
}

/// octocrab's own words say "Service Error"; what happened lies at the end of the chain.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}
