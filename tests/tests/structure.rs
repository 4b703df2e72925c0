//! Who may depend on whom: the table the README states, held against what Cargo knows.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Each crate of ours, and which of ours it may name.
const MAY: &[(&str, &[&str])] = &[
    ("windlass-proto", &[]),
    ("windlass-bus", &["windlass-proto"]),
    ("windlass-ledger", &["windlass-proto"]),
    ("windlass-runtime", &["windlass-proto", "windlass-bus", "windlass-ledger"]),
    ("windlass-forge", &["windlass-proto", "windlass-runtime"]),
    ("windlass-receiver", &["windlass-proto", "windlass-bus", "windlass-runtime"]),
    ("windlass-normalizer", &["windlass-proto", "windlass-runtime"]),
    // Workers that ask the ledger name its answers' types.
    ("windlass-builder", &["windlass-proto", "windlass-runtime", "windlass-ledger"]),
    ("windlass-scanner", &["windlass-proto", "windlass-runtime"]),
    ("windlass-bumper", &["windlass-proto", "windlass-runtime", "windlass-ledger", "windlass-forge"]),
    ("windlass-syncer", &["windlass-proto", "windlass-runtime", "windlass-ledger"]),
    ("windlass-prober", &["windlass-proto", "windlass-runtime", "windlass-ledger"]),
    ("windlass-notifier", &["windlass-proto", "windlass-runtime"]),
    ("windlass-reconciler", &["windlass-proto", "windlass-runtime", "windlass-ledger", "windlass-forge"]),
    // What the command and the console share. For what a release waits it asks the bumper's pure functions.
    ("windlass-operate", &["windlass-proto", "windlass-bus", "windlass-ledger", "windlass-runtime", "windlass-bumper"]),
    (
        "windlass-console",
        &["windlass-proto", "windlass-bus", "windlass-ledger", "windlass-runtime", "windlass-operate"],
    ),
    // The recorder settles deliveries and writes rows itself: it reads no event.
    ("windlass-recorder", &["windlass-proto", "windlass-runtime", "windlass-bus", "windlass-ledger"]),
];

/// Libraries that one room alone may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("lapin", &["windlass-bus", "windlass-tests"]),
    ("rusqlite", &["windlass-bus", "windlass-ledger", "windlass-tests"]),
    ("tokio-postgres", &["windlass-ledger", "windlass-tests"]),
    ("kube", &["windlass-syncer"]),
    ("octocrab", &["windlass-forge"]),
    ("maud", &["windlass-console"]),
    ("saphyr-parser", &["windlass-bumper"]),
    ("sentry", &["windlass-runtime"]),
    ("config", &["windlass-runtime"]),
];

fn metadata() -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each of our crates names, leaving out what only its tests do.
fn named() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let of_package = |package: &Value| {
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
        let names = normal.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
        (package["name"].as_str().unwrap().to_owned(), names)
    };
    metadata["packages"].as_array().unwrap().iter().map(of_package).collect()
}

#[test]
fn crates_depend_only_on_what_their_row_allows() {
    let named = named();
    let ours: BTreeSet<_> = named.keys().cloned().collect();
    for (name, dependencies) in &named {
        let Some((_, may)) = MAY.iter().find(|(row, _)| row == name) else {
            assert!(["windlass", "windlass-tests"].contains(&name.as_str()), "{name} has no row in the table");
            continue;
        };
        for dependency in dependencies.intersection(&ours) {
            assert!(may.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn what_belongs_in_one_room_is_named_nowhere_else() {
    for (name, dependencies) in named() {
        for (library, rooms) in ONLY_IN {
            let here = dependencies.contains(*library);
            assert!(!here || rooms.contains(&name.as_str()), "{name} names {library}, which belongs in {rooms:?}");
        }
    }
}

#[test]
fn every_service_says_what_it_is() {
    let metadata = metadata();
    let is_service = |package: &&Value| package["manifest_path"].as_str().unwrap().contains("/services/");
    let runs =
        |package: &&Value| package["targets"].as_array().unwrap().iter().any(|target| target["kind"][0] == "bin");
    for package in metadata["packages"].as_array().unwrap().iter().filter(is_service).filter(runs) {
        // The command has verbs, and says what it is where it lists them.
        assert!(package["description"].is_string() || package["name"] == "windlass", "{}", package["name"]);
    }
}
