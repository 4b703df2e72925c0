//! As whom GitHub is asked: with a token, as an App, or as an App's installation.
//!
//! An App's word is a JWT (RFC 7519) signed by RS256, made with the rustls that is in every build of ours: octocrab
//! would bring a second set of cryptography for it. Secrets are read anew whenever a client is made.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proto::Timestamp;
use runtime::{
    Secret, SecretRef,
    config::{GithubApp, Reconcile},
};
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
pub(crate) const MARGIN: Duration = Duration::from_mins(1);
/// How long a token is used before its reference is read again.
const REREAD: Duration = Duration::from_mins(1);

/// What the configuration gives.
pub(crate) enum Credentials {
    /// A token.
    Token(SecretRef),
    /// An App, for what is its own.
    App(GithubApp),
    /// An App, for what it is installed on: `repos/<owner>/<name>` or `orgs/<organisation>`.
    Installation(GithubApp, String),
}

/// What a request is signed with, and how long it is good.
pub(crate) struct Bearer {
    pub(crate) secret: Secret,
    pub(crate) until: Timestamp,
}

impl Credentials {
    /// For a webhook below this path, or the App's own.
    pub(crate) fn new(config: &Reconcile, owner: Option<&str>) -> Result<Self> {
        match (&config.token, &config.app, owner) {
            (Some(token), ..) => Ok(Self::Token(token.clone())),
            (None, Some(app), None) => Ok(Self::App(app.clone())),
            (None, Some(app), Some(owner)) => Ok(Self::Installation(app.clone(), owner.to_owned())),
            (None, None, _) => bail!("nobody is asked without a `token` or an `app`"),
        }
    }

    /// Whose limit it is that GitHub counts against: all that share this text share it.
    pub(crate) fn limited_as(&self) -> String {
        match self {
            Self::Token(token) => format!("token {token}"),
            Self::App(app) => format!("app {}", app.id),
            Self::Installation(app, owner) => {
                format!("app {} at {}", app.id, owner.split('/').nth(1).unwrap_or_default().to_lowercase())
            }
        }
    }

    /// What to mend when GitHub refuses, in words.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Token(token) => {
                format!("check that {token} may read and write webhooks (classic: `admin:repo_hook`, `admin:org_hook`)")
            }
            Self::App(app) | Self::Installation(app, _) => format!(
                "check the App's id {}, its key {}, and that it is installed with *Webhooks: read and write*",
                app.id, app.private_key
            ),
        }
    }
}

/// The token as it is now.
pub(crate) fn token(reference: &SecretRef) -> Result<Bearer> {
    Ok(Bearer { secret: reference.read()?, until: Timestamp::now() + REREAD + MARGIN })
}

/// The App's own word.
pub(crate) fn jwt(app: &GithubApp) -> Result<Bearer> {
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
    use super::{super::gate::Gates, *};

    #[test]
    fn those_share_a_limit_whom_github_counts_together() {
        let reference = |text: &str| SecretRef::try_from(text.to_owned()).unwrap();
        let app = |owner: Option<&str>| {
            let app = GithubApp { id: "12345".to_owned(), private_key: reference("file:/app.pem") };
            match owner {
                Some(owner) => Credentials::Installation(app, owner.to_owned()).limited_as(),
                None => Credentials::App(app).limited_as(),
            }
        };
        let token = |text: &str| Credentials::Token(reference(text)).limited_as();
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
