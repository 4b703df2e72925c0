//! What GitLab says of merge requests and pipelines, and what that means.

use proto::CommitSha;
use serde::Deserialize;

use crate::{
    Pull, Readiness, State,
    pulls::{Pipeline, Went},
};

#[derive(Deserialize)]
pub(super) struct Wire {
    iid: u64,
    web_url: String,
    state: String,
    #[serde(default)]
    sha: Option<String>,
    /// Since GitLab 15.6.
    #[serde(default)]
    detailed_merge_status: Option<String>,
    /// What there was before it, of conflicts alone.
    #[serde(default)]
    merge_status: Option<String>,
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    pub(super) source_project_id: Option<u64>,
    #[serde(default)]
    pub(super) target_project_id: Option<u64>,
    #[serde(default)]
    head_pipeline: Option<Pipeline>,
    target_branch: String,
}

/// What one job or another service said.
#[derive(Deserialize)]
pub(super) struct Said {
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) allow_failure: bool,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) parent_ids: Vec<String>,
}

impl Wire {
    /// A later one has a higher one.
    pub(super) fn number(&self) -> u64 {
        self.iid
    }
}

impl From<Wire> for Pull {
    fn from(wire: Wire) -> Self {
        let state = match wire.state.as_str() {
            "merged" => State::Merged,
            "closed" => State::Closed,
            // `locked` is one that is being merged at this moment.
            _ => State::Open,
        };
        Self {
            number: wire.iid,
            url: wire.web_url,
            state,
            into: wire.target_branch,
            head: wire.sha.and_then(|sha| CommitSha::new(sha).ok()),
            readiness: match (wire.detailed_merge_status, wire.merge_status) {
                (Some(status), _) => readiness(&status),
                (None, status) => of_conflicts(&status.unwrap_or_default()),
            },
            pipeline: wire.head_pipeline,
            title: wire.title,
            body: wire.description.unwrap_or_default(),
        }
    }
}

/// What `detailed_merge_status` means. Of several reasons GitLab tells one.
fn readiness(status: &str) -> Readiness {
    let wants = match status {
        "mergeable" => return Readiness::Ready,
        "need_rebase" => return Readiness::Behind,
        "conflict" | "broken_status" => return Readiness::Conflicts,
        "" | "unchecked" | "checking" | "preparing" | "approvals_syncing" | "ci_must_pass" | "ci_still_running"
        | "not_open" => return Readiness::Unknown,
        "not_approved" => "an approval",
        "requested_changes" => "changes that a reviewer requested",
        "discussions_not_resolved" => "its threads to be resolved",
        "draft_status" => "it not to be a draft",
        "status_checks_must_pass" => "external status checks",
        "blocked_status" | "merge_request_blocked" => "another merge request before it",
        // A newer GitLab has more; its own words say enough.
        other => other,
    };
    Readiness::Blocked(Some(wants.replace('_', " ")))
}

/// What `merge_status` means: whatever else is wanted, its GitLab says when it is to merge.
fn of_conflicts(status: &str) -> Readiness {
    match status {
        "can_be_merged" => Readiness::Ready,
        "cannot_be_merged" => Readiness::Conflicts,
        // `unchecked`, `checking`, and `cannot_be_merged_recheck` of one that conflicted before it was pushed to.
        _ => Readiness::Unknown,
    }
}

/// How a job or a pipeline went. Jobs that may fail have no say.
pub(super) fn went(status: &str, may_fail: bool) -> Went {
    match status {
        "success" | "skipped" => Went::Well,
        "failed" | "canceled" | "canceling" | "manual" if may_fail => Went::Well,
        "failed" | "canceled" | "canceling" => Went::Badly,
        // `manual` is one that waits for somebody, and all after it do.
        _ => Went::On,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gitlab_says_of_merging_is_read() {
        let blocked = |words: &str| Readiness::Blocked(Some(words.to_owned()));
        for (status, means) in [
            ("mergeable", Readiness::Ready),
            ("need_rebase", Readiness::Behind),
            ("conflict", Readiness::Conflicts),
            ("ci_still_running", Readiness::Unknown),
            ("", Readiness::Unknown),
            ("not_approved", blocked("an approval")),
            ("security_policy_violations", blocked("security policy violations")),
        ] {
            assert_eq!(readiness(status), means, "{status}");
        }
    }

    #[test]
    fn a_gitlab_that_tells_of_conflicts_alone_is_understood() {
        let of = |more: serde_json::Value| {
            let mut shown = serde_json::json!({ "iid": 1, "web_url": "x", "state": "opened", "title": "x", "target_branch": "main" });
            shown
                .as_object_mut()
                .into_iter()
                .for_each(|shown| shown.extend(more.as_object().cloned().unwrap_or_default()));
            serde_json::from_value::<Wire>(shown).map(|wire| Pull::from(wire).readiness).ok()
        };
        for (status, means) in [
            ("can_be_merged", Readiness::Ready),
            ("cannot_be_merged", Readiness::Conflicts),
            ("checking", Readiness::Unknown),
            ("unchecked", Readiness::Unknown),
            ("cannot_be_merged_recheck", Readiness::Unknown),
        ] {
            assert_eq!(of(serde_json::json!({ "merge_status": status })), Some(means), "{status}");
        }
        let both = serde_json::json!({ "merge_status": "can_be_merged", "detailed_merge_status": "need_rebase" });
        assert_eq!(of(both), Some(Readiness::Behind));
    }

    #[test]
    fn a_job_that_may_fail_has_no_say_and_one_that_waits_for_somebody_is_not_over() {
        for (status, may_fail, how) in [
            ("success", false, Went::Well),
            ("skipped", false, Went::Well),
            ("failed", false, Went::Badly),
            ("failed", true, Went::Well),
            ("canceled", false, Went::Badly),
            ("manual", true, Went::Well),
            ("manual", false, Went::On),
            ("created", false, Went::On),
            ("running", true, Went::On),
        ] {
            assert_eq!(went(status, may_fail), how, "{status} {may_fail}");
        }
    }
}
