//! What these tests share: one config, webhooks made and read, outcomes taken apart.
#![allow(dead_code, unreachable_pub)]

use std::{collections::BTreeSet, path::Path};

use proto::{Data, Event, EventId, Timestamp, WebhookReceived};
use runtime::{Config, Failure, Outcome, Outcomes};
use serde_json::Value;

pub const CONFIG: &str = r#"
sources:
  github: { kind: github, secrets: [env:GITHUB_SECRET] }
  distribution: { kind: distribution, secrets: [env:REGISTRY_TOKEN] }
apps:
  shop:
    repository: acme/shop
    deploy: [main]
    hotfix: ["hotfix/*"]
    components:
      frontend: { image: ghcr.io/acme/shop-frontend }
      backend: { image: "127.0.0.1:5000/acme/shop-backend" }
  admin:
    repository: acme/admin
    components:
      backend: { image: "127.0.0.1:5000/acme/admin" }
network: { allow: [127.0.0.1] }
"#;

pub fn config() -> Config {
    parse(CONFIG)
}

pub fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("windlass.yaml")).unwrap()
}

pub fn raw(kind: &str, event: Option<&str>, content_type: &str, body: &[u8]) -> WebhookReceived {
    WebhookReceived {
        webhook_source: kind.parse().unwrap(),
        kind: kind.to_owned(),
        content_type: content_type.to_owned(),
        headers: event.map(|event| ("xgithubevent".to_owned(), event.to_owned())).into_iter().collect(),
        proof: None,
        body: body.to_vec().into(),
    }
}

pub fn github(event: &str, body: &Value) -> WebhookReceived {
    raw("github", Some(event), "application/json", body.to_string().as_bytes())
}

pub fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    normalizer::read(config, webhook)
}

/// The one event that came of it.
#[track_caller]
pub fn only(outcomes: &Result<Outcomes, Failure>) -> (String, Data) {
    let outcomes: Vec<_> = outcomes.as_ref().expect("outcomes").iter().collect();
    let [Outcome::Event { subject, data }] = outcomes[..] else { panic!("{outcomes:?}") };
    (subject.clone(), (**data).clone())
}

/// The reason it was ignored for, and nothing else came.
#[track_caller]
pub fn ignored(outcomes: &Result<Outcomes, Failure>) -> String {
    let outcomes: Vec<_> = outcomes.as_ref().expect("outcomes").iter().collect();
    let [Outcome::Ignored { reason }] = outcomes[..] else { panic!("{outcomes:?}") };
    reason.clone()
}

/// The words it failed with, for good.
#[track_caller]
pub fn failed(outcomes: &Result<Outcomes, Failure>) -> String {
    let Err(Failure::Permanent(error)) = outcomes else { panic!("{outcomes:?}") };
    format!("{error:#}")
}

/// The ids the outcomes are published under.
pub fn ids(webhook: &WebhookReceived, outcomes: &Outcomes) -> BTreeSet<EventId> {
    let id = EventId::of_webhook(&webhook.webhook_source, b"a digest");
    let cause =
        Event::first(id, "/webhooks/github".to_owned(), "push".to_owned(), Timestamp::UNIX_EPOCH, webhook.clone());
    let event = |outcome: &Outcome| {
        let Outcome::Event { subject, data } = outcome else { panic!("{outcome:?}") };
        cause.outcome("/workers/normalizer".to_owned(), subject.clone(), Timestamp::UNIX_EPOCH, (**data).clone()).id
    };
    outcomes.iter().map(event).collect()
}
