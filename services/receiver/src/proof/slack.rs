//! Slack's signed requests: the MAC covers a version and the time besides the body (docs.slack.dev, "Verifying requests
//! from Slack").

use actix_web::http::header::HeaderMap;

use super::{is_now, mac::Macs, only};
use crate::{answer::Refusal, secrets::Key};

pub(super) fn stated(headers: &HeaderMap, keys: &[Key]) -> Result<Macs, Refusal> {
    read(headers, keys).ok_or(Refusal::NotAuthentic)
}

fn read(headers: &HeaderMap, keys: &[Key]) -> Option<Macs> {
    let time = std::str::from_utf8(only(headers, "x-slack-request-timestamp")?).ok()?;
    let signature = only(headers, "x-slack-signature")?.strip_prefix(b"v0=")?;
    // It is digits alone, so no other time and body are the same signed text.
    if !is_now(time) {
        return None;
    }
    let mut macs = Macs::of(vec![hex::decode(signature).ok()?], keys);
    macs.update(format!("v0:{time}:").as_bytes());
    Some(macs)
}
