//! Who is let in, and what is said to those who are not.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use receiver::signing;
use runtime::Config;

use crate::story::{OTHER_SECRET, Request, SECRET, Sender, Story, TOKEN, configured, signature, webhook};

const PUSH: &str = r#"{"ref":"refs/heads/main","after":"0123456789abcdef0123456789abcdef01234567"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_is_durable_when_it_is_answered_and_travels_to_the_byte() {
    let story = Story::begin().await;
    // GitHub's own example would do as well; spaces and order must survive, and so must bytes that are no UTF-8.
    let body = [PUSH.as_bytes(), b"  \xff\n"].concat();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = story.send(&Request::github(&*body).header("traceparent", trace)).await;
    let id = answer.accepted().to_owned();
    assert_eq!(story.waiting().await, 1, "durable before the answer");

    let message = story.published(1).await.remove(0);
    let (event, data) = webhook(&message);
    assert_eq!((event.id.to_string(), event.correlation), (id, event.id));
    assert_eq!((event.source.as_str(), event.subject.as_str()), ("/webhooks/github", "push"));
    assert_eq!(event.traceparent.as_deref(), Some(trace));
    assert_eq!((data.kind.as_str(), &data.body[..]), ("github", &body[..]));
    assert_eq!(data.headers["xgithubevent"], "push");
    let shown = format!("{message:?}").to_lowercase();
    for secret in [SECRET, OTHER_SECRET, "signature", &signature(SECRET, &body)[7..]] {
        assert!(!shown.contains(&secret.to_lowercase()), "{secret} in {shown}");
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_prove_it_is_told_only_that() {
    let story = Story::begin().await;
    let good = Request::github(PUSH);
    let right = signature(SECRET, PUSH.as_bytes());
    let mut changed = good.clone();
    let mut body = PUSH.as_bytes().to_vec();
    body[10] ^= 1;
    changed.body = Arc::new(body);
    let spoilt = |value: &str| good.clone().header("X-Hub-Signature-256", value);
    let sha1 = good
        .clone()
        .without("X-Hub-Signature-256")
        .header("X-Hub-Signature", "sha1=0123456789012345678901234567890123456789");
    let requests = [
        ("another secret", spoilt(&signature("not it", PUSH.as_bytes()))),
        ("no signature", good.clone().without("X-Hub-Signature-256")),
        ("an empty one", spoilt("")),
        ("the prefix alone", spoilt("sha256=")),
        ("truncated", spoilt(&right[..right.len() - 2])),
        ("too long", spoilt(&format!("{right}00"))),
        ("no prefix", spoilt(&right[7..])),
        ("sha1= in the new header", spoilt("sha1=0123456789012345678901234567890123456789")),
        ("sha1 header only", sha1),
        ("not hex", spoilt(&format!("sha256={}", "zz".repeat(32)))),
        ("one byte of the body changed", changed),
        ("a registry's token", good.clone().without("X-Hub-Signature-256").header("Authorization", TOKEN)),
    ];
    let mut told = Vec::new();
    for (case, request) in requests {
        let answer = story.send(&request).await;
        assert_eq!(answer.status, 401, "{case}: {answer:?}");
        told.push(answer.problem(401).to_owned());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the answer does not tell which part was wrong: {told:?}");
    assert_eq!(story.waiting().await, 0);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_signatures_are_one_too_many() {
    let story = Story::begin().await;
    let wrong = signature("not it", PUSH.as_bytes());
    let head = Request::github(PUSH).head(&format!("X-Hub-Signature-256: {wrong}\r\nContent-Length: {}", PUSH.len()));
    let mut sender = Sender::connect(story.address).await;
    sender.write(&[&head, PUSH.as_bytes()].concat()).await.unwrap();
    sender.answer().await.unwrap().problem(401);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_active_secret_proves_and_hex_may_be_of_either_case() {
    let story = Story::begin().await;
    for secret in [SECRET, OTHER_SECRET] {
        let stated = signature(secret, PUSH.as_bytes());
        let upper = format!("sha256={}", stated[7..].to_uppercase());
        for value in [stated, upper] {
            story.send(&Request::github(PUSH).header("X-Hub-Signature-256", &value)).await.accepted();
        }
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_while_it_runs() {
    let story = Story::begin().await;
    let with = |secret: &str| Request::github(PUSH).header("X-Hub-Signature-256", &signature(secret, PUSH.as_bytes()));
    story.send(&with(SECRET)).await.accepted();
    story.send(&with("third")).await.problem(401);

    std::fs::write(story.file("old"), "third").unwrap();
    story.send(&with("third")).await.accepted();
    story.send(&with(SECRET)).await.problem(401);
    story.send(&with(OTHER_SECRET)).await.accepted();

    // As Kubernetes does it: another file takes the name's place.
    std::fs::write(story.file("next"), "fourth").unwrap();
    std::fs::rename(story.file("next"), story.file("old")).unwrap();
    story.send(&with("fourth")).await.accepted();
    story.send(&with("third")).await.problem(401);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_secret_nobody_is_let_in_and_everybody_may_come_again() {
    let story = Story::begin().await;
    std::fs::remove_file(story.file("old")).unwrap();
    std::fs::write(story.file("new"), "").unwrap();
    let empty = Request::github(PUSH).header("X-Hub-Signature-256", &signature("", PUSH.as_bytes()));
    for request in [Request::github(PUSH), empty] {
        let answer = story.send(&request).await;
        answer.problem(503);
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    }
    std::fs::write(story.file("old"), SECRET).unwrap();
    story.send(&Request::github(PUSH)).await.accepted();
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_shows_its_token_with_or_without_bearer() {
    let story = Story::begin().await;
    for shown in [TOKEN.to_owned(), format!("Bearer {TOKEN}"), format!("bearer {TOKEN}")] {
        story.send(&Request::registry(r#"{"events":[]}"#).header("Authorization", &shown)).await.accepted();
    }
    for shown in ["", "Bearer ", "Bearer", &TOKEN[1..], &format!("{TOKEN}x"), &format!("Basic {TOKEN}")] {
        story.send(&Request::registry("{}").header("Authorization", shown)).await.problem(401);
    }
    story.send(&Request::registry("{}").without("Authorization")).await.problem(401);

    let messages = story.published(3).await;
    let (event, data) = webhook(&messages[0]);
    assert_eq!((event.subject.as_str(), data.kind.as_str()), ("notification", "distribution"));
    assert!(messages.iter().all(|message| !format!("{message:?}").contains(TOKEN)));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_only_found_wrong_once_the_sender_is_known() {
    let story = Story::begin().await;
    let nameless = Request::github(PUSH).without("X-GitHub-Event");
    assert!(story.send(&nameless).await.problem(400).contains("X-GitHub-Event"));
    let odd = Request::github(PUSH).header("X-GitHub-Event", "push; rm -rf");
    assert!(story.send(&odd).await.problem(400).contains("X-GitHub-Event"));
    let unnumbered = Request::github(PUSH).without("X-GitHub-Delivery");
    assert!(story.send(&unnumbered).await.problem(400).contains("X-GitHub-Delivery"));
    story.send(&nameless.without("X-Hub-Signature-256")).await.problem(401);
    story.end().await;
}

/// A receiver with this source besides, whose secret is this.
async fn with_source(source: &str, secret: &str) -> (Story, Config) {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [("old", SECRET), ("new", OTHER_SECRET), ("token", TOKEN), ("own", secret)] {
        std::fs::write(folder.path().join(name), secret).unwrap();
    }
    let bus = format!("sqlite:{}", folder.path().join("bus.db").display());
    let own = format!("  own: {{ secrets: ['file:{}'], {source} }}\n", folder.path().join("own").display());
    let text = configured(folder.path(), &bus, "") + &own;
    let config = Config::parse(&text, Path::new("windlass.yaml")).unwrap();
    (Story::of(folder, &config).await, config)
}

/// What that source sends, signed with the secret.
fn own(config: &Config, secret: &str, body: &str) -> Request {
    let (_, source) = config.sources.iter().find(|(name, _)| name.as_str() == "own").unwrap();
    let signed = signing::sign(source, secret, body.as_bytes()).unwrap();
    let request = Request {
        line: format!("POST /webhooks/own{}", signed.path),
        headers: BTreeMap::new(),
        body: Arc::new(body.as_bytes().to_vec()),
    };
    let request = request.header("Content-Type", "application/json");
    signed.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_no_key_lets_nobody_in() {
    let read = "kind: standard-webhooks, read: { image: /image, tag: /tag }";
    for (source, nothing, whole) in [
        (read, "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (read, "whsec_AAAA", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("kind: quay", "half%20a%20secret", "half-a-secret"),
        ("kind: harbor", " ", "a token"),
    ] {
        let (story, config) = with_source(source, nothing).await;
        let answer = story.send(&own(&config, nothing, "{}")).await;
        answer.problem(503);
        assert!(answer.headers.contains_key("retry-after"), "{nothing:?}: {answer:?}");
        std::fs::write(story.file("own"), whole).unwrap();
        story.send(&own(&config, whole, "{}")).await.accepted();
        story.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_pushed_again_by_a_sender_without_ids_is_told_again() {
    let proof = "kind: generic, proof: { hmac: { header: x-sum } }";
    let pushed = r#"{"image":"ghcr.io/acme/web","tag":"latest"}"#;
    let (story, config) = with_source(&format!("{proof}, read: {{ image: /image, tag: /tag }}"), SECRET).await;
    for _ in 0..2 {
        story.send(&own(&config, SECRET, pushed)).await.accepted();
    }
    let both = story.published(2).await;
    assert_eq!(both[0].body, both[1].body);
    assert_ne!(both[0].attribute("id"), both[1].attribute("id"), "the second is no repeat of the first");
    story.end().await;

    let (story, config) = with_source(&format!("{proof}, read: {{ id: /id, image: /image, tag: /tag }}"), SECRET).await;
    let mut ids = Vec::new();
    for (id, attempt) in [(1, 1), (1, 2), (2, 1)] {
        let sent = pushed.replacen('{', &format!("{{\"id\":{id},\"attempt\":{attempt},"), 1);
        ids.push(story.send(&own(&config, SECRET, &sent)).await.accepted().to_owned());
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    story.end().await;
}
