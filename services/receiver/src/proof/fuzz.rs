//! Fuzz targets: requests of every kind of sender, and whether they are let in exactly when they are proven.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use actix_web::http::header::{HeaderName, HeaderValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use runtime::config::{Encoding, HmacProof, Proof};
use testkit::fuzz::{Fuzz, Input};

use super::tests::{OLD, Request, SECRET, Sender, senders};
use crate::{answer::Refusal, signing};

/// A request as text: the path's last part, headers a line, an empty line, the body.
fn written(request: &Request) -> Vec<u8> {
    let mut text = format!("{}\n", request.path.as_deref().unwrap_or_default()).into_bytes();
    for (name, value) in &request.headers {
        text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    [&text[..], b"\n", &request.body].concat()
}

fn read(bytes: &[u8]) -> Option<Request> {
    let at = bytes.windows(2).position(|window| window == b"\n\n")?;
    let mut lines = bytes[..at].split(|b| *b == b'\n');
    let path = String::from_utf8(lines.next()?.to_vec()).ok()?;
    let header = |line: &[u8]| {
        let colon = line.windows(2).position(|window| window == b": ")?;
        let name = std::str::from_utf8(&line[..colon]).ok().filter(|name| name.parse::<HeaderName>().is_ok())?;
        let value = HeaderValue::from_bytes(&line[colon + 2..]).ok()?;
        Some((name.to_ascii_lowercase(), value.as_bytes().to_vec()))
    };
    let headers = lines.map(header).collect::<Option<Vec<_>>>()?;
    Some(Request { headers, path: Some(path).filter(|path| !path.is_empty()), body: bytes[at + 2..].to_vec() })
}

/// Whether a request proves itself, told in another way: by signing what it says once more as its sender would.
fn is_proven(sender: &Sender, request: &Request) -> bool {
    let only = |name: &str| {
        let mut values = request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| value.as_slice())
    };
    let after = |value: &[u8], scheme: &str| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.to_vec())
    };
    let is_secret = |shown: &[u8]| shown == SECRET.as_bytes() || shown == OLD.as_bytes();
    let proof = sender.source.proof().unwrap();
    if request.path.is_some() && proof != Proof::Path {
        return false;
    }
    match &proof {
        Proof::Path => request.path.as_ref().is_some_and(|path| is_secret(path.as_bytes())),
        Proof::Token(token) => only(&token.header).is_some_and(|value| {
            let bare = after(value, "Bearer ").filter(|_| token.header.eq_ignore_ascii_case("authorization"));
            is_secret(value) || bare.is_some_and(|bare| is_secret(&bare))
        }),
        Proof::Basic(_) => only("authorization").is_some_and(|value| {
            let shown = after(value, "Basic ").and_then(|value| BASE64_STANDARD.decode(value).ok()).unwrap_or_default();
            shown.strip_prefix(b"azure:").is_some_and(is_secret)
        }),
        Proof::Hmac(hmac) => only(&hmac.header).is_some_and(|value| states(sender, hmac, value, &request.body)),
        Proof::StandardWebhooks => is_standard(&only, &request.body),
        Proof::Slack => is_slacks(&only, &request.body),
        other => panic!("{other:?}"),
    }
}

fn states(sender: &Sender, hmac: &HmacProof, value: &[u8], body: &[u8]) -> bool {
    [SECRET, OLD].iter().any(|secret| {
        let right = signing::sign(&sender.source, secret, body).unwrap().headers.remove(0).1;
        let (stated, right) = (value.strip_prefix(hmac.prefix.as_bytes()), &right.as_bytes()[hmac.prefix.len()..]);
        // Hexadecimal digits have no case.
        let as_right =
            |stated: &[u8]| stated == right || (hmac.encoding == Encoding::Hex && stated.eq_ignore_ascii_case(right));
        stated.is_some_and(as_right)
    })
}

/// The specification's own words.
fn is_standard<'a>(only: &impl Fn(&str) -> Option<&'a [u8]>, body: &[u8]) -> bool {
    let text = |name| only(name).and_then(|value| std::str::from_utf8(value).ok());
    let parts = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let (Some(id), Some(time), Some(stated)) = parts else { return false };
    let known = stated.split_ascii_whitespace().filter_map(|one| one.strip_prefix("v1,"));
    let mut known = known.filter(|mac| BASE64_STANDARD.decode(mac).is_ok()).take(8);
    let right = [SECRET, OLD].map(|secret| {
        let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(&[id.as_bytes(), b".", time.as_bytes(), b".", body].concat());
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    });
    let id_is_plain = !id.is_empty() && id.len() <= 256 && !id.contains('.');
    id_is_plain && age(time).is_some_and(|age| age < 300) && known.any(|mac| right.iter().any(|right| right == mac))
}

/// Slack's own words.
fn is_slacks<'a>(only: &impl Fn(&str) -> Option<&'a [u8]>, body: &[u8]) -> bool {
    let parts = (only("x-slack-request-timestamp"), only("x-slack-signature"));
    let (Some(time), Some(stated)) = parts else { return false };
    let right = [SECRET, OLD].map(|secret| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&[b"v0:", time, b":", body].concat());
        hex::encode(mac.finalize().into_bytes())
    });
    let stated = stated.strip_prefix(b"v0=").unwrap_or_default().to_ascii_lowercase();
    let time = std::str::from_utf8(time).ok();
    time.and_then(age).is_some_and(|age| age < 300) && right.iter().any(|right| right.as_bytes() == stated)
}

/// How far a stated time lies from now, in seconds.
fn age(time: &str) -> Option<u64> {
    let digits = time.bytes().all(|b| b.is_ascii_digit());
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    time.parse::<u64>().ok().filter(|_| digits).map(|time| time.abs_diff(now))
}

/// Whether the clock may strike while the request is judged.
fn is_at_the_border(request: &Request) -> bool {
    let is_time = |name: &str| ["webhook-timestamp", "x-slack-request-timestamp"].contains(&name);
    let mut times = request.headers.iter().filter(|(name, _)| is_time(name));
    times.any(|(_, time)| std::str::from_utf8(time).ok().and_then(age).is_some_and(|age| (290..310).contains(&age)))
}

#[test]
fn verifiers() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name =
        |sender: &Sender| format!("{} by {}", sender.source.kind.as_str(), sender.source.proof().unwrap().name());
    let senders: BTreeMap<_, _> = senders().into_iter().map(|sender| (name(&sender), sender)).collect();
    let mut fuzz = Fuzz::new("verifiers").count(10_000);
    for (name, sender) in &senders {
        for secret in [SECRET, OLD, "not it"] {
            fuzz = match signing::sign(&sender.source, secret, super::tests::BODY) {
                Ok(_) => fuzz.seed(name, written(&sender.signed(secret))),
                Err(_) => fuzz,
            };
        }
    }
    let words = [
        "Bearer ",
        "basic ",
        "sha256=",
        "sha1=",
        "v1,",
        "v0=",
        "v1a,",
        "whsec_",
        SECRET,
        OLD,
        "\n\n",
        "authorization: ",
        "azure:",
    ];
    fuzz.words(&words).run(|input: &Input| {
        let sender = &senders[&*input.label];
        let Some(request) = read(&input.bytes) else { return "no request".to_owned() };
        if is_at_the_border(&request) {
            return "at the border".to_owned();
        }
        let judged = runtime.block_on(sender.judge(&request));
        let came = match &judged {
            Ok(proven) => {
                assert_eq!(proven.bytes(), request.body);
                "let in".to_owned()
            }
            Err(why @ (Refusal::NotAuthentic(_) | Refusal::UnknownSource)) => why.to_string(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(judged.is_ok(), is_proven(sender, &request), "{came}: {request:?}");
        format!("{} {came}", input.label)
    });
}
