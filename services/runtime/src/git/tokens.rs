//! The tokens of a GitHub App's installations, with which Git is let in over HTTP (docs.github.com, "Authenticating as a GitHub
//! App installation"). Each is good for an hour, and for every repository that the App is installed on by its owner.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Plain, PoisonError},
    time::Duration,
};

use proto::Timestamp;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use url::Url;

use super::{GitError, TIMEOUT, access::needs, without_userinfo};
use crate::{
    Secret,
    config::GitApp,
    github_app,
    http::{Guarded, HttpError, Redirects, read_bounded},
    network::Guard,
};

/// What has less left than one command may take is renewed before it.
const MARGIN: Duration = TIMEOUT;
/// More than either answer takes.
const LARGEST: usize = 1024 * 1024;

/// Those that are known.
pub(super) struct Tokens {
    guard: Guard,
    kept: Plain<HashMap<Whose, Place>>,
}

/// Where one is kept. Whoever needs it while it is fetched waits for it, and nobody else does.
type Place = Arc<Mutex<Option<Kept>>>;

struct Kept {
    token: Secret,
    until: Timestamp,
    /// Whether it was used again since it was fetched.
    again: bool,
}

/// An API, an App and an owner.
type Whose = (String, String, String);

/// What a token is asked for.
struct Repository {
    api: String,
    owner: String,
    name: String,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: Timestamp,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
}

/// Who asks about what.
struct Asked<'a> {
    http: Guarded,
    api: String,
    app: &'a GitApp,
    /// Without what may be secret in it.
    repository: String,
}

impl Tokens {
    pub(super) fn new(guard: &Guard) -> Self {
        Self { guard: guard.clone(), kept: Plain::default() }
    }

    /// The token for the repository with this URL.
    ///
    /// # Errors
    /// [`GitError::Unreachable`] while GitHub does not answer, or not yet; [`GitError::Refused`] says what to mend.
    pub(super) async fn of(&self, app: &GitApp, repository: &str) -> Result<Secret, GitError> {
        let shown = without_userinfo(repository);
        let found = Repository::at(repository, app).ok_or_else(|| GitError::BadUrl { url: shown.clone() })?;
        let place = self.place(app, &found);
        let mut kept = place.lock().await;
        if let Some(kept) = kept.as_mut().filter(|kept| Timestamp::now() < kept.until - MARGIN) {
            kept.again = true;
            return Ok(kept.token.clone());
        }
        let http = Guarded::new(&self.guard, Redirects::None).map_err(|why| needs(&why))?;
        let Repository { api, owner, name } = found;
        let asked = Asked { http, api, app, repository: shown };
        let (token, until) = asked.token(&owner, &name).await?;
        *kept = Some(Kept { token: token.clone(), until, again: false });
        Ok(token)
    }

    /// Forgets the token for the repository with this URL, with which Git was not let in; whether another may be: that one
    /// was not fetched for this, or is being fetched anew.
    pub(super) fn forget(&self, app: &GitApp, repository: &str) -> bool {
        let Some(found) = Repository::at(repository, app) else { return false };
        let place = self.place(app, &found);
        let Ok(mut kept) = place.try_lock() else { return true };
        kept.take().is_none_or(|kept| kept.again)
    }

    fn place(&self, app: &GitApp, repository: &Repository) -> Place {
        let whose = (repository.api.clone(), app.id.clone(), repository.owner.to_lowercase());
        Arc::clone(self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(whose).or_default())
    }
}

impl Repository {
    fn at(url: &str, app: &GitApp) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let (owner, name) = owner_and_name(&url)?;
        let api = app.api_for(&url)?.trim_end_matches('/').to_owned();
        Some(Self { api, owner, name })
    }
}

/// The first two parts of a URL's path, as GitHub has them.
fn owner_and_name(url: &Url) -> Option<(String, String)> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(word) && !matches!(name, "." | "..");
    let (owner, name) = url.path().trim_matches('/').split_once('/')?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    (is_name(owner) && is_name(name)).then(|| (owner.to_owned(), name.to_owned()))
}

impl Asked<'_> {
    async fn token(&self, owner: &str, name: &str) -> Result<(Secret, Timestamp), GitError> {
        let (jwt, _) = github_app::jwt(&self.app.id, &self.app.private_key).map_err(|why| needs(&why))?;
        let path = format!("/repos/{owner}/{name}/installation");
        let Installation { id } = self.ask(Method::GET, &path, &jwt).await?;
        let path = format!("/app/installations/{id}/access_tokens");
        let Token { token, expires_at } = self.ask(Method::POST, &path, &jwt).await?;
        Ok((token.into(), expires_at))
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, jwt: &Secret) -> Result<T, GitError> {
        let url = Url::parse(&format!("{}{path}", self.api)).map_err(|_| GitError::BadUrl { url: self.api.clone() })?;
        let request = self.http.request(method, url)?.bearer_auth(jwt.expose());
        let request =
            request.header("accept", "application/vnd.github+json").header("x-github-api-version", "2022-11-28");
        let response = request.send().await.map_err(|error| self.away(error.into()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_bounded(response, LARGEST).await.map_err(|error| self.away(error))?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|why| self.refused(format!("its answer cannot be read: {why}")));
        }
        let said = serde_json::from_slice::<Problem>(&body).unwrap_or_default().message;
        let said: String = format!("{} {said}", status.as_u16()).trim_end().chars().take(300).collect();
        let is_limit = headers.contains_key("retry-after")
            || headers.get("x-ratelimit-remaining").is_some_and(|left| left.as_bytes() == b"0");
        let id = &self.app.id;
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => self.later(said),
            StatusCode::FORBIDDEN if is_limit => self.later(said),
            status if status.is_server_error() => self.later(said),
            StatusCode::UNAUTHORIZED => self.refused(format!(
                "GitHub does not know the App {id} ({said}); check its id and its key {}",
                self.app.private_key
            )),
            StatusCode::NOT_FOUND => {
                self.refused(format!("the App {id} is not installed on it ({said}); install it there"))
            }
            _ => self.refused(format!("no token for the App {id} ({said}); check with what it is installed there")),
        })
    }

    fn away(&self, error: HttpError) -> GitError {
        match error {
            HttpError::Blocked(blocked) => blocked.into(),
            error => self.later(error.to_string()),
        }
    }

    fn later(&self, why: String) -> GitError {
        GitError::Unreachable { url: self.api.clone(), why }
    }

    fn refused(&self, why: String) -> GitError {
        GitError::Refused { url: self.repository.clone(), why }
    }
}
