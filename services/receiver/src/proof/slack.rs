//! Slack's signed requests: the MAC covers a version and the time besides the body (docs.slack.dev, "Verifying requests
//! from Slack").

use actix_web::http::header::HeaderMap;

use super::{MISSING, OTHER_TIME, is_now, mac::Macs, only};
use crate::{answer::Refusal, secrets::Key};

pub(super) fn stated(headers: &HeaderMap, keys: &[Key]) -> Result<Macs, Refusal> {
    let (time, signature) = read(headers).ok_or(Refusal::NotAuthentic(MISSING))?;
    // It is digits alone, so no other time and body are the same signed text.
    if !is_now(time) {
        return Err(Refusal::NotAuthentic(OTHER_TIME));
    }
    let mut macs = Macs::of(vec![signature], keys);
    macs.update(format!("v0:{time}:").as_bytes());
    Ok(macs)
}

/// The time as it is stated, and the signature.
fn read(headers: &HeaderMap) -> Option<(&str, Vec<u8>)> {
    let time = std::str::from_utf8(only(headers, "x-slack-request-timestamp")?).ok()?;
    let signature = only(headers, "x-slack-signature")?.strip_prefix(b"v0=")?;
    Some((time, hex::decode(signature).ok()?))
}
