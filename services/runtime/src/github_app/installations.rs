//! The tokens of Apps' installations (docs.github.com, "Authenticating as a GitHub App installation"): made here alone, and
//! shared by all who ask as the same, be it by Git or by the API. Each is good for an hour, and for every repository that
//! the App is installed on by its owner.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex as Plain, PoisonError},
    time::Duration,
};

use proto::Timestamp;
use reqwest::{Method, header::HeaderMap};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use crate::{
    Secret, SecretRef,
    github_app::jwt,
    http::{HttpError, read_bounded},
};

/// More than either answer takes.
const LARGEST: usize = 1024 * 1024;

/// Those that are known; cheap to clone, and the same to all clones.
#[derive(Clone, Default)]
pub struct Installations(Arc<Plain<HashMap<Whose, Arc<Place>>>>);

/// An API, an App and an owner.
type Whose = (String, String, String);

/// Where one is kept. Whoever needs it while it is made waits for it, and nobody else does.
#[derive(Default)]
struct Place {
    making: Mutex<()>,
    kept: Plain<Option<Kept>>,
}

struct Kept {
    token: Token,
    /// Whether it was taken again since it was made.
    again: bool,
}

/// Which installation's token is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The API's address.
    pub api: &'a str,
    /// The App's client id, or its number.
    pub app: &'a str,
    /// The App's private key.
    pub private_key: &'a SecretRef,
    /// On what it is installed: `repos/<owner>/<name>`, or `orgs/<organisation>`.
    pub on: &'a str,
}

/// An installation's token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// Until when it is good.
    pub until: Timestamp,
    /// What it may do: `contents` is `write`.
    pub permissions: Arc<BTreeMap<String, String>>,
    /// Whether it was made for whoever got it here; one that was made before may have been taken back since.
    pub is_fresh: bool,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The App's key cannot be read, or is none.
    #[error("{0:#}")]
    Key(anyhow::Error),
    /// GitHub gave no answer, or no whole one.
    #[error(transparent)]
    Away(#[from] HttpError),
    /// GitHub answered, and not with what was asked for.
    #[error("{} answered {}", .0.question, .0.status)]
    Answered(Box<Answered>),
    /// The answer is not what such answers are.
    #[error("the answer to {question} cannot be read: {why}")]
    Unreadable {
        /// What was asked.
        question: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What GitHub answered instead of a token.
#[derive(Debug)]
pub struct Answered {
    /// What was asked: `GET /repos/acme/shop/installation`.
    pub question: String,
    /// The HTTP status.
    pub status: u16,
    /// What it says of limits among other things.
    pub headers: HeaderMap,
    /// The body, bounded.
    pub body: String,
}

#[derive(Deserialize)]
struct Found {
    id: u64,
}

#[derive(Deserialize)]
struct Made {
    token: String,
    expires_at: Timestamp,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

impl Installations {
    /// The token of an installation that is good for at least this time still: the one that is known, or a new one, for
    /// which GitHub is asked by this client, once.
    pub async fn token(&self, of: &Installation<'_>, left: Duration, http: &reqwest::Client) -> Result<Token, NoToken> {
        let place = self.place(of);
        if let Some(known) = place.known(left) {
            return Ok(known);
        }
        let _made_once = place.making.lock().await;
        if let Some(known) = place.known(left) {
            return Ok(known);
        }
        let token = make(of, http).await?;
        *place.kept() = Some(Kept { token: token.clone(), again: false });
        Ok(token)
    }

    /// Forgets the token that was refused, if it still is the one that is known. Whether another may be taken: not of one
    /// that was made for the very question which it was refused for.
    pub fn forget(&self, of: &Installation<'_>, is_refused: impl FnOnce(&Secret) -> bool) -> bool {
        let place = self.place(of);
        let mut kept = place.kept();
        if kept.as_ref().is_some_and(|kept| is_refused(&kept.token.secret)) {
            return kept.take().is_none_or(|refused| refused.again);
        }
        true
    }

    fn place(&self, of: &Installation<'_>) -> Arc<Place> {
        let owner = of.on.split('/').nth(1).unwrap_or_default().to_lowercase();
        let whose = (of.api.trim_end_matches('/').to_owned(), of.app.to_owned(), owner);
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(whose).or_default())
    }
}

impl Place {
    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, left: Duration) -> Option<Token> {
        let mut kept = self.kept();
        let kept = kept.as_mut().filter(|kept| Timestamp::now() < kept.token.until - left)?;
        kept.again = true;
        Some(Token { is_fresh: false, ..kept.token.clone() })
    }
}

async fn make(of: &Installation<'_>, http: &reqwest::Client) -> Result<Token, NoToken> {
    let (jwt, _) = jwt(of.app, of.private_key).map_err(NoToken::Key)?;
    let asks = Asks { http, api: of.api.trim_end_matches('/'), jwt };
    let Found { id } = asks.ask(Method::GET, &format!("/{}/installation", of.on)).await?;
    let made = asks.ask(Method::POST, &format!("/app/installations/{id}/access_tokens")).await?;
    let Made { token, expires_at: until, permissions } = made;
    Ok(Token { secret: token.into(), until, permissions: Arc::new(permissions), is_fresh: true })
}

/// The App, asking.
struct Asks<'a> {
    http: &'a reqwest::Client,
    api: &'a str,
    jwt: Secret,
}

impl Asks<'_> {
    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, NoToken> {
        let question = format!("{method} {path}");
        let request = self.http.request(method, format!("{}{path}", self.api)).bearer_auth(self.jwt.expose());
        let request =
            request.header("accept", "application/vnd.github+json").header("x-github-api-version", "2022-11-28");
        let response = request.send().await.map_err(HttpError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_bounded(response, LARGEST).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|why| NoToken::Unreadable { question, why: why.to_string() });
        }
        let (status, body) = (status.as_u16(), String::from_utf8_lossy(&body).into_owned());
        Err(NoToken::Answered(Box::new(Answered { question, status, headers, body })))
    }
}
