//! What waits, and what people say to it: approvals, holds, rollbacks, releases from quarantine, settled fixes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AppName, BumpReason, CommitSha, Digest, EnvironmentName, EventId, Lane, Release, Timestamp};

/// `release.waiting`. Subject: the environment. Comes to the bumper again and again until the release goes, or another
/// one takes its place: it is the wait's clock, and outlives every process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseWaiting {
    /// The app.
    pub app: AppName,
    /// Where it is to go.
    pub environment: EnvironmentName,
    /// What is to go there.
    pub release: Release,
    /// Why.
    pub reason: BumpReason,
    /// Whether it takes the fast path.
    pub lane: Lane,
    /// What it waited for when this was written.
    pub waits_for: String,
    /// The page of the pull request whose merge it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<String>,
    /// Whether people are to be told of that pull request: it waits for them, and did not before. Once for each.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tell: bool,
}

/// `approval.requested`. Subject: the environment. Once for each release, and again when the rules of who must let it in change; the answer names the approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRequested {
    /// What the answer names.
    pub approval: EventId,
    /// The app.
    pub app: AppName,
    /// Where it is to go.
    pub environment: EnvironmentName,
    /// Exactly what is to go there.
    pub release: Release,
    /// What was asked to run there last; what the release is to replace.
    #[serde(default)]
    pub running: Release,
    /// How many must grant it.
    pub approvers: u32,
    /// Who may not, because they wrote some of it; empty where nobody knows who did, or they may.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authors: BTreeSet<String>,
    /// What speaks for it: the verdict over the environment before, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The source commit's title, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it is too late to grant it; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
}

/// `approval.granted`. Subject: the approval and who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalGranted {
    /// Which.
    pub approval: EventId,
    /// The app, as the request had it.
    pub app: AppName,
    /// Where it is to go, as the request had it.
    pub environment: EnvironmentName,
    /// Who grants it.
    pub by: String,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// `approval.rejected`. Subject: the approval and who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRejected {
    /// Which.
    pub approval: EventId,
    /// The app, as the request had it.
    pub app: AppName,
    /// Where it does not go, as the request had it.
    pub environment: EnvironmentName,
    /// Who rejects it.
    pub by: String,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// `approval.answered`. Subject: the environment. What became of an answer: a person's word counts only by the rules of
/// the environment, and only while something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalAnswered {
    /// Which.
    pub approval: EventId,
    /// The app.
    pub app: AppName,
    /// Where it is to go, or not.
    pub environment: EnvironmentName,
    /// Who answered.
    pub by: String,
    /// Whether they granted it; they rejected it otherwise.
    pub granted: bool,
    /// Whether the answer counts.
    pub counts: bool,
    /// What comes of it, or why it does not count.
    pub says: String,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// `hold.changed`. Subject: the environment. A person keeps everything automatic away from an environment, or lets it in
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldChanged {
    /// The app.
    pub app: AppName,
    /// Where.
    pub environment: EnvironmentName,
    /// Whether it is held from now on.
    pub held: bool,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// `rollback.requested`. Subject: the environment. A person's order; it goes before what events would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackRequested {
    /// The app.
    pub app: AppName,
    /// The environment to take back.
    pub environment: EnvironmentName,
    /// What to restore of what was healthy there: a tag, or a GitOps revision, a source commit or a digest, or the
    /// beginning of one of these; absent for what was healthy last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// `quarantine.released`. Subject: the digest. A person's word that a digest may be deployed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuarantineReleased {
    /// The app whose environments it was barred from.
    pub app: AppName,
    /// What.
    pub digest: Digest,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// `fix.settled`. Subject: the commit. A fix that took the fast path is owed to the deploy branches no more: one of their
/// releases has it, or a person says that none needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FixSettled {
    /// The app.
    pub app: AppName,
    /// The fix's source commit.
    pub commit: CommitSha,
    /// Its title, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who says so; `Windlass` where the source itself shows it.
    pub by: String,
    /// Why.
    pub reason: String,
}
