//! Pushes of 8 KB: as GitHub posts them, and as they lie on the bus.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::{Event, EventId, Message, SourceName, Timestamp, WebhookReceived};
use testkit::github;

/// The size of every body.
pub(crate) const BYTES: usize = 8192;
/// The path the receiver takes them at, and the source's name.
pub(crate) const SOURCE: &str = "github";
pub(crate) const SECRET: &str = "a secret as long as GitHub proposes, 40 chars";
/// So many different ones take turns.
const KINDS: usize = 64;

/// The bodies, each of exactly [`BYTES`], none like another.
pub(crate) fn bodies() -> Vec<Bytes> {
    (0..KINDS).map(body).collect()
}

fn body(number: usize) -> Bytes {
    let id = |n: usize| format!("{n:040x}");
    let commit = |n: usize, message: &str| github::commit(&id(1000 * number + n), message, &["src/main.rs"]);
    let payload = |message: &str| {
        let commits = (1..=6).map(|n| commit(n, message)).collect();
        github::Push::to("acme/backstage-saas", "main", &id(1000 * number + 6)).commits(commits).payload().to_string()
    };
    let mut text = payload("Change something that somebody asked for");
    assert!(text.len() <= BYTES, "a push of six commits has {} bytes already", text.len());
    // White space at the end belongs to the body, and to what is signed.
    text.push_str(&" ".repeat(BYTES - text.len()));
    text.into()
}

/// Requests as GitHub makes them, ready to be written.
pub(crate) fn requests(event: &str) -> Vec<Vec<u8>> {
    bodies().iter().map(|body| request(event, body)).collect()
}

fn request(event: &str, body: &Bytes) -> Vec<u8> {
    let line = format!("POST /webhooks/{SOURCE} HTTP/1.1\r\nHost: windlass.example.com\r\nAccept: */*\r\n");
    let mut lines = vec![line];
    lines.extend(github::headers(event, SECRET, body).iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    lines.push(format!("Content-Length: {}\r\n\r\n", body.len()));
    [lines.concat().as_bytes(), body].concat()
}

/// The messages the receiver makes of them.
pub(crate) fn messages() -> Vec<Message> {
    bodies().into_iter().map(message).collect()
}

fn message(body: Bytes) -> Message {
    let source = SourceName::new(SOURCE).unwrap();
    let id = EventId::of_webhook(&source, &body);
    let kept = [("xgithubevent", "push"), ("xgithubhookid", "292430182")];
    let mut headers: BTreeMap<_, _> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    headers.insert("xgithubdelivery".to_owned(), id.to_string());
    let content_type = "application/json".to_owned();
    let data =
        WebhookReceived { webhook_source: source, kind: "github".to_owned(), content_type, headers, proof: None, body };
    let mut event = Event::first(id, format!("/webhooks/{SOURCE}"), "push".to_owned(), Timestamp::now(), data);
    event.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    event.to_message()
}
