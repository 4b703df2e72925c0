//! Tokens that an identity provider signed: JWS compact form (RFC 7515) of a JWT (RFC 7519), by RS256 or ES256
//! (RFC 7518), with keys from the provider's JSON Web Key Set (RFC 7517).
//!
//! The signatures are ring's, which is in every build of ours; the crates for JWT bring a second set of cryptography,
//! and what is theirs besides it are the few checks below. The token says which key; the key says which algorithm.

#[cfg(test)]
mod fuzz;
mod key;
mod keys;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::HeaderMap;
use anyhow::Result;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use runtime::config::JwtProof;
use serde::{Deserialize, de::DeserializeOwned};

use super::{IssuerKeys, MISSING, only};
use crate::answer::Refusal;
use key::Jwk;
pub(crate) use keys::STALE;
use keys::{Keys, Times};

/// How far the issuer's clock and ours may lie apart, in seconds.
const LEEWAY: f64 = 60.0;
/// The largest token, in bytes.
const LARGEST_TOKEN: usize = 16 * 1024;

/// What is wrong with a token, in words for the log.
const OTHER_TOKEN: &str = "its token is from or for somebody else, about somebody else, or out of its time; see \
                           `proof.jwt`, and whether a clock is wrong";
const NO_KEY: &str = "no key that is told at `proof.jwt.jwks` has signed its token";

/// An identity provider whose word is believed, about those the config names.
pub(crate) struct Issuer {
    proof: JwtProof,
    keys: Keys,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    /// Extensions that must be understood; we understand none.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// What is judged of a token. Times are seconds since the epoch, perhaps with a fraction (RFC 7519, 2: `NumericDate`).
/// `iat` is not among them: it says how old a token is, which is for `exp` to limit.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    // Judged only where the config names somebody, so whatever a provider makes of them is no fault elsewhere.
    #[serde(default)]
    sub: serde_json::Value,
    #[serde(default)]
    email: serde_json::Value,
    #[serde(default)]
    email_verified: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Issuer {
    pub(super) fn new(proof: JwtProof) -> Result<Self> {
        Self::with(proof, Times::default())
    }

    fn with(proof: JwtProof, times: Times) -> Result<Self> {
        let keys = Keys::new(proof.jwks.clone(), runtime::http::trusted()?, times);
        Ok(Self { proof, keys })
    }

    /// Asks the provider for its keys, whatever is known.
    pub(super) async fn count_keys(&self) -> Result<IssuerKeys> {
        self.keys.count().await
    }

    /// Judges the bearer's token.
    ///
    /// # Errors
    /// [`Refusal::NoSecret`] where the provider does not say which keys are its own, so that nobody can tell.
    pub(super) async fn known(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let value = only(headers, "authorization").and_then(|value| std::str::from_utf8(value).ok());
        let token = value.and_then(|value| value.split_at_checked(7));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer "));
        let (header, signed, signature) =
            token.and_then(|(_, token)| parts(token)).ok_or(Refusal::NotAuthentic(MISSING))?;
        let is_signed = |keys: &[Jwk]| keys.iter().any(|key| key.signed(&header.alg, signed.as_bytes(), &signature));
        let keys = self.keys.find(&header.kid).await.map_err(|_| Refusal::NoSecret)?;
        let claims = signed.split_once('.').and_then(|(_, claims)| decode::<Claims>(claims));
        // What would not be believed from anybody is no reason to ask the provider.
        let holds = header.crit.is_none() && claims.is_some_and(|claims| self.holds(&claims));
        if !holds {
            return Err(Refusal::NotAuthentic(OTHER_TOKEN));
        }
        let is_genuine = is_signed(&keys)
            || (!keys.is_empty() && is_signed(&self.keys.find_anew(&header.kid).await.map_err(|_| Refusal::NoSecret)?));
        if is_genuine { Ok("jwt".to_owned()) } else { Err(Refusal::NotAuthentic(NO_KEY)) }
    }

    /// Whether the token is for us, from them, valid now, and about whom the config names.
    fn holds(&self, claims: &Claims) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let audience = match &claims.aud {
            Audience::One(one) => *one == self.proof.audience,
            Audience::Several(several) => several.contains(&self.proof.audience),
        };
        let named = |wanted: &Option<String>, stated: &serde_json::Value| match wanted {
            Some(wanted) => stated.as_str() == Some(wanted),
            None => true,
        };
        // A truth value (OpenID Connect Core 1.0, 5.1); a text is none, whatever it says.
        let verified = self.proof.email.is_none() || claims.email_verified == true;
        let email = named(&self.proof.email, &claims.email) && verified;
        let subject = named(&self.proof.subject, &claims.sub);
        let begun = claims.nbf.is_none_or(|begin| begin <= now + LEEWAY);
        self.proof.issuers.contains(&claims.iss) && audience && email && subject && begun && now <= claims.exp + LEEWAY
    }
}

/// The token's header, the text that is signed, and the signature.
fn parts(token: &str) -> Option<(Header, &str, Vec<u8>)> {
    let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LARGEST_TOKEN)?;
    let (header, claims) = signed.split_once('.')?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    (!claims.contains('.')).then_some((decode(header)?, signed, signature))
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
