//! Questions to GitHub's API, one after the other, with the patience it asks for.
//!
//! octocrab stands on the client that all of ours do, with its deadlines, and without retries of its own: those know no
//! limits. Whatever is asked here may be asked twice.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use http::HeaderName;
use octocrab::Octocrab;
use proto::Timestamp;
use runtime::{
    github_app::{Installation, Installations, NoToken},
    http::HttpError,
    network::Blocked,
};
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{
    credentials::{Bearer, Credentials, MARGIN, Who},
    exchange::{Question, exchange},
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
    installations: Installations,
    on_wait: OnWait,
    /// Whether it waits itself where one must.
    waits: bool,
    client: Mutex<Option<Client>>,
}

/// A client, and what it asks with.
#[derive(Clone)]
struct Client {
    octocrab: Octocrab,
    bearer: Bearer,
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

/// What came of trying once.
enum Tried<T> {
    Done(T),
    /// To be tried again after this, and why.
    Again(Cause, Duration, String),
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
        let (installations, on_wait, client) = (gates.installations(), Box::new(on_wait), Mutex::default());
        Self { server, http, credentials, installations, on_wait, waits: true, client }
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

    /// What an App's installation may do, as it is told with its token: `contents` is `write`. `None` for who is none.
    pub(super) async fn permissions(&self) -> Result<Option<Arc<BTreeMap<String, String>>>> {
        Ok(self.client().await?.bearer.permissions)
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        loop {
            let Client { octocrab, bearer } = self.client().await?;
            match self.patiently(&octocrab, question).await {
                // What it asks with may have been taken back since it was made or read.
                Err(error) if error.is::<NotKnown>() && !bearer.is_fresh => self.forget(&bearer).await,
                answer => return answer,
            }
        }
    }

    async fn client(&self) -> Result<Client> {
        let mut known = self.client.lock().await;
        if let Some(client) = known.as_ref().filter(|client| client.bearer.is_good()) {
            return Ok(client.clone());
        }
        let bearer = match &self.credentials.of {
            Who::Token(reference) => Bearer::token(reference)?,
            Who::App(app) => Bearer::jwt(app)?,
            Who::Installation(..) => self.installation().await?,
        };
        let made = Client { octocrab: self.build(&bearer)?, bearer };
        *known = Some(Client { bearer: Bearer { is_fresh: false, ..made.bearer.clone() }, ..made.clone() });
        Ok(made)
    }

    /// Forgets what was refused, unless another is in its place already.
    async fn forget(&self, refused: &Bearer) {
        let mut known = self.client.lock().await;
        if known.as_ref().is_some_and(|client| client.bearer.secret == refused.secret) {
            *known = None;
        }
        if let Some(installation) = self.credentials.installation(&self.server.base) {
            self.installations.forget(&installation, |token| *token == refused.secret);
        }
    }

    /// The installation's token, with the same patience as any answer.
    async fn installation(&self) -> Result<Bearer> {
        let Some(of) = self.credentials.installation(&self.server.base) else { bail!("it is no installation") };
        let question = format!("the token of the App {} for {}", of.app, of.on);
        let _turn = self.server.gate.enter().await;
        let mut tried = 0;
        loop {
            self.rest(&question).await?;
            match self.make(&of, tried).await? {
                Tried::Done(bearer) => return Ok(bearer),
                Tried::Again(cause, wait, why) => self.put_off(&question, &mut tried, cause, wait, &why).await?,
            }
        }
    }

    async fn make(&self, of: &Installation<'_>, tried: u32) -> Result<Tried<Bearer>> {
        let answered = match self.installations.token(of, MARGIN, &self.http).await {
            Ok(token) => return Ok(Tried::Done(token.into())),
            Err(NoToken::Answered(answered)) => answered,
            Err(NoToken::Key(why)) => return Err(why),
            Err(error @ (NoToken::Unreadable { .. } | NoToken::Away(HttpError::Blocked(_)))) => bail!(error),
            Err(NoToken::Away(error)) => {
                return Ok(Tried::Again(Cause::Trouble, limits::trouble(tried), error.to_string()));
            }
        };
        let header = |name: &str| answered.headers.get(name).and_then(|value| value.to_str().ok());
        let answer = Answer { body: answered.body.clone(), ..Answer::headed(answered.status, header) };
        let (question, on) = (&answered.question, of.on);
        match answer.judge(tried) {
            Verdict::Wait(cause, wait) => Ok(Tried::Again(cause, wait, answer.said())),
            Verdict::NotKnown => bail!(self.refusal(question, "it does not know the App", &answer)),
            Verdict::Refused(why) => bail!(self.refusal(question, why, &answer)),
            Verdict::Answer if answer.status == 404 => {
                bail!("the App is not installed on {on} ({}); install it there", answer.said())
            }
            Verdict::Answer => bail!("no token for {on} ({}); {}", answer.said(), self.hint()),
        }
    }

    fn build(&self, bearer: &Bearer) -> Result<Octocrab> {
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
            self.rest(&question).await?;
            match self.try_once(client, question, tried).await? {
                Tried::Done(answer) => {
                    self.server.heed(&answer);
                    return Ok(answer);
                }
                Tried::Again(cause, wait, why) => self.put_off(&question, &mut tried, cause, wait, &why).await?,
            }
        }
    }

    async fn try_once(&self, client: &Octocrab, question: Question<'_>, tried: u32) -> Result<Tried<Answer>> {
        let answer = match exchange(client, question).await {
            Ok(answer) => answer,
            Err(error) => match error.downcast::<Blocked>() {
                Ok(blocked) => bail!(blocked),
                Err(error) => {
                    return Ok(Tried::Again(Cause::Trouble, limits::trouble(tried), error.to_string()));
                }
            },
        };
        match answer.judge(tried) {
            Verdict::Answer => Ok(Tried::Done(answer)),
            Verdict::NotKnown => {
                bail!(NotKnown(self.refusal(&question, "it does not know who we are", &answer)))
            }
            Verdict::Refused(why) => bail!(self.refusal(&question, why, &answer)),
            Verdict::Wait(cause, wait) => Ok(Tried::Again(cause, wait, answer.said())),
        }
    }

    /// Waits before a question is asked again.
    ///
    /// # Errors
    /// [`Later`] for who does not wait, or has waited often enough.
    async fn put_off(
        &self,
        question: &impl fmt::Display,
        tried: &mut u32,
        cause: Cause,
        wait: Duration,
        why: &str,
    ) -> Result<()> {
        if !self.waits {
            (self.on_wait)(cause, wait);
            bail!(self.server.later(cause, wait, question, why));
        }
        if *tried >= limits::patience(cause) {
            let why = format!("{question} at {}: {why}, again and again", self.server.base);
            bail!(Later { cause, after: wait, why });
        }
        *tried += 1;
        tracing::info!(%question, "asks {} again after {wait:?}: {why}", self.server.base);
        self.wait(cause, wait).await;
        Ok(())
    }

    fn refusal(&self, question: &impl fmt::Display, why: &str, answer: &Answer) -> String {
        self.server.refusal(question, why, answer, &self.hint())
    }

    async fn wait(&self, cause: Cause, wait: Duration) {
        (self.on_wait)(cause, wait);
        if cause != Cause::Trouble {
            self.server.gate.waits_until(Instant::now() + wait);
        }
        tokio::time::sleep(wait).await;
    }

    /// Waits for the window's end, where what is left in it is left to others.
    async fn rest(&self, question: &impl fmt::Display) -> Result<()> {
        let Some(later) = self.server.rests(question) else { return Ok(()) };
        if !self.waits {
            bail!(later);
        }
        let (wait, base) = (later.after, &self.server.base);
        tracing::info!("leaves what is left of the limit of {base} to others, and goes on in {wait:?}");
        self.wait(later.cause, wait).await;
        Ok(())
    }
}
