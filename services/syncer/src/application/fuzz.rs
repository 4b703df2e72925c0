//! Fuzz targets: Applications as the cluster may return them.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use testkit::fuzz::{Fuzz, Input};

use super::*;

const OURS: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn applications() {
    // Nothing is called healthy that Argo CD has not looked at since it was synced to our revision.
    let target = |input: &Input| {
        let application: Application = match serde_json::from_slice(&input.bytes) {
            Ok(application) => application,
            Err(error) => return error.to_string(),
        };
        let target = Target { revision: OURS.to_owned(), mark: "event/0".to_owned() };
        let _ = (application.last_operation(), application.operated_revision(), application.sources().count());
        let status = &application.status;
        let told = [false, true].map(|rechecked| {
            let standing = application.standing(&target, rechecked);
            if let Standing::Healthy(_) = &standing {
                let state = status.operation_state.as_ref().unwrap();
                assert!(application.operation.is_none() && state.phase == "Succeeded" && state.is_of(OURS));
                assert!(status.reconciled_at > state.finished_at && status.health.status == "Healthy");
                assert!(rechecked || status.sync.revision == OURS || status.sync.revisions.contains(&OURS.to_owned()));
            }
            if let Standing::Failed(words)
            | Standing::Erred(words)
            | Standing::Degraded(words)
            | Standing::Healthy(words) = &standing
            {
                assert!(words.chars().count() <= MAX_TEXT + 1);
            }
            format!("{standing:?}").split(['(', ' ']).next().unwrap().to_owned()
        });
        told.join(" ")
    };
    let settled = json!({
        "metadata": { "name": "shop", "annotations": { "other": "x" } },
        "spec": { "source": { "repoURL": "https://x", "targetRevision": "main" }, "syncPolicy": { "automated": { "prune": true } } },
        "status": {
            "operationState": {
                "operation": { "sync": { "revision": OURS }, "info": [{ "name": MARK, "value": "event/0" }] },
                "phase": "Succeeded", "message": "successfully synced (all tasks run)",
                "syncResult": { "revision": OURS, "resources": [{ "kind": "Job", "name": "x", "hookPhase": "Failed" }] },
                "startedAt": "2026-11-23T10:00:00Z", "finishedAt": "2026-11-23T10:00:05Z",
            },
            "reconciledAt": "2026-11-23T10:00:06Z",
            "sync": { "status": "Synced", "revision": OURS, "revisions": [OURS] },
            "health": { "status": "Healthy" },
            "conditions": [],
            "resources": [{ "kind": "Deployment", "name": "web", "health": { "status": "Degraded", "message": "x" } }],
        },
    });
    let words =
        ["Running", "Failed", "Degraded", "SyncError", "ComparisonError", REFRESH, OURS, "operation", "finishedAt"];
    Fuzz::new("applications").seeds([settled.to_string()]).words(&words).run(target);
}
