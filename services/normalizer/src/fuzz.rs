//! Fuzz targets: every sender's every form, bent.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
};

use proto::{Data, WebhookReceived};
use runtime::{Config, Failure, Outcome, Outcomes, config::SourceKind};
use testkit::fuzz::{Fuzz, Input};

use crate::samples::{Sample, Values};

/// Where the app runs.
const DEPLOYED: &str = "gitops: { repository: https://git.example/gitops.git }, \
                        environments: { production: { path: production, sync: { argocd: shop } } }";

/// A source of each kind, named after it, and an app that has all the samples tell of.
fn config() -> Config {
    let source = |kind: SourceKind| {
        let more = match kind {
            SourceKind::StandardWebhooks => {
                ", read: { when: { /type: [build.finished, build.repeated] }, image: /data/image, tag: /data/tag, \
                 repository: /data/repository, branch: /data/branch, commit: /data/commit }"
            }
            SourceKind::Generic => {
                ", proof: path, read: { each: /items, when: { ^/type: image }, image: \"{/host}/{/name}\", tag: /tag, digest: /digest }"
            }
            SourceKind::Nexus => ", registry: \"nexus.example.com:8082\"",
            SourceKind::GoogleArtifactRegistry => ", proof: path",
            SourceKind::Slack => ", slack: { team: T0ACME, users: { U0ADA: ada } }",
            _ => "",
        };
        format!("{0}: {{ kind: {0}, secrets: [env:S]{more} }}, ", kind.as_str())
    };
    let sources = SourceKind::ALL.map(source).concat();
    let images: BTreeSet<_> = SourceKind::ALL.map(|kind| Values::of(kind).image.canonical()).into_iter().collect();
    let component = |(n, image): (usize, _)| format!("c{n}: {{ image: \"{image}\" }}, ");
    let components: String = images.into_iter().enumerate().map(component).collect();
    let apps = format!("shop: {{ repository: Acme/Shop, deploy: [main], components: {{ {components} }}, {DEPLOYED} }}");
    Config::parse(&format!("sources: {{ {sources} }}\napps: {{ {apps} }}"), Path::new("windlass.yaml")).unwrap()
}

fn webhook(sample: &Sample) -> WebhookReceived {
    let rendered = sample.render(&Values::of(sample.kind));
    let attribute = |name: &str| name.to_lowercase().replace('-', "");
    WebhookReceived {
        webhook_source: sample.kind.as_str().parse().unwrap(),
        kind: sample.kind.as_str().to_owned(),
        content_type: sample.content_type.to_owned(),
        headers: rendered.headers.into_iter().map(|(name, value)| (attribute(&name), value)).collect(),
        proof: None,
        body: rendered.body.into(),
    }
}

/// Whatever is in it: outcomes the config knows of, each under an id of its own, or words why it is parked.
fn read(config: &Config, webhook: &WebhookReceived) -> String {
    match crate::read(config, webhook) {
        Ok(outcomes) => {
            let again = crate::read(config, webhook).unwrap();
            assert!(again.iter().eq(outcomes.iter()), "the same bytes say the same: {again:?}");
            assert!(outcomes.iter().next().is_some(), "neither an event nor a reason");
            told(config, &outcomes)
        }
        Err(Failure::Permanent(error)) => {
            let words = format!("{error:#}");
            assert!(words.len() < 2_000, "{} bytes of error", words.len());
            words
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn told(config: &Config, outcomes: &Outcomes) -> String {
    let mut ids = HashSet::new();
    let mut told = BTreeSet::new();
    for outcome in outcomes.iter() {
        match outcome {
            Outcome::Ignored { reason } => {
                assert!(reason.len() < 64 * 1024, "{} bytes of reason", reason.len());
                told.insert(reason.split(';').next().unwrap_or_default().to_owned());
            }
            Outcome::Event { subject, data } => {
                let app = data.app().expect("an app");
                assert!(config.apps.contains_key(app), "{app}");
                assert!(ids.insert((data.kind(), app.clone(), subject.clone())), "{subject} twice");
                if let Data::ImagePushed(image) = &**data {
                    let known = config.component_of(&image.image);
                    assert!(known.is_some_and(|(_, name, _)| *name == image.component), "{}", image.image);
                }
                told.insert(data.kind().to_string());
            }
        }
    }
    Vec::from_iter(told).join(", ")
}

#[test]
fn senders() {
    let config = config();
    let label = |sample: &Sample| format!("{}/{}", sample.kind.as_str(), sample.name);
    let whole: HashMap<_, _> = Sample::all().iter().map(|sample| (label(sample), webhook(sample))).collect();
    let add = |fuzz: Fuzz, sample: &Sample| fuzz.seed(&label(sample), whole[&label(sample)].body.to_vec());
    let fuzz = Sample::all().iter().fold(Fuzz::new("senders").count(8_000), add);
    let words = [
        "payload=",
        "%7B",
        "refs/heads/",
        "refs/tags/",
        "sha256:",
        "sha256-",
        "windlass.approve",
        "windlass.reject",
        "ssl_check=1",
        "pkg:oci/",
        "pkg:docker/",
        "@sha256:",
        "push",
        "image",
        "repository",
        "tag",
        "digest",
        "acme/shop",
        "https://",
        "docker.io/",
        "library/",
        "://",
        "?repository_url=",
        "&tag=",
    ];
    fuzz.words(&words).run(|input: &Input| {
        let mut webhook = whole[&*input.label].clone();
        webhook.body = input.bytes.clone().into();
        format!("{}: {}", input.label, read(&config, &webhook))
    });
}
