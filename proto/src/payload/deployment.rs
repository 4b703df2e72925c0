//! What an environment is to run, and what became of that.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::{AppName, Branch, CommitSha, ComponentName, Digest, EnvironmentName, ImageName};

/// One image as an environment runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasedImage {
    /// The repository in its registry.
    pub image: ImageName,
    /// The tag people read beside the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What runs.
    pub digest: Digest,
    /// The source commit: the image's `org.opencontainers.image.revision` label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
}

/// What runs together in an environment: an image a component.
pub type Release = BTreeMap<ComponentName, ReleasedImage>;

/// Why an environment's manifest was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BumpReason {
    /// A new image.
    Deploy,
    /// The environment before it is healthy.
    Promotion,
    /// What was there is unhealthy.
    Rollback,
}

/// One revision of one environment: what `manifest.bumped`, `sync.finished` and `health.reported` are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The GitOps repository's URL.
    pub repository: String,
    /// Its branch.
    pub branch: Branch,
    /// The environment's folder or file in it.
    pub path: String,
    /// The commit in it that asks for this release.
    pub revision: CommitSha,
    /// Every component the environment then runs.
    pub release: Release,
    /// The source commit the release is of as a whole; absent where its images name none. Images of what did not change
    /// may name earlier commits than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    /// Those this revision changed.
    pub changed: Vec<ComponentName>,
    /// Why.
    pub reason: BumpReason,
    /// What the changed components ran before, as the manifest said it (`image:` values), for people.
    #[serde(default)]
    pub previous: BTreeMap<ComponentName, String>,
    /// The source commit's title or the verdict that led here, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `manifest.bumped`. Subject: the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestBumped {
    /// What is to be brought about.
    pub deployment: Deployment,
}

/// `sync.finished`. Subject: the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncFinished {
    /// What was to be brought about.
    pub deployment: Deployment,
    /// Whether it was.
    pub succeeded: bool,
    /// The deployer's own words.
    pub message: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// One health check's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// The check's name or URL in the config.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen, in a line: status, body, latency, or why there was nothing.
    pub evidence: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How long until it was decided, in milliseconds.
    pub duration_ms: u64,
}

/// `health.reported`. Subject: the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthReported {
    /// What was judged.
    pub deployment: Deployment,
    /// The verdict: every check passed, and the sync had succeeded.
    pub healthy: bool,
    /// The verdict's reason, in a line.
    pub summary: String,
    /// Every check, in order.
    pub checks: Vec<CheckReport>,
}
