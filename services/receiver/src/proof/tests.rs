//! Every kind of sender: what it signs is let in, and what is changed by anybody else is not.
#![allow(clippy::unwrap_used)]

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use runtime::config::{Source, SourceKind};
use serde_json::{Value, json};

use super::{Authentic, Shown, Verifier};
use crate::{
    answer::Refusal,
    signing::{self, Signed},
};

/// Base64, so that it is a key for every scheme.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The one that is being replaced, and holds still.
pub(super) const OLD: &str = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQt";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(super) const BODY: &[u8] = br#"{"ref":"refs/heads/main","after":"0123456789abcdef0123456789abcdef01234567"}"#;
/// How many changed requests of each kind are tried, unless `WINDLASS_MUTATIONS` says so.
const MUTATIONS: usize = 2_000;

pub(super) struct Sender {
    pub(super) source: Source,
    verifier: Verifier,
    _folder: tempfile::TempDir,
}

/// A request in the making.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) path: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Sender {
    fn new(kind: SourceKind, proof: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let reference = |name: &str, secret: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{secret}\n")).unwrap();
            format!("file:{}", path.display())
        };
        let secrets = [reference("old", OLD), reference("new", SECRET)];
        let mut source = json!({ "kind": kind.as_str(), "secrets": secrets });
        if !proof.is_null() {
            source["proof"] = proof;
        }
        let source: Source = serde_json::from_value(source).unwrap();
        Self { verifier: Verifier::new(&source).unwrap(), source, _folder: folder }
    }

    pub(super) fn signed(&self, secret: &str) -> Request {
        let Signed { headers, path } = signing::sign(&self.source, secret, BODY).unwrap();
        let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        Request { headers, path: path.strip_prefix('/').map(ToOwned::to_owned), body: BODY.to_vec() }
    }

    pub(super) async fn judge(&self, request: &Request) -> Result<Authentic, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            // What is no header never comes this far.
            let Ok(value) = HeaderValue::from_bytes(value) else { return Err(Refusal::NotAuthentic(super::MISSING)) };
            headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        let shown = Shown { headers: &headers, in_path: request.path.as_deref(), peer: None };
        let mut body = self.verifier.begin(&shown).await?;
        for chunk in request.body.chunks(7) {
            body.push(chunk);
        }
        body.verify()
    }
}

/// Every kind with its own proof, and the ways that only the config can choose.
pub(super) fn senders() -> Vec<Sender> {
    let own = |kind: SourceKind| match kind {
        SourceKind::GoogleArtifactRegistry => None,
        SourceKind::AzureDevops => Some((kind, json!({ "basic": { "username": "azure" } }))),
        SourceKind::Generic => {
            Some((kind, json!({ "hmac": { "header": "X-Sum", "algorithm": "sha512", "encoding": "base64" } })))
        }
        _ => Some((kind, Value::Null)),
    };
    let chosen = [
        (SourceKind::Artifactory, json!({ "hmac": { "header": "x-jfrog-event-auth" } })),
        (SourceKind::Gitlab, json!("standard_webhooks")),
        (SourceKind::Harbor, json!("path")),
    ];
    SourceKind::ALL.into_iter().filter_map(own).chain(chosen).map(|(kind, proof)| Sender::new(kind, proof)).collect()
}

#[tokio::test]
async fn what_each_kind_signs_is_let_in_and_its_secret_is_named_but_not_told() {
    for sender in senders() {
        let proven = sender.judge(&sender.signed(SECRET)).await;
        let proven = proven.unwrap_or_else(|error| panic!("{:?}: {error}", sender.source.kind));
        assert!(proven.by.starts_with("file:") && proven.by.ends_with("/new"), "{}", proven.by);
        assert_eq!(proven.into_bytes(), BODY);
    }
}

#[tokio::test]
async fn what_was_wrong_is_for_the_log_and_no_sender_is_told() {
    for sender in senders() {
        let kind = sender.source.kind;
        let why = async |request: &Request| {
            let refusal = sender.judge(request).await.unwrap_err();
            assert_eq!(refusal.to_string(), "not authentic", "{kind:?}");
            refusal.why().unwrap()
        };
        assert!(why(&sender.signed(OTHER)).await.contains("none of `secrets`"), "{kind:?}");
        let genuine = sender.signed(SECRET);
        if !genuine.headers.is_empty() {
            let bare = Request { headers: Vec::new(), ..genuine.clone() };
            assert!(why(&bare).await.contains("is missing"), "{kind:?}");
        }
        let mut late = genuine;
        if let Some((_, time)) = late.headers.iter_mut().find(|(name, _)| name.ends_with("timestamp")) {
            *time = b"1".to_vec();
            assert!(why(&late).await.contains("clock"), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn whoever_knows_no_secret_is_not_let_in() {
    for sender in senders() {
        let genuine = sender.signed(SECRET);
        let refused = async |what: &str, request: &Request| {
            let judged = sender.judge(request).await;
            let right = matches!(judged, Err(Refusal::NotAuthentic(_) | Refusal::UnknownSource));
            assert!(right, "{:?}: {what}: {judged:?}", sender.source.kind);
        };
        refused("another secret", &sender.signed(OTHER)).await;
        for n in 0..genuine.headers.len() {
            let mut without = genuine.clone();
            without.headers.remove(n);
            refused("a header missing", &without).await;
            let mut twice = genuine.clone();
            twice.headers.push(genuine.headers[n].clone());
            refused("a header twice", &twice).await;
            let mut empty = genuine.clone();
            empty.headers[n].1.clear();
            refused("a header empty", &empty).await;
        }
        let in_path = genuine.path.is_some();
        let path = if in_path { None } else { Some("x".to_owned()) };
        refused("a path that is not its own", &Request { path, ..genuine.clone() }).await;
    }
}

/// Bits, lengths, cases and bodies; seeded, so that what is found can be found again.
#[tokio::test]
async fn no_changed_request_is_let_in() {
    let count = std::env::var("WINDLASS_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTATIONS);
    let mut random = StdRng::seed_from_u64(20_261_124);
    let (mut tried, mut genuine_tried) = (0_usize, 0_usize);
    for sender in senders() {
        let genuine = sender.signed(SECRET);
        let signs_body = !matches!(
            sender.source.proof(),
            Some(runtime::config::Proof::Token(_) | runtime::config::Proof::Basic(_) | runtime::config::Proof::Path)
        );
        for n in 0..count {
            let mut changed = genuine.clone();
            if signs_body && random.random_bool(0.3) {
                let at = random.random_range(0..changed.body.len());
                changed.body[at] ^= 1 << random.random_range(0..8);
            } else if let Some(path) = &mut changed.path {
                let at = random.random_range(0..path.len());
                let other = char::from(random.random_range(b'!'..=b'~'));
                path.replace_range(at..=at, &other.to_string());
            } else {
                let which = random.random_range(0..changed.headers.len());
                spoil(&mut random, &mut changed.headers[which].1);
            }
            if same(&changed, &genuine) {
                continue;
            }
            tried += 1;
            let judged = sender.judge(&changed).await;
            assert!(judged.is_err(), "{:?}: the {n}th change was let in: {:?}", sender.source.kind, changed.headers);
            if n % 10 == 0 {
                genuine_tried += 1;
                sender.judge(&sender.signed(SECRET)).await.unwrap();
            }
        }
    }
    println!("{tried} changed requests, none let in; {genuine_tried} genuine ones, none refused");
    assert!(tried > count * 10 && genuine_tried > count, "{tried} and {genuine_tried} are too few to say anything");
}

fn spoil(random: &mut StdRng, value: &mut Vec<u8>) {
    let at = random.random_range(0..value.len());
    match random.random_range(0..5) {
        0 => value[at] ^= 1 << random.random_range(0..8),
        1 => value.truncate(at),
        2 => value.insert(at, random.random_range(b'!'..=b'~')),
        3 => drop(value.remove(at)),
        _ => value[at] = random.random_range(b'!'..=b'~'),
    }
}

/// Whether it says the same: hex digits and names of schemes have no case, and a bearer may leave `Bearer` out.
fn same(changed: &Request, genuine: &Request) -> bool {
    let like = |a: &[u8], b: &[u8]| a.eq_ignore_ascii_case(b);
    let headers = changed.headers.iter().zip(&genuine.headers).all(|((_, a), (_, b))| like(a, b));
    headers && changed.path == genuine.path && changed.body == genuine.body
}

#[tokio::test]
async fn what_was_signed_long_ago_or_will_be_is_not_let_in() {
    let sender = Sender::new(SourceKind::Gitlab, json!("standard_webhooks"));
    let now = jiff::Timestamp::now().as_second();
    let (key, body) = (&SECRET["whsec_".len()..], BODY);
    let at = |time: i64| {
        use base64::{Engine, prelude::BASE64_STANDARD};
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
        mac.update(format!("msg_1.{time}.").as_bytes());
        mac.update(body);
        let signature = format!("v1a,AAAA v1,AAAA v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        let headers = [
            ("webhook-id", "msg_1".to_owned()),
            ("webhook-timestamp", time.to_string()),
            ("webhook-signature", signature),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).into();
        Request { headers, path: None, body: body.to_vec() }
    };
    assert_eq!(sender.judge(&at(now - 200)).await.unwrap().signed_id.as_deref(), Some("msg_1"));
    assert!(sender.judge(&at(now + 200)).await.is_ok());
    assert!(sender.judge(&at(now - 400)).await.is_err());
    assert!(sender.judge(&at(now + 400)).await.is_err());
}

#[tokio::test]
async fn a_click_of_long_ago_or_of_another_time_is_not_let_in() {
    let sender = Sender::new(SourceKind::Slack, Value::Null);
    let now = jiff::Timestamp::now().as_second();
    let at = |signed: &str, stated: &str| {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("v0:{signed}:").as_bytes());
        mac.update(BODY);
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [("x-slack-request-timestamp", stated.to_owned()), ("x-slack-signature", signature)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).into();
        Request { headers, path: None, body: BODY.to_vec() }
    };
    let honest = |time: i64| at(&time.to_string(), &time.to_string());
    for (time, let_in) in [(now - 200, true), (now + 200, true), (now - 400, false), (now + 400, false)] {
        assert_eq!(sender.judge(&honest(time)).await.is_ok(), let_in, "{}", time - now);
    }
    // The time is signed, so an old click is not made a new one.
    assert!(sender.judge(&at(&(now - 400).to_string(), &now.to_string())).await.is_err());
    for odd in [format!("+{now}"), format!("{now} "), format!("{now}.0"), String::new(), "9".repeat(40)] {
        assert!(sender.judge(&at(&odd, &odd)).await.is_err(), "{odd:?}");
    }
    let unversioned = |mut request: Request| {
        request.headers[1].1.drain(..3);
        request
    };
    assert!(sender.judge(&unversioned(honest(now))).await.is_err());
}

#[tokio::test]
async fn a_proxys_word_counts_from_the_proxy_alone() {
    let proxy = json!({ "proxy_tls": { "header": "x-subject", "subjects": ["CN=registry"], "from": ["10.0.0.0/24"] } });
    let source: Source = serde_json::from_value(json!({ "kind": "ecr", "proof": proxy })).unwrap();
    let verifier = Verifier::new(&source).unwrap();
    for (peer, subject, let_in) in [
        ("10.0.0.7", "CN=registry", true),
        ("::ffff:10.0.0.7", "CN=registry", true),
        ("10.0.1.7", "CN=registry", false),
        ("10.0.0.7", "CN=registry2", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-subject"), subject.parse().unwrap());
        let shown = Shown { headers: &headers, in_path: None, peer: Some(peer.parse().unwrap()) };
        assert_eq!(verifier.begin(&shown).await.is_ok(), let_in, "{peer} {subject}");
    }
}
