//! Standard Webhooks 1.0.0: the MAC covers the message's id and time besides its body, and may be stated several times
//! while one secret replaces another.

use actix_web::http::header::HeaderMap;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{MISSING, OTHER_TIME, is_now, mac::Macs, only};
use crate::{answer::Refusal, secrets::Key};

/// The most signatures that are looked at; senders state one a secret.
const SIGNATURES: usize = 8;
/// The longest id, in bytes.
const LONGEST_ID: usize = 256;

pub(super) fn stated(headers: &HeaderMap, keys: &[Key]) -> Result<Macs, Refusal> {
    let found = |name| std::str::from_utf8(only(headers, name)?).ok();
    let text = |name| found(name).ok_or(Refusal::NotAuthentic(MISSING));
    let (id, time, signatures) = (text("webhook-id")?, text("webhook-timestamp")?, text("webhook-signature")?);
    // With a full stop in it, another id, time and body would be the same signed text.
    if id.is_empty() || id.len() > LONGEST_ID || id.contains('.') {
        return Err(Refusal::NotAuthentic("its `webhook-id` is empty, too long, or has a full stop in it"));
    }
    if !is_now(time) {
        return Err(Refusal::NotAuthentic(OTHER_TIME));
    }
    // Versions we do not know stand beside those we do.
    let known = signatures.split_ascii_whitespace().filter_map(|signature| signature.strip_prefix("v1,"));
    let stated: Vec<_> = known.filter_map(|mac| BASE64_STANDARD.decode(mac).ok()).take(SIGNATURES).collect();
    let mut macs = Macs::of(stated, keys);
    macs.update(format!("{id}.{time}.").as_bytes());
    macs.signed_id = Some(id.to_owned());
    Ok(macs)
}
