//! As whom GitHub is asked: with a token, as an App, or as an App's installation. Secrets are read anew whenever a client is
//! made.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use proto::Timestamp;
use runtime::{
    Secret, SecretRef,
    config::GithubApp,
    github_app::{self, Installation},
};

/// What has this little time left is made anew.
pub(super) const MARGIN: Duration = Duration::from_mins(1);
/// How long a token is used before its reference is read again.
const REREAD: Duration = Duration::from_mins(1);

/// As whom GitHub is asked, and what that must be allowed there.
pub struct Credentials {
    pub(super) of: Who,
    rights: Rights,
}

pub(super) enum Who {
    /// A token.
    Token(SecretRef),
    /// An App, for what is its own.
    App(GithubApp),
    /// An App, for what it is installed on: `repos/<owner>/<name>` or `orgs/<organisation>`.
    Installation(GithubApp, String),
}

/// What must be allowed, in words, for whoever is refused.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    /// What a token may do: `read and write webhooks`.
    pub token: &'static str,
    /// With which permissions an App is installed: `*Webhooks: read and write*`.
    pub app: &'static str,
}

/// What a request is signed with, and how long it is good.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) secret: Secret,
    pub(super) until: Timestamp,
    /// What it may do, where that is known: `contents` is `write`.
    pub(super) permissions: Option<Arc<BTreeMap<String, String>>>,
    /// Whether it was made or read just now; else it may have been taken back since.
    pub(super) is_fresh: bool,
}

impl Credentials {
    /// For what lies below this path, or the App's own; a token counts before an App.
    ///
    /// # Errors
    /// When there is neither.
    pub fn new(
        token: Option<&SecretRef>,
        app: Option<&GithubApp>,
        owner: Option<&str>,
        rights: Rights,
    ) -> Result<Self> {
        let of = match (token, app, owner) {
            (Some(token), ..) => Who::Token(token.clone()),
            (None, Some(app), None) => Who::App(app.clone()),
            (None, Some(app), Some(owner)) => Who::Installation(app.clone(), owner.to_owned()),
            (None, None, _) => bail!("nobody is asked without a `token` or an `app`"),
        };
        Ok(Self { of, rights })
    }

    /// Whose limit it is that GitHub counts against: all that share this text share it.
    pub(super) fn limited_as(&self) -> String {
        match &self.of {
            Who::Token(token) => format!("token {token}"),
            Who::App(app) => format!("app {}", app.id),
            Who::Installation(app, owner) => {
                format!("app {} at {}", app.id, owner.split('/').nth(1).unwrap_or_default().to_lowercase())
            }
        }
    }

    /// The installation it is, at this API; `None` when it is none.
    pub(super) fn installation<'a>(&'a self, api: &'a str) -> Option<Installation<'a>> {
        let Who::Installation(app, on) = &self.of else { return None };
        Some(Installation { api, app: &app.id, private_key: &app.private_key, on })
    }

    /// What to mend when GitHub refuses, in words.
    pub(super) fn hint(&self) -> String {
        let Rights { token: may, app: with } = self.rights;
        match &self.of {
            Who::Token(token) => format!("check that {token} may {may}"),
            Who::App(app) | Who::Installation(app, _) => {
                format!(
                    "check the App's id {}, its key {}, and that it is installed with {with}",
                    app.id, app.private_key
                )
            }
        }
    }
}

impl Bearer {
    /// A token, as it is now.
    pub(super) fn token(reference: &SecretRef) -> Result<Self> {
        let (secret, until) = (reference.read()?, Timestamp::now() + REREAD + MARGIN);
        Ok(Self { secret, until, permissions: None, is_fresh: true })
    }

    /// An App's own word.
    pub(super) fn jwt(app: &GithubApp) -> Result<Self> {
        let (secret, until) = github_app::jwt(&app.id, &app.private_key)?;
        Ok(Self { secret, until, permissions: None, is_fresh: true })
    }

    /// Whether it will last for a question.
    pub(super) fn is_good(&self) -> bool {
        Timestamp::now() < self.until - MARGIN
    }
}

impl From<github_app::Token> for Bearer {
    fn from(token: github_app::Token) -> Self {
        let github_app::Token { secret, until, permissions, is_fresh } = token;
        Self { secret, until, permissions: Some(permissions), is_fresh }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Gates;

    fn limited(of: Who) -> String {
        Credentials { of, rights: Rights { token: "read", app: "read" } }.limited_as()
    }

    #[test]
    fn those_share_a_limit_whom_github_counts_together() {
        let reference = |text: &str| SecretRef::try_from(text.to_owned()).unwrap();
        let app = |owner: Option<&str>| {
            let app = GithubApp { id: "12345".to_owned(), private_key: reference("file:/app.pem") };
            match owner {
                Some(owner) => limited(Who::Installation(app, owner.to_owned())),
                None => limited(Who::App(app)),
            }
        };
        let token = |text: &str| limited(Who::Token(reference(text)));
        assert_eq!(app(Some("repos/Acme/shop")), app(Some("orgs/acme")), "one installation");
        assert_ne!(app(Some("orgs/acme")), app(Some("orgs/other")));
        assert_ne!(app(Some("orgs/acme")), app(None));
        assert_eq!(token("env:A"), token("env:A"));
        assert_ne!(token("env:A"), token("env:B"));

        let gates = Gates::default();
        let gate = |api: &str| gates.of(api, token("env:A"));
        assert!(std::sync::Arc::ptr_eq(&gate("https://api.github.com"), &gate("https://api.github.com")));
        assert!(!std::sync::Arc::ptr_eq(&gate("https://api.github.com"), &gate("https://git.example/api/v3")));
    }
}
