#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;

use super::*;

const OURS: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn target() -> Target {
    Target { revision: OURS.to_owned(), mark: "event/0".to_owned() }
}

/// An Application whose operation for our revision succeeded, and which was looked at since; changed as given.
fn settled(change: &Value) -> Application {
    let mut object = json!({
        "metadata": { "name": "shop", "annotations": { "other": "x" } },
        "status": {
            "operationState": {
                "operation": { "sync": { "revision": OURS }, "info": [{ "name": MARK, "value": "event/0" }] },
                "phase": "Succeeded", "message": "successfully synced (all tasks run)",
                "syncResult": { "revision": OURS, "resources": [] },
                "startedAt": "2026-11-23T10:00:00Z", "finishedAt": "2026-11-23T10:00:05Z",
            },
            "reconciledAt": "2026-11-23T10:00:06Z",
            "sync": { "status": "Synced", "revision": OURS },
            "health": { "status": "Healthy" },
        },
    });
    merge(&mut object, change);
    serde_json::from_value(object).unwrap()
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn standing(change: &Value) -> Standing {
    settled(change).standing(&target(), false)
}

fn is_settling(standing: &Standing, why: &str) {
    assert!(matches!(standing, Standing::Settling(words) if words.contains(why)), "{standing:?}");
}

#[test]
fn a_fresh_application_is_idle() {
    assert_eq!(Application::default().standing(&target(), false), Standing::Idle);
}

#[test]
fn health_counts_once_it_was_looked_at_after_the_sync() {
    assert!(matches!(standing(&json!({})), Standing::Healthy(words) if words == "successfully synced (all tasks run)"));
    for unseen in [json!(null), json!("2026-11-23T10:00:04Z"), json!("2026-11-23T10:00:05Z")] {
        assert_eq!(standing(&json!({ "status": { "reconciledAt": unseen } })), Standing::Unseen);
    }
    is_settling(&standing(&json!({ "metadata": { "annotations": { REFRESH: "hard" } } })), "told to look");
}

#[test]
fn a_comparison_with_another_revision_is_made_again_before_it_counts() {
    let elsewhere = json!({ "status": { "sync": { "revision": OTHER } } });
    assert_eq!(standing(&elsewhere), Standing::Elsewhere);
    assert!(matches!(settled(&elsewhere).standing(&target(), true), Standing::Healthy(_)));
}

#[test]
fn degraded_names_what_is() {
    let bad = json!({ "kind": "Deployment", "name": "web", "health": { "status": "Degraded", "message": "exceeded its deadline" } });
    let good = json!({ "kind": "Service", "name": "web", "health": { "status": "Healthy", "message": "fine" } });
    let change = json!({ "status": { "health": { "status": "Degraded" }, "resources": [bad, good] } });
    assert_eq!(standing(&change), Standing::Degraded("Deployment/web: exceeded its deadline".to_owned()));
    is_settling(&standing(&json!({ "status": { "health": { "status": "Progressing" } } })), "Progressing");
    is_settling(&standing(&json!({ "status": { "health": { "status": "" } } })), "not known");
}

#[test]
fn conditions_overrule_health() {
    let condition = |kind: &str| json!({ "status": { "conditions": [{ "type": kind, "message": "cannot reach the repository" }] } });
    is_settling(&standing(&condition("ComparisonError")), "cannot reach the repository");
    let failed = standing(&condition("SyncError"));
    assert_eq!(failed, Standing::Failed("SyncError: cannot reach the repository".to_owned()));
    assert!(matches!(standing(&condition("OrphanedResourceWarning")), Standing::Healthy(_)));
}

#[test]
fn a_failed_operation_speaks_for_itself_and_is_ours_only_by_its_mark() {
    let failed = |phase: &str, mark: &str| {
        json!({ "status": { "operationState": {
            "phase": phase, "message": "one or more objects failed to apply",
            "operation": { "info": [{ "name": MARK, "value": mark }] },
            "syncResult": { "resources": [
                { "kind": "Deployment", "name": "web", "status": "SyncFailed", "message": "spec.selector: field is immutable" },
                { "kind": "Service", "name": "web", "status": "Synced", "message": "unchanged" },
                { "kind": "Job", "name": "migrate", "status": "", "hookPhase": "Failed", "message": "exit 1" },
            ] },
        } } })
    };
    let words = "Failed: one or more objects failed to apply; Deployment/web: spec.selector: field is immutable; Job/migrate: exit 1";
    assert_eq!(standing(&failed("Failed", "event/0")), Standing::Failed(words.to_owned()));
    for other in ["Skipped", "SyncError"] {
        assert!(matches!(standing(&failed(other, "event/0")), Standing::Failed(words) if words.starts_with(other)));
    }
    assert!(matches!(standing(&failed("Error", "event/0")), Standing::Erred(words) if words.starts_with("Error: ")));
    assert_eq!(standing(&failed("Failed", "event/1")), Standing::Idle);
    assert_eq!(standing(&failed("Error", "event/1")), Standing::Idle);
}

#[test]
fn operations_under_way_are_told_apart_by_revision() {
    let running = |revision: &str| json!({ "status": { "operationState": { "phase": "Running", "operation": { "sync": { "revision": revision } } } } });
    assert_eq!(standing(&running(OURS)), Standing::Syncing);
    assert!(matches!(standing(&running(OTHER)), Standing::Busy { revision, since: Some(_) } if revision == OTHER));
    let waiting = |revision: &str| json!({ "operation": { "sync": { "revision": revision } } });
    assert_eq!(standing(&waiting(OURS)), Standing::Syncing);
    assert!(matches!(standing(&waiting(OTHER)), Standing::Busy { since: None, .. }));
    let several = json!({ "operation": { "sync": { "revisions": [OTHER, OURS] } } });
    assert_eq!(standing(&several), Standing::Syncing);
}

#[test]
fn another_revisions_success_is_not_ours() {
    let other = json!({ "status": { "operationState": { "operation": { "sync": { "revision": OTHER } }, "syncResult": { "revision": OTHER } } } });
    assert_eq!(standing(&other), Standing::Idle);
    // Asked for by branch, resolved to our commit.
    let by_branch = json!({ "status": { "operationState": { "operation": { "sync": { "revision": "main" } } } } });
    assert!(matches!(standing(&by_branch), Standing::Healthy(_)));
}

#[test]
fn long_words_are_cut() {
    let long = json!({ "status": { "operationState": { "phase": "Failed", "message": "ü".repeat(10_000) } } });
    assert!(matches!(standing(&long), Standing::Failed(words) if words.chars().count() == MAX_TEXT + 1));
}
