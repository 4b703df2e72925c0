//! A GitHub App: its own word, and the tokens of its [`Installations`].
//!
//! The word is a JWT (RFC 7519) signed by RS256 (docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App"), made
//! with the rustls that is in every build of ours; whatever else makes one would bring a second set of cryptography.

mod installations;

use std::time::Duration;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proto::Timestamp;
use rustls::{
    SignatureScheme,
    crypto::ring::sign,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde_json::json;

use crate::{Secret, SecretRef};

pub use installations::{Answered, Installation, Installations, NoToken, Token};

/// GitHub takes a JWT that is good for ten minutes at most; its clock may be behind ours.
const LIFE: Duration = Duration::from_mins(9);
/// GitHub's advice: a minute in the past, where clocks differ.
const BACKDATED: Duration = Duration::from_mins(1);

/// The word of the App with this id (its client id or its number), and until when it is good.
///
/// # Errors
/// When the key cannot be read, or is none.
pub fn jwt(id: &str, private_key: &SecretRef) -> Result<(Secret, Timestamp)> {
    let pem = private_key.read()?;
    let wrong = || format!("{private_key} holds no RSA private key in PEM; download one from the App's settings");
    let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).ok().with_context(wrong)?;
    let key = sign::any_supported_type(&key).ok().with_context(wrong)?;
    let by = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).with_context(wrong)?;
    let now = Timestamp::now();
    let (issued, until) = (now - BACKDATED, now + LIFE);
    let claims = json!({ "iat": issued.as_second(), "exp": until.as_second(), "iss": id });
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    let signature = by.sign(signed.as_bytes()).context("signing the App's JWT")?;
    Ok((format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into(), until))
}
