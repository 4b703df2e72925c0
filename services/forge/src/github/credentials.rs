//! As whom GitHub is asked: with a token, as an App, or as an App's installation.
//!
//! An App's word is a JWT (RFC 7519) signed by RS256, made with the rustls that is in every build of ours: octocrab
//! would bring a second set of cryptography for it. Secrets are read anew whenever a client is made.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proto::Timestamp;
use runtime::{Secret, SecretRef, config::GithubApp};
use rustls::{
    SignatureScheme,
    crypto::ring::sign,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde_json::json;

/// GitHub takes a JWT that is good for ten minutes at most; its clock may be behind ours.
const JWT_LIFE: Duration = Duration::from_mins(9);
/// GitHub's advice: a minute in the past, where clocks differ.
const JWT_BACKDATED: Duration = Duration::from_mins(1);
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
pub(super) struct Bearer {
    pub(super) secret: Secret,
    pub(super) until: Timestamp,
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

/// The token as it is now.
pub(super) fn token(reference: &SecretRef) -> Result<Bearer> {
    Ok(Bearer { secret: reference.read()?, until: Timestamp::now() + REREAD + MARGIN })
}

/// The App's own word.
pub(super) fn jwt(app: &GithubApp) -> Result<Bearer> {
    let pem = app.private_key.read()?;
    let wrong = || format!("{} holds no RSA private key in PEM; download one from the App's settings", app.private_key);
    let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).ok().with_context(wrong)?;
    let key = sign::any_supported_type(&key).ok().with_context(wrong)?;
    let by = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).with_context(wrong)?;
    let now = Timestamp::now();
    let (issued, until) = (now - JWT_BACKDATED, now + JWT_LIFE);
    let claims = json!({ "iat": issued.as_second(), "exp": until.as_second(), "iss": app.id });
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    let signature = by.sign(signed.as_bytes()).context("signing the App's JWT")?;
    let secret = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into();
    Ok(Bearer { secret, until })
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
