//! Commits, and what is asked for with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AppName, Branch, CommitSha};

/// Which way a commit takes through the chain, decided by its branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// On a branch of `deploy`: tested, scanned, built, deployed.
    Deploy,
    /// On a branch of `hotfix`: deployed by the fast path.
    Hotfix,
    /// On any other branch: tested and scanned, not built.
    Check,
}

impl Lane {
    /// Whether commits of this lane become images and deployments.
    pub fn is_deployed(self) -> bool {
        self != Self::Check
    }
}

/// The commit a chain is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The app whose repository it is in.
    pub app: AppName,
    /// The branch it was pushed to.
    pub branch: Branch,
    /// The commit.
    pub commit: CommitSha,
    /// What its branch entitles it to.
    pub lane: Lane,
    /// Who wrote it, as the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The first line of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// `push.received`. Subject: the branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushReceived {
    /// The branch's new head.
    pub change: Change,
    /// The branch's old head; absent for a new branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<CommitSha>,
    /// Whether history was rewritten.
    #[serde(default)]
    pub forced: bool,
}

/// `pull_request.received`. Subject: `<number>@<head commit>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullRequestReceived {
    /// The head of the pull request; its lane is always `check`.
    pub change: Change,
    /// The number in its repository.
    pub number: u64,
    /// What happened to it, in the sender's word: `opened`, `synchronize`, `closed` …
    pub action: String,
    /// The branch it is to be merged into.
    pub base: Branch,
    /// Whether it comes from another repository than the app's, whose code nobody here has reviewed.
    pub from_fork: bool,
    /// Whether it has been merged.
    #[serde(default)]
    pub merged: bool,
}
