//! What is the same webhook again, and what is another that only looks like it.
#![allow(clippy::unwrap_used)]

use actix_web::http::header::{HeaderMap, HeaderName};
use proto::{EventId, SourceName};
use runtime::config::{Source as Configured, SourceKind};
use serde_json::{Value, json};

use super::Source;
use crate::{proof::Shown, signing};

/// Base64, so that it is a key for every scheme.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A sender, and how it proves itself.
struct Sender {
    configured: Configured,
    source: Source,
    _folder: tempfile::TempDir,
}

impl Sender {
    fn of(kind: SourceKind, more: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, SECRET).unwrap();
        let mut source = json!({ "kind": kind.as_str(), "secrets": [format!("file:{}", path.display())] });
        source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let configured: Configured = serde_json::from_value(source).unwrap();
        let source = Source::new(&SourceName::new("sender").unwrap(), &configured).unwrap();
        Self { configured, source, _folder: folder }
    }

    /// The id of what it sends.
    async fn id(&self, body: &Value, headers: &[(&str, &str)]) -> EventId {
        let body = body.to_string();
        let signed = signing::sign(&self.configured, SECRET, body.as_bytes()).unwrap();
        let mut map = HeaderMap::new();
        let own = signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            map.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let in_path = signed.path.strip_prefix('/');
        let mut unverified = self.source.unverified(&Shown { headers: &map, in_path, peer: None }).await.unwrap();
        unverified.push(body.as_bytes());
        self.source.id(&map, &unverified.verify().unwrap())
    }
}

#[tokio::test]
async fn a_sender_without_ids_and_times_may_send_the_same_bytes_twice_and_mean_both() {
    let read = json!({ "image": "/image", "tag": "/tag" });
    let token = json!({ "token": { "header": "x-token" } });
    let moved = json!({ "image": "ghcr.io/acme/web", "tag": "latest" });
    for sender in [
        Sender::of(SourceKind::Generic, &json!({ "proof": token, "read": read })),
        Sender::of(SourceKind::StandardWebhooks, &json!({ "proof": token, "read": read })),
        Sender::of(SourceKind::GoogleArtifactRegistry, &json!({ "proof": token })),
        Sender::of(SourceKind::Gitlab, &json!({})),
        Sender::of(SourceKind::Quay, &json!({})),
        Sender::of(SourceKind::Artifactory, &json!({})),
    ] {
        let kind = sender.configured.kind;
        assert_ne!(sender.id(&moved, &[]).await, sender.id(&moved, &[]).await, "{kind:?}");
    }
}

#[tokio::test]
async fn an_id_in_a_header_tells_them_apart_where_the_body_has_none() {
    let token = json!({ "token": { "header": "x-token" } });
    let reading = json!({ "proof": token, "read": { "image": "/image", "tag": "/tag" } });
    let body = json!({ "action": "INSERT", "tag": "europe-docker.pkg.dev/acme/shop/web:latest" });
    for (sender, header) in [
        (Sender::of(SourceKind::GoogleArtifactRegistry, &json!({ "proof": token })), "x-goog-pubsub-message-id"),
        (Sender::of(SourceKind::Gitlab, &json!({})), "idempotency-key"),
        (Sender::of(SourceKind::StandardWebhooks, &reading), "webhook-id"),
        (Sender::of(SourceKind::CloudEvents, &json!({})), "ce-id"),
    ] {
        let first = sender.id(&body, &[(header, "1")]).await;
        assert_eq!(sender.id(&body, &[(header, "1")]).await, first, "{header}");
        assert_ne!(sender.id(&body, &[(header, "2")]).await, first, "{header}");
    }
}

#[tokio::test]
async fn an_id_in_the_body_tells_them_apart_whatever_else_is_in_it() {
    let token = json!({ "token": { "header": "x-token" } });
    let google = Sender::of(SourceKind::GoogleArtifactRegistry, &json!({ "proof": token }));
    let pushed = |id: &str, attempt: u32| json!({ "message": { "data": "e30=", "messageId": id }, "subscription": "s", "deliveryAttempt": attempt });
    let first = google.id(&pushed("1", 1), &[]).await;
    assert_eq!(google.id(&pushed("1", 2), &[]).await, first);
    assert_ne!(google.id(&pushed("2", 1), &[]).await, first);

    let read = json!({ "id": "/delivery/id", "each": "/items", "image": "/image", "tag": "/tag" });
    let generic = Sender::of(SourceKind::Generic, &json!({ "proof": token, "read": read }));
    let built = |id: Value, attempt: u32| json!({ "delivery": { "id": id }, "attempt": attempt, "items": [] });
    for (id, other) in [(json!("a-1"), json!("a-2")), (json!(7), json!(8))] {
        let first = generic.id(&built(id.clone(), 1), &[]).await;
        assert_eq!(generic.id(&built(id, 2), &[]).await, first);
        assert_ne!(generic.id(&built(other, 1), &[]).await, first);
    }
    for none in [Value::Null, json!(""), json!({ "deep": 1 }), json!(0.5)] {
        let same = built(none, 1);
        assert_ne!(generic.id(&same, &[]).await, generic.id(&same, &[]).await, "{same}");
    }
}

#[tokio::test]
async fn what_was_signed_as_the_senders_own_id_counts_before_all_else() {
    let more = json!({ "proof": "standard_webhooks", "read": { "id": "/id", "image": "/image", "tag": "/tag" } });
    let generic = Sender::of(SourceKind::Generic, &more);
    // It signs each with an id of its own.
    assert_ne!(generic.id(&json!({ "id": 1 }), &[]).await, generic.id(&json!({ "id": 1 }), &[]).await);
}

#[tokio::test]
async fn bytes_that_hold_ids_or_times_are_the_same_webhook_again() {
    for kind in [
        SourceKind::Github,
        SourceKind::Gitea,
        SourceKind::Bitbucket,
        SourceKind::AzureDevops,
        SourceKind::DockerHub,
        SourceKind::Harbor,
        SourceKind::Acr,
        SourceKind::AliyunAcr,
        SourceKind::Ecr,
        SourceKind::Nexus,
        SourceKind::Distribution,
        SourceKind::CloudEvents,
        SourceKind::Slack,
    ] {
        let sender = Sender::of(kind, &json!({}));
        let first = sender.id(&json!({ "id": 1 }), &[("x-github-delivery", "1"), ("x-request-uuid", "1")]).await;
        // What is not signed may be anybody's.
        let again = sender.id(&json!({ "id": 1 }), &[("x-github-delivery", "2"), ("x-request-uuid", "2")]).await;
        assert_eq!(again, first, "{kind:?}");
        assert_ne!(sender.id(&json!({ "id": 2 }), &[]).await, first, "{kind:?}");
    }
}
