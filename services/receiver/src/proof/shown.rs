//! Secrets that are shown: in a header, as a password, in the URL; and a proxy's word. Digests are compared, so that
//! neither a secret's bytes nor its length can be measured.

use actix_web::http::header::HeaderMap;
use base64::{Engine, prelude::BASE64_STANDARD};
use runtime::config::{BasicProof, ProxyTlsProof};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{MISSING, NO_SECRET, Shown, only};
use crate::{answer::Refusal, secrets::Key};

/// A secret in a header, as it is; in `Authorization` also after `Bearer `.
pub(super) fn in_header(name: &str, headers: &HeaderMap, keys: &[Key]) -> Result<String, Refusal> {
    let shown = only(headers, name).ok_or(Refusal::NotAuthentic(MISSING))?;
    let may_have_scheme = name.eq_ignore_ascii_case("authorization");
    let bare = Some(shown).filter(|_| may_have_scheme).and_then(|shown| scheme(shown, b"Bearer "));
    known([Some(shown), bare].into_iter().flatten(), keys)
}

/// A secret as the password of HTTP basic authentication.
pub(super) fn as_password(basic: &BasicProof, headers: &HeaderMap, keys: &[Key]) -> Result<String, Refusal> {
    let shown = only(headers, "authorization").and_then(|value| scheme(value, b"Basic "));
    let shown = shown.and_then(|value| BASE64_STANDARD.decode(value).ok()).ok_or(Refusal::NotAuthentic(MISSING))?;
    let colon = shown.iter().position(|b| *b == b':').ok_or(Refusal::NotAuthentic(MISSING))?;
    let (name, password) = (&shown[..colon], &shown[colon + 1..]);
    let named =
        basic.username.as_ref().map_or(Choice::from(1), |wanted| digest(name).ct_eq(&digest(wanted.as_bytes())));
    // Both are compared, whichever is wrong.
    let by = known([password].into_iter(), keys);
    if bool::from(named) { by } else { Err(Refusal::NotAuthentic("its user is not `proof.basic.username`")) }
}

/// A secret as the last part of the URL.
pub(super) fn in_path(shown: Option<&str>, keys: &[Key]) -> Result<String, Refusal> {
    known(shown.map(str::as_bytes).into_iter(), keys)
}

/// What the proxy in front says of the certificate it was shown.
pub(super) fn by_proxy(proxy: &ProxyTlsProof, shown: &Shown<'_>) -> Result<String, Refusal> {
    let peer = shown.peer.map(|peer| peer.to_canonical());
    let is_proxy = peer.is_some_and(|peer| proxy.from.iter().any(|range| range.network().contains(&peer)));
    if !is_proxy {
        return Err(Refusal::NotAuthentic(
            "it does not come from the proxy; its address must be in `proof.proxy_tls.from`",
        ));
    }
    let subject = only(shown.headers, &proxy.header).ok_or(Refusal::NotAuthentic(MISSING))?;
    let listed = proxy.subjects.iter().any(|listed| listed.as_bytes() == subject);
    let why = "its certificate's subject is not among `proof.proxy_tls.subjects`, which must say it as the proxy does";
    if listed { Ok("proxy_tls".to_owned()) } else { Err(Refusal::NotAuthentic(why)) }
}

/// The reference of the secret that was shown.
fn known<'a>(shown: impl Iterator<Item = &'a [u8]>, keys: &[Key]) -> Result<String, Refusal> {
    let mut by = None;
    for shown in shown.map(digest) {
        for key in keys {
            if bool::from(key.digest.ct_eq(&shown)) {
                by = Some(key.reference.clone());
            }
        }
    }
    by.ok_or(Refusal::NotAuthentic(NO_SECRET))
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// What follows an authentication scheme's name, whose case does not matter.
fn scheme<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (scheme, rest) = value.split_at_checked(name.len())?;
    scheme.eq_ignore_ascii_case(name).then_some(rest)
}
