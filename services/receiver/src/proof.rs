//! Who sent it: the one place where bytes off the network become authentic.
//!
//! The MAC runs over the bytes as they arrive, with every secret that is valid, and is compared in constant time. What
//! is bound to no body (a bearer's secret) is compared before any of the body is read.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName};
use bytes::{Bytes, BytesMut};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{answer::Refusal, secrets::Key};

/// A body nobody has vouched for yet, and what its sender says proves it.
pub(crate) struct Unverified {
    claim: Claim,
    bytes: BytesMut,
}

/// A body that was sent by one who knows a secret of the source. Only [`Unverified::verify`] makes one.
#[derive(Debug)]
pub(crate) struct Authentic(Bytes);

enum Claim {
    /// The MAC the sender states, and ours so far, one a secret.
    Signature { stated: [u8; 32], macs: Vec<Hmac<Sha256>> },
    /// The sender showed a secret; nothing of its body is bound to it.
    Bearer,
}

impl Unverified {
    /// GitHub's proof: `X-Hub-Signature-256: sha256=<hex>`, the HMAC of the body. `sha1=` and anything else is refused.
    pub(crate) fn signed(headers: &HeaderMap, keys: &Arc<[Key]>) -> Result<Self, Refusal> {
        let stated = only(headers, "x-hub-signature-256").and_then(signature).ok_or(Refusal::NotAuthentic)?;
        let macs = keys.iter().map(|key| key.mac.clone()).collect();
        Ok(Self { claim: Claim::Signature { stated, macs }, bytes: BytesMut::new() })
    }

    /// Distribution's proof: a secret in `Authorization`, as it is or after `Bearer `. Digests are compared, so that
    /// neither the secret's bytes nor its length can be measured.
    pub(crate) fn borne(headers: &HeaderMap, keys: &Arc<[Key]>) -> Result<Self, Refusal> {
        let shown = only(headers, "authorization").ok_or(Refusal::NotAuthentic)?;
        let bare = shown.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        let shown = [Some(shown), bare.map(|(_, token)| token)];
        let digests = shown.into_iter().flatten().map(|text| -> [u8; 32] { Sha256::digest(text).into() });
        let equal = |digest: [u8; 32]| keys.iter().fold(Choice::from(0), |any, key| any | key.digest.ct_eq(&digest));
        let known = digests.fold(Choice::from(0), |any, digest| any | equal(digest));
        if bool::from(known) {
            Ok(Self { claim: Claim::Bearer, bytes: BytesMut::new() })
        } else {
            Err(Refusal::NotAuthentic)
        }
    }

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
        if let Claim::Signature { macs, .. } = &mut self.claim {
            for mac in macs {
                mac.update(chunk);
            }
        }
        self.bytes.extend_from_slice(chunk);
    }

    /// Takes the body as authentic if it is.
    pub(crate) fn verify(self) -> Result<Authentic, Refusal> {
        if let Claim::Signature { stated, macs } = self.claim {
            // Every secret is tried, so that the time does not tell which one it was.
            let fitting = macs.into_iter().filter(|mac| mac.clone().verify_slice(&stated).is_ok()).count();
            if fitting == 0 {
                return Err(Refusal::NotAuthentic);
            }
        }
        Ok(Authentic(self.bytes.freeze()))
    }
}

impl Authentic {
    /// The SHA-256 of the bytes that were proven.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// The header's value, if it is there once: of two, a proxy and we might each believe another.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(HeaderName::from_static(name));
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// `sha256=` and 64 hex digits, of either case.
fn signature(value: &[u8]) -> Option<[u8; 32]> {
    let mut stated = [0; 32];
    hex::decode_to_slice(value.strip_prefix(b"sha256=")?, &mut stated).ok()?;
    Some(stated)
}
