//! What registries say, in our words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{config, failed, ignored, only, raw, read};
use proto::{Data, WebhookReceived};
use runtime::Outcome;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// As docker-registry 2.8 sends it.
fn event(action: &str, target: &Value) -> Value {
    let mut whole = json!({
        "mediaType": OCI, "size": 708, "digest": DIGEST, "length": 708, "repository": "acme/shop-backend",
        "url": format!("http://127.0.0.1:5000/v2/acme/shop-backend/manifests/{DIGEST}"),
    });
    whole.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
    json!({
        "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7", "timestamp": "2026-03-09T14:44:26.402973972-08:00",
        "action": action, "target": whole, "actor": {}, "source": { "addr": "registry:5000", "instanceID": "a53db899" },
        "request": { "id": "6df24a34", "addr": "127.0.0.1:64961", "host": "127.0.0.1:5000", "method": "PUT" },
    })
}

fn body(events: &[Value]) -> WebhookReceived {
    let body = json!({ "events": events }).to_string();
    raw("distribution", None, "application/vnd.docker.distribution.events.v1+json", body.as_bytes())
}

#[test]
fn every_push_of_an_image_counts_and_the_rest_is_told_once_a_reason() {
    let blob = json!({ "mediaType": "application/octet-stream" });
    let outcomes = read(
        &config(),
        &body(&[
            event("push", &blob),
            event("push", &blob),
            event("push", &json!({ "tag": "main" })),
            event("push", &json!({ "tag": "main" })),
            event("push", &json!({ "tag": "latest", "mediaType": LIST })),
            event("push", &json!({ "repository": "acme/admin", "tag": "main" })),
            event("push", &json!({})),
            event("pull", &json!({ "tag": "main" })),
            event("delete", &json!({})),
            event("mount", &blob),
            event("push", &json!({ "repository": "acme/other", "tag": "v1" })),
            event("push", &json!({ "digest": "sha1:x" })),
            event("push", &json!({ "repository": "../../etc", "tag": "v1" })),
        ]),
    )
    .unwrap();
    let mut subjects = Vec::new();
    let mut reasons = Vec::new();
    for outcome in outcomes.iter() {
        match outcome {
            Outcome::Event { subject, data } => subjects.push((subject.clone(), data.app().unwrap().to_string())),
            Outcome::Ignored { reason } => reasons.push(reason.clone()),
        }
    }
    let expected = [
        (format!("backend:main@{DIGEST}"), "shop"),
        (format!("backend:latest@{DIGEST}"), "shop"),
        (format!("backend:main@{DIGEST}"), "admin"),
        (format!("backend@{DIGEST}"), "shop"),
    ];
    assert_eq!(subjects, expected.map(|(subject, app)| (subject, app.to_owned())));
    let [reason] = &reasons[..] else { panic!("{reasons:?}") };
    for part in [
        "2 times: a push of `application/octet-stream`",
        "`pull`",
        "`delete`",
        "`mount`",
        "acme/other",
        "neither",
        "etc",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
}

#[test]
fn the_registry_is_the_one_its_client_called_or_the_urls() {
    let mut without = event("push", &json!({ "tag": "main" }));
    without["request"] = json!({});
    let (_, data) = only(&read(&config(), &body(&[without.clone()])));
    assert!(matches!(&data, Data::ImagePushed(pushed) if pushed.image.as_str() == "127.0.0.1:5000/acme/shop-backend"));
    without["target"]["url"] = Value::Null;
    ignored(&read(&config(), &body(&[without])));
    let mut elsewhere = event("push", &json!({ "tag": "main" }));
    elsewhere["request"]["host"] = "evil.example".into();
    let reason = ignored(&read(&config(), &body(&[elsewhere])));
    assert!(reason.contains("evil.example/acme/shop-backend"), "{reason}");
}

#[test]
fn nothing_of_use_is_one_record_however_much_it_is() {
    for empty in [json!({}), json!({ "events": null }), json!({ "events": [] })] {
        let webhook = raw("distribution", None, "application/json", empty.to_string().as_bytes());
        ignored(&read(&config(), &webhook));
    }
    let pulls: Vec<_> = (0..5000).map(|n| event("pull", &json!({ "tag": format!("v{n}") }))).collect();
    let reason = ignored(&read(&config(), &body(&pulls)));
    assert!(reason.contains("5000 times"), "{reason}");
    let strangers: Vec<_> =
        (0..5000).map(|n| event("push", &json!({ "repository": format!("acme/r{n}"), "tag": "main" }))).collect();
    let reason = ignored(&read(&config(), &body(&strangers)));
    assert!(reason.len() < 5000 && reason.contains("4980 times: for other reasons"), "{reason}");
}

#[test]
fn what_cannot_be_read_is_parked_whole_and_says_where() {
    let mut odd = event("push", &json!({ "tag": "main" }));
    odd["target"]["tag"] = json!(["main"]);
    let error = failed(&read(&config(), &body(&[event("push", &json!({ "tag": "main" })), odd])));
    assert!(error.contains("at `events[1].target.tag`"), "{error}");
    for body in [b"{\"events\": {}}".as_slice(), b"\"events\"", b"events"] {
        failed(&read(&config(), &raw("distribution", None, "application/json", body)));
    }
}
