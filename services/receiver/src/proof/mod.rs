//! Who sent it: the one place where bytes off the network become authentic. A scheme is a file.
//!
//! A MAC runs over the bytes as they arrive, with every secret that is valid, and is compared in constant time. What
//! is bound to no body (a bearer's secret, a token) is judged before any of the body is read.

#[cfg(test)]
mod fuzz;
mod jwt;
mod mac;
mod shown;
mod slack;
mod standard;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::HeaderMap;
use bytes::{Bytes, BytesMut};
use runtime::config::{Proof, Source, TOLERANCE};
use sha2::{Digest, Sha256};

use crate::{
    answer::Refusal,
    secrets::{Key, Secrets},
};
pub(crate) use mac::Mac;
use mac::Macs;

/// What is wrong with a proof, in words for the log: no sender is told, for whoever guesses would know what to guess at.
const MISSING: &str = "a header that proves it is missing, is there twice, or is not of this proof's form; is the sender \
                       set up to prove itself so, and does a proxy on the way leave that header?";
const NO_SECRET: &str =
    "none of `secrets` proves it; is the sender's secret among them, and its body passed on unchanged?";
const OTHER_TIME: &str = "its time is more than five minutes from ours; is a clock wrong, or is it an old request?";

/// What a request shows of its sender, besides its body.
pub(crate) struct Shown<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// The last part of the URL, where there is one behind the source's name.
    pub(crate) in_path: Option<&'a str>,
    /// Who is at the other end of the connection.
    pub(crate) peer: Option<IpAddr>,
}

/// How one source's senders are known.
pub(crate) enum Verifier {
    /// By a secret, shown or used.
    Secret { proof: Proof, secrets: Secrets },
    /// By an identity provider's signature.
    Jwt(jwt::Issuer),
    /// By what the proxy in front says.
    ProxyTls(runtime::config::ProxyTlsProof),
    /// Not at all.
    Nothing,
}

/// A body nobody has vouched for yet, and what its sender says proves it.
pub(crate) struct Unverified {
    claim: Claim,
    bytes: BytesMut,
}

/// A body whose sender is known. Only [`Unverified::verify`] makes one.
#[derive(Debug)]
pub(crate) struct Authentic {
    bytes: Bytes,
    /// The secret's reference, or the scheme's name where no secret stands behind it.
    pub(crate) by: String,
    /// The sender's own id of it, where that was signed as well.
    pub(crate) signed_id: Option<String>,
}

enum Claim {
    /// MACs the sender states, and ours so far.
    Macs(Macs),
    /// The sender is known already; nothing of its body is bound to it.
    Known(String),
}

impl Verifier {
    pub(crate) fn new(source: &Source) -> anyhow::Result<Self> {
        Ok(match source.proof() {
            None => Self::Nothing,
            Some(Proof::Jwt(jwt)) => Self::Jwt(jwt::Issuer::new(jwt)?),
            Some(Proof::ProxyTls(proxy)) => Self::ProxyTls(proxy),
            Some(proof) => Self::Secret { secrets: Secrets::new(&source.secrets, &proof), proof },
        })
    }

    /// Begins a verification with every secret that is valid now.
    pub(crate) async fn begin(&self, shown: &Shown<'_>) -> Result<Unverified, Refusal> {
        let by_path = matches!(self, Self::Secret { proof: Proof::Path, .. });
        if shown.in_path.is_some() && !by_path {
            return Err(Refusal::UnknownSource);
        }
        let claim = match self {
            Self::Nothing => Claim::Known("insecure".to_owned()),
            Self::Jwt(issuer) => Claim::Known(issuer.known(shown.headers).await?),
            Self::ProxyTls(proxy) => Claim::Known(shown::by_proxy(proxy, shown)?),
            Self::Secret { proof, secrets } => {
                let keys = secrets.keys();
                if keys.is_empty() {
                    return Err(Refusal::NoSecret);
                }
                by_secret(proof, shown, &keys)?
            }
        };
        Ok(Unverified { claim, bytes: BytesMut::new() })
    }
}

fn by_secret(proof: &Proof, shown: &Shown<'_>, keys: &Arc<[Key]>) -> Result<Claim, Refusal> {
    match proof {
        Proof::Hmac(hmac) => mac::stated(hmac, shown.headers, keys).map(Claim::Macs),
        Proof::StandardWebhooks => standard::stated(shown.headers, keys).map(Claim::Macs),
        Proof::Slack => slack::stated(shown.headers, keys).map(Claim::Macs),
        Proof::Token(token) => shown::in_header(&token.header, shown.headers, keys).map(Claim::Known),
        Proof::Basic(basic) => shown::as_password(basic, shown.headers, keys).map(Claim::Known),
        Proof::Path => shown::in_path(shown.in_path, keys).map(Claim::Known),
        // Verified by no secret; `Verifier::new` leads them elsewhere.
        Proof::Jwt(_) | Proof::ProxyTls(_) => Err(Refusal::NotAuthentic(MISSING)),
    }
}

impl Unverified {
    /// Makes room for so many bytes more, and says how much memory the body holds now.
    pub(crate) fn reserve(&mut self, more: usize) -> usize {
        self.bytes.reserve(more);
        self.bytes.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next bytes, in the order they were sent.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        if let Claim::Macs(macs) = &mut self.claim {
            macs.update(chunk);
        }
        self.bytes.extend_from_slice(chunk);
    }

    /// Takes the body as authentic if it is.
    pub(crate) fn verify(self) -> Result<Authentic, Refusal> {
        let (by, signed_id) = match self.claim {
            Claim::Macs(macs) => macs.fitting().ok_or(Refusal::NotAuthentic(NO_SECRET))?,
            Claim::Known(by) => (by, None),
        };
        Ok(Authentic { bytes: self.bytes.freeze(), by, signed_id })
    }
}

impl Authentic {
    /// The SHA-256 of the bytes that were proven.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// How long a receiver goes by the keys that an identity provider told last, while it tells none that could verify anything.
pub const KEYS_SERVE: std::time::Duration = jwt::STALE;

/// What an identity provider tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerKeys {
    /// How many keys, whatever they are for.
    pub told: usize,
    /// How many of them may verify a token: for signatures, and of a kind that is known here.
    pub usable: usize,
}

/// Asks an identity provider for its keys.
pub(crate) async fn issuer_keys(jwt: &runtime::config::JwtProof) -> anyhow::Result<IssuerKeys> {
    jwt::Issuer::new(jwt.clone())?.count_keys().await
}

/// The header's value, if it is there once: of two, a proxy and we might each believe another.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name);
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// Whether the stated time, in whole seconds since 1970, is ours, give or take.
fn is_now(stated: &str) -> bool {
    let digits = !stated.is_empty() && stated.bytes().all(|b| b.is_ascii_digit());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    digits && stated.parse::<u64>().is_ok_and(|stated| stated.abs_diff(now) <= TOLERANCE.as_secs())
}
