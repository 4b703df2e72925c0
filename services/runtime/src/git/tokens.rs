//! GitHub Apps, as Git is let in by them over HTTP: whose token it takes for which repository, and what is said where there
//! is none.

use serde::Deserialize;
use url::Url;

use super::{GitError, TIMEOUT, access::needs, without_userinfo};
use crate::{
    Secret,
    config::GitApp,
    github_app::{Answered, Installation, Installations, NoToken},
    http::{Guarded, HttpError, Redirects},
    network::Guard,
};

/// As much of GitHub's own words as is told.
const WORDS: usize = 300;

/// The tokens, and where they may be asked for.
pub(super) struct Tokens {
    guard: Guard,
    pub(super) installations: Installations,
}

/// What a token is asked for.
struct Repository {
    api: String,
    /// `repos/<owner>/<name>`.
    on: String,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
}

impl Tokens {
    pub(super) fn new(guard: &Guard) -> Self {
        Self { guard: guard.clone(), installations: Installations::default() }
    }

    /// The token for the repository with this URL. What has less left than one command may take is renewed before it.
    ///
    /// # Errors
    /// [`GitError::Unreachable`] while GitHub does not answer, or not yet; [`GitError::Refused`] says what to mend.
    pub(super) async fn of(&self, app: &GitApp, repository: &str) -> Result<Secret, GitError> {
        let shown = without_userinfo(repository);
        let bad = || GitError::BadUrl { url: shown.clone() };
        let found = Repository::at(repository, app).ok_or_else(bad)?;
        let api = Url::parse(&found.api).map_err(|_| GitError::BadUrl { url: found.api.clone() })?;
        let http = Guarded::new(&self.guard, Redirects::None).map_err(|why| needs(&why))?.client_for(&api)?;
        let token = self.installations.token(&found.installation(app), TIMEOUT, &http).await;
        token.map(|token| token.secret).map_err(|why| found.error(app, shown, why))
    }

    /// Forgets the token for the repository with this URL that Git was not let in by; whether another may be.
    pub(super) fn forget(&self, app: &GitApp, repository: &str, is_refused: impl FnOnce(&Secret) -> bool) -> bool {
        let Some(found) = Repository::at(repository, app) else { return false };
        self.installations.forget(&found.installation(app), is_refused)
    }
}

impl Repository {
    fn at(url: &str, app: &GitApp) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let (owner, name) = owner_and_name(&url)?;
        Some(Self { api: app.api_for(&url)?, on: format!("repos/{owner}/{name}") })
    }

    fn installation<'a>(&'a self, app: &'a GitApp) -> Installation<'a> {
        Installation { api: &self.api, app: &app.id, private_key: &app.private_key, on: &self.on }
    }

    /// That there is no token for the repository that is shown so.
    fn error(&self, app: &GitApp, shown: String, why: NoToken) -> GitError {
        let later = |why: String| GitError::Unreachable { url: self.api.clone(), why };
        match why {
            NoToken::Key(why) => needs(&why),
            NoToken::Away(HttpError::Blocked(blocked)) => blocked.into(),
            NoToken::Away(error) => later(error.to_string()),
            NoToken::Answered(answered) if is_passing(&answered) => later(said(&answered)),
            NoToken::Answered(answered) => GitError::Refused { url: shown, why: refusal(app, &answered) },
            unreadable @ NoToken::Unreadable { .. } => GitError::Refused { url: shown, why: unreadable.to_string() },
        }
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

/// Whether it may be answered otherwise later: GitHub is in trouble, or was asked too often.
fn is_passing(answered: &Answered) -> bool {
    let header = |name: &str| answered.headers.get(name);
    let is_limit =
        header("retry-after").is_some() || header("x-ratelimit-remaining").is_some_and(|left| left.as_bytes() == b"0");
    matches!(answered.status, 429 | 500..) || (answered.status == 403 && is_limit)
}

fn refusal(app: &GitApp, answered: &Answered) -> String {
    let (id, key, said) = (&app.id, &app.private_key, said(answered));
    match answered.status {
        401 => format!("GitHub does not know the App {id} ({said}); check its id and its key {key}"),
        404 => format!("the App {id} is not installed on it ({said}); install it there"),
        _ => format!("no token for the App {id} ({said}); check with what it is installed there"),
    }
}

/// Status and words.
fn said(answered: &Answered) -> String {
    let message = serde_json::from_str::<Problem>(&answered.body).unwrap_or_default().message;
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    format!("{} {message}", answered.status).trim_end().to_owned()
}
