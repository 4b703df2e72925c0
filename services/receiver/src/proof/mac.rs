//! MACs over the body: what the sender states, and what each of our secrets makes of the same bytes.

use actix_web::http::header::HeaderMap;
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac as _};
use runtime::config::{Encoding, HmacAlgorithm, HmacProof};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{MISSING, only};
use crate::{answer::Refusal, secrets::Key};

/// A MAC under way.
#[derive(Clone)]
pub(crate) enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Mac {
    /// Keyed, at the start of a message.
    pub(crate) fn new(algorithm: HmacAlgorithm, secret: &[u8]) -> Option<Self> {
        // HMAC takes keys of any length; the trait's error is for other MACs.
        Some(match algorithm {
            HmacAlgorithm::Sha1 => Self::Sha1(Hmac::new_from_slice(secret).ok()?),
            HmacAlgorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(secret).ok()?),
            HmacAlgorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(secret).ok()?),
        })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(bytes),
            Self::Sha256(mac) => mac.update(bytes),
            Self::Sha512(mac) => mac.update(bytes),
        }
    }

    /// Whether it is this, whole, in constant time.
    fn is(&self, stated: &[u8]) -> bool {
        match self {
            Self::Sha1(mac) => mac.clone().verify_slice(stated).is_ok(),
            Self::Sha256(mac) => mac.clone().verify_slice(stated).is_ok(),
            Self::Sha512(mac) => mac.clone().verify_slice(stated).is_ok(),
        }
    }
}

/// What was stated, and what each secret makes of the bytes so far.
pub(crate) struct Macs {
    pub(super) stated: Vec<Vec<u8>>,
    pub(super) ours: Vec<(String, Mac)>,
    /// The sender's own id, which is signed as well.
    pub(super) signed_id: Option<String>,
}

impl Macs {
    pub(super) fn of(stated: Vec<Vec<u8>>, keys: &[Key]) -> Self {
        let ours = keys.iter().map(|key| (key.reference.clone(), key.mac.clone())).collect();
        Self { stated, ours, signed_id: None }
    }

    pub(super) fn update(&mut self, chunk: &[u8]) {
        for (_, mac) in &mut self.ours {
            mac.update(chunk);
        }
    }

    /// The reference of a secret whose MAC was stated. Every secret is tried against all that was stated, so that the
    /// time does not tell which it was.
    pub(super) fn fitting(self) -> Option<(String, Option<String>)> {
        let Self { stated, ours, signed_id } = self;
        let fits = |mac: &Mac| stated.iter().filter(|stated| mac.is(stated)).count() > 0;
        let mut fitting: Vec<_> = ours.into_iter().filter(|(_, mac)| fits(mac)).collect();
        let (by, _) = if fitting.is_empty() { return None } else { fitting.swap_remove(0) };
        Some((by, signed_id))
    }
}

/// What the header states, if it is well-formed: the prefix, and the MAC in its encoding.
pub(super) fn stated(proof: &HmacProof, headers: &HeaderMap, keys: &[Key]) -> Result<Macs, Refusal> {
    let value = only(headers, &proof.header).and_then(|value| value.strip_prefix(proof.prefix.as_bytes()));
    let stated = value.and_then(|value| match proof.encoding {
        Encoding::Hex => hex::decode(value).ok(),
        Encoding::Base64 => BASE64_STANDARD.decode(value).ok(),
    });
    Ok(Macs::of(vec![stated.ok_or(Refusal::NotAuthentic(MISSING))?], keys))
}
