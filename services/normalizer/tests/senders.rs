//! What every sample of every sender comes to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{fmt::Write as _, path::Path};

use common::parse;
use normalizer::samples::{Rendered, Sample, Values};
use proto::{Data, WebhookReceived};
use runtime::{Config, Outcome, config::SourceKind};
use serde_json::{Value, json};

/// Where the app runs.
const DEPLOYED: &str = "gitops: { repository: https://git.example/gitops.git }, \
                        environments: { production: { path: production, sync: { argocd: shop } } }";

/// A config with one source of the kind, and one app whose only image is the samples'.
fn config(kind: SourceKind, more: &str) -> Config {
    let more = match kind {
        SourceKind::GoogleArtifactRegistry | SourceKind::Generic => format!("{more}, {}", by_token()),
        SourceKind::Nexus => format!("{more}, registry: \"nexus.example.com:8082\""),
        SourceKind::Slack => format!("{more}, slack: {{ team: T0ACME, users: {{ U0ADA: ada }} }}"),
        _ => more.to_owned(),
    };
    let more = match kind {
        SourceKind::Generic => format!(
            "{more}, read: {{ each: /items, when: {{ ^/type: image }}, image: \"{{/host}}/{{/name}}\", tag: /tag, digest: /digest }}"
        ),
        SourceKind::StandardWebhooks => format!(
            "{more}, read: {{ when: {{ /type: [build.finished, build.repeated] }}, image: /data/image, tag: /data/tag, \
             repository: /data/repository, branch: /data/branch, commit: /data/commit }}"
        ),
        _ => more,
    };
    let (kind_name, image) = (kind.as_str(), Values::of(kind).image);
    parse(&format!(
        "sources: {{ from: {{ kind: {kind_name}{more} }}, other: {{ kind: quay, secrets: [env:S] }} }}\n\
         apps: {{ shop: {{ repository: Acme/Shop, deploy: [main], components: {{ frontend: {{ image: \"{image}\" }} }}, {DEPLOYED} }} }}"
    ))
}

fn by_token() -> &'static str {
    "proof: { token: { header: x-token } }"
}

fn received(sample: &Sample, rendered: Rendered) -> WebhookReceived {
    let name = |name: &str| name.to_lowercase().replace('-', "");
    WebhookReceived {
        webhook_source: "from".parse().unwrap(),
        kind: sample.kind.as_str().to_owned(),
        content_type: sample.content_type.to_owned(),
        headers: rendered.headers.iter().map(|(key, value)| (name(key), value.clone())).collect(),
        proof: None,
        body: rendered.body.into(),
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ignored { reason } => format!("ignored: {reason}"),
        Outcome::Event { subject, data } => {
            let body = match &**data {
                Data::PushReceived(data) => serde_json::to_string(data),
                Data::PullRequestReceived(data) => serde_json::to_string(data),
                Data::ImagePushed(data) => serde_json::to_string(data),
                Data::ApprovalGranted(data) => serde_json::to_string(data),
                Data::ApprovalRejected(data) => serde_json::to_string(data),
                other => panic!("{other:?}"),
            };
            let value: Value = serde_json::from_str(&body.unwrap()).unwrap();
            format!("{} {subject}: {value}", data.kind())
        }
    }
}

#[test]
fn every_sample_comes_to_what_its_golden_outcome_says() {
    let mut found = String::new();
    for sample in Sample::all() {
        let config = config(sample.kind, ", secrets: [env:S]");
        let webhook = received(sample, sample.render(&Values::of(sample.kind)));
        let outcomes = normalizer::read(&config, &webhook)
            .unwrap_or_else(|error| panic!("{} {}: {error:?}", sample.kind.as_str(), sample.name));
        writeln!(found, "{} {} ({})", sample.kind.as_str(), sample.name, sample.about).unwrap();
        for outcome in outcomes.iter() {
            writeln!(found, "  {}", told(outcome)).unwrap();
        }
        assert!(outcomes.iter().next().is_some(), "{}: neither an event nor a reason", sample.name);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/outcomes.txt");
    if std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = golden.lines().zip(found.lines()).find(|(golden, found)| golden != found);
    assert!(
        golden == found,
        "first difference (file, now): {difference:#?}\nIf it is meant: WINDLASS_BLESS=1 cargo test -p windlass-normalizer"
    );
}

#[test]
fn every_kind_has_samples_and_one_that_brings_an_event() {
    for kind in SourceKind::ALL {
        let brings = Sample::of(kind).any(|sample| {
            let webhook = received(sample, sample.render(&Values::of(kind)));
            let outcomes = normalizer::read(&config(kind, ", secrets: [env:S]"), &webhook).unwrap();
            outcomes.iter().any(|outcome| matches!(outcome, Outcome::Event { .. }))
        });
        assert!(brings, "{}", kind.as_str());
    }
}

fn images(config: &Config, sample: &Sample, values: &Values) -> Vec<(Option<String>, bool)> {
    let outcomes = normalizer::read(config, &received(sample, sample.render(values))).unwrap();
    let image = |outcome: &Outcome| match outcome {
        Outcome::Event { data, .. } => match &**data {
            Data::ImagePushed(image) => Some((image.tag.clone(), image.digest.is_some())),
            _ => None,
        },
        Outcome::Ignored { .. } => None,
    };
    outcomes.iter().filter_map(image).collect()
}

#[test]
fn a_digest_counts_only_where_somebody_vouches_for_it() {
    let sample = Sample::find(SourceKind::Harbor, "push-1").unwrap();
    let values = Values::of(SourceKind::Harbor);
    let main = Some("main".to_owned());
    assert_eq!(images(&config(SourceKind::Harbor, ", secrets: [env:S]"), sample, &values), [(main.clone(), true)]);
    for unsigned in [", insecure: true", ", secrets: [env:S], proof: path"] {
        assert_eq!(
            images(&config(SourceKind::Harbor, unsigned), sample, &values),
            [(main.clone(), false)],
            "{unsigned}"
        );
    }
    let sample = Sample::find(SourceKind::Harbor, "push-by-digest").unwrap();
    assert!(images(&config(SourceKind::Harbor, ", insecure: true"), sample, &values).is_empty());
    let sample = Sample::find(SourceKind::AliyunAcr, "push").unwrap();
    let values = Values::of(SourceKind::AliyunAcr);
    assert_eq!(images(&config(SourceKind::AliyunAcr, ", secrets: [env:S]"), sample, &values), [(main.clone(), false)]);
    let shown = ", secrets: [env:S], proof: { token: { header: x-key } }";
    assert_eq!(images(&config(SourceKind::AliyunAcr, shown), sample, &values), [(main, true)]);
}

#[test]
fn the_registry_of_the_source_takes_the_place_of_the_bodys() {
    let sample = Sample::find(SourceKind::Acr, "push").unwrap();
    let mut values = Values::of(SourceKind::Acr);
    values.image = "internal.example.com/acme/shop-frontend".parse().unwrap();
    let plain = config(SourceKind::Acr, ", secrets: [env:S]");
    assert!(images(&plain, sample, &values).is_empty());
    let replaced = config(SourceKind::Acr, ", secrets: [env:S], registry: ACME.azurecr.io:443");
    assert_eq!(images(&replaced, sample, &values).len(), 1);
}

#[test]
fn only_the_sources_an_app_names_may_speak_of_it() {
    for (kind, name) in [(SourceKind::Github, "push"), (SourceKind::Quay, "push")] {
        let mut config = config(kind, ", secrets: [env:S]");
        config.apps.values_mut().next().unwrap().sources = vec!["other".parse().unwrap()];
        let sample = Sample::find(kind, name).unwrap();
        let outcomes = normalizer::read(&config, &received(sample, sample.render(&Values::of(kind))));
        let reason = common::ignored(&outcomes);
        assert!(reason.contains("`apps.shop.sources`") && reason.contains("`from`"), "{reason}");
    }
}

#[test]
fn what_generic_bodies_lack_is_named_by_the_key_that_asks_for_it() {
    let config = config(SourceKind::StandardWebhooks, ", secrets: [env:S]");
    let sample = Sample::find(SourceKind::StandardWebhooks, "build").unwrap();
    let mut webhook = received(sample, sample.render(&Values::of(sample.kind)));
    webhook.body = json!({ "type": "build.finished", "data": { "image": "ghcr.io/a/b" } }).to_string().into();
    let error = common::failed(&normalizer::read(&config, &webhook));
    assert!(error.contains("`sources.from.read.repository`"), "{error}");
}

#[test]
fn a_body_of_millions_of_values_is_not_unfolded() {
    let config = config(SourceKind::StandardWebhooks, ", secrets: [env:S]");
    let sample = Sample::find(SourceKind::StandardWebhooks, "build").unwrap();
    let mut webhook = received(sample, sample.render(&Values::of(sample.kind)));
    for (values, read) in [(1_000_000, true), (2_100_000, false)] {
        webhook.body = format!("{{\"type\":[0{}]}}", ",0".repeat(values)).into();
        let outcomes = normalizer::read(&config, &webhook);
        if read {
            assert!(common::ignored(&outcomes).contains("a list"), "{outcomes:?}");
        } else {
            assert!(common::failed(&outcomes).contains("more than 2000000 values"), "{outcomes:?}");
        }
    }
}
