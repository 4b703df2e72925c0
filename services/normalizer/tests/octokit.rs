//! Every example of every GitHub event, as `@octokit/webhooks-examples` has them: all are read, or ignored with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::{github, parse};
use runtime::Outcome;
use serde_json::Value;

/// What GitHub's cloud and its servers send, by the folders of the package.
const FOLDERS: &[&str] = &["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"];

fn examples(folder: &str) -> Vec<(String, Value)> {
    let package = "../node/node_modules/@octokit/webhooks-examples";
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(package).join(folder).join("index.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; ./scripts/test installs it", path.display()));
    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of_event = |event: &Value| {
        let name = event["name"].as_str().unwrap().to_owned();
        event["examples"].as_array().unwrap().clone().into_iter().map(move |example| (name.clone(), example))
    };
    events.iter().flat_map(of_event).collect()
}

#[test]
fn every_example_is_read_or_ignored_with_a_reason() {
    let config = parse(
        "sources: { github: { kind: github, secrets: [env:S] } }\n\
         apps: { hello: { repository: Codertocat/Hello-World } }",
    );
    let (mut events, mut ignored) = (0, 0);
    for folder in FOLDERS {
        for (name, example) in examples(folder) {
            let outcomes = normalizer::read(&config, &github(&name, &example))
                .unwrap_or_else(|error| panic!("{folder}: {name} is parked: {error:?}\n{example}"));
            assert!(outcomes.iter().next().is_some(), "{folder}: {name}: neither an event nor a reason");
            for outcome in outcomes.iter() {
                match outcome {
                    Outcome::Event { .. } => events += 1,
                    Outcome::Ignored { reason } => {
                        assert!(!reason.is_empty() && reason.len() < 1000, "{name}: {reason}");
                        ignored += 1;
                    }
                }
            }
        }
    }
    assert!(events > 10 && ignored > 300, "{events} events and {ignored} reasons: the corpus is not what it was");
}
