//! One key of an identity provider, and what it signed.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// The modulus of an RSA key that is verified by, in bytes: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A JSON Web Key (RFC 7517).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(default)]
    pub(super) kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    crv: Option<String>,
    /// RSA: modulus and exponent. EC: coordinates. Each in base64url.
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl Jwk {
    /// Whether it is for signatures, as far as it says (RFC 7517, 4.2 and 4.3).
    fn signs(&self) -> bool {
        let verifies = |all: &Vec<String>| all.iter().any(|one| one == "verify");
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig") && self.key_ops.as_ref().is_none_or(verifies)
    }

    /// Whether anything could be verified by it: it is for signatures, and of a kind, a size and an algorithm that
    /// [`Jwk::signed`] knows.
    pub(super) fn is_usable(&self) -> bool {
        let is_for = |algorithm: &str| self.alg.as_deref().is_none_or(|own| own == algorithm);
        let length = |text: &str| number(text).len();
        let is_known = match self.kty.as_str() {
            "RSA" => is_for("RS256") && RSA_BYTES.contains(&length(&self.n)) && length(&self.e) > 0,
            "EC" => is_for("ES256") && self.is_p256() && [&self.x, &self.y].iter().all(|xy| bytes(xy).len() == 32),
            _ => false,
        };
        self.signs() && is_known
    }

    fn is_p256(&self) -> bool {
        self.crv.as_deref() == Some("P-256")
    }

    /// Whether it signed this. A key is for one algorithm: its own, if it says one, and its kind's in any case; so
    /// neither `none` nor an HMAC keyed with the public key is ever asked for.
    pub(super) fn signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        if self.alg.as_deref().is_some_and(|own| own != algorithm) {
            return false;
        }
        match (self.kty.as_str(), algorithm) {
            ("RSA", "RS256") => RsaPublicKeyComponents { n: number(&self.n), e: number(&self.e) }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            ("EC", "ES256") if self.is_p256() => {
                let point = [vec![4], bytes(&self.x), bytes(&self.y)].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// From base64url; nothing of what is none.
fn bytes(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

/// A number in big-endian order. Zeros before it are more than RFC 7518, 2 allows, and some write them.
fn number(text: &str) -> Vec<u8> {
    bytes(text).into_iter().skip_while(|byte| *byte == 0).collect()
}
