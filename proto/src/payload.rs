//! What each event carries: all that its next consumer needs, so no consumer asks another.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AppName, Branch, CommitSha, ComponentName, DecodeError, Digest, EnvironmentName, EventId, EventType, ImageName,
    Message, SourceName, WorkerName, event,
};

/// An authenticated webhook: the sender's bytes as they were signed, and the headers that say what they are.
///
/// On the wire the body is the message's body, and the rest are attributes: `webhooksource`, `webhookkind`, `webhookproof`, and
/// `header<name>` for each kept header, its `-` removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookReceived {
    /// The configured source it came to.
    pub webhook_source: SourceName,
    /// The source's kind, such as `github`: which parser reads it.
    pub kind: String,
    /// The sender's `Content-Type`.
    pub content_type: String,
    /// Headers the parser needs, by lower-case name without `-`: `xgithubevent`, `xgithubdelivery`. Never credentials.
    pub headers: BTreeMap<String, String>,
    /// What proved the sender: a secret's reference in the config (never the secret), or the proof's name.
    pub proof: Option<String>,
    /// The body, to the byte.
    pub body: Bytes,
}

impl WebhookReceived {
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let own = [("webhooksource", self.webhook_source.as_str()), ("webhookkind", &self.kind)];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let proof = self.proof.clone().map(|proof| ("webhookproof".to_owned(), proof));
        let headers = self.headers.iter().map(|(name, value)| (format!("header{name}"), value.clone()));
        own.into_iter().chain(proof).chain(headers.collect::<Vec<_>>())
    }

    pub(crate) fn from_message(message: &Message) -> Result<Self, DecodeError> {
        let header = |(name, value): (&String, &String)| Some((name.strip_prefix("header")?.to_owned(), value.clone()));
        Ok(Self {
            webhook_source: event::read(message, "webhooksource")?,
            kind: event::text(message, "webhookkind")?.to_owned(),
            content_type: message.content_type.clone(),
            headers: message.attributes.iter().filter_map(header).collect(),
            proof: message.attributes.get("webhookproof").cloned(),
            body: message.body.clone(),
        })
    }

    pub(crate) fn describe(&self) -> serde_json::Value {
        serde_json::json!({
            "webhook_source": self.webhook_source,
            "kind": self.kind,
            "content_type": self.content_type,
            "headers": self.headers,
            "proof": self.proof,
            "body_bytes": self.body.len(),
        })
    }
}

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

/// How a step, a check or a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed,
    /// Not within its time.
    TimedOut,
    /// Not run: one before it failed, or the fast path leaves it out.
    Skipped,
}

impl Verdict {
    /// Whether it passed.
    pub fn passed(self) -> bool {
        self == Self::Passed
    }
}

/// One test step's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// The step's name in the config.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// The program's exit status; absent when it was killed or never started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// The last lines of its output, secrets masked; empty when it passed. Of one that the fast path leaves out: by what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
    /// Where the whole output lies, as a path below the worker's log folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// `tests.finished`. Subject: the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestsFinished {
    /// The commit that was tested.
    pub change: Change,
    /// Whether no step failed; true as well when the app has none, or the fast path leaves them out.
    pub passed: bool,
    /// Every step, in order.
    pub steps: Vec<StepReport>,
}

/// How grave a finding is, on one scale for all scanners (CVSS v3.1 qualitative ratings; `none` is below `low`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information.
    None,
    /// CVSS 0.1 to 3.9; SARIF `note`.
    Low,
    /// CVSS 4.0 to 6.9; SARIF `warning`.
    Medium,
    /// CVSS 7.0 to 8.9; SARIF `error`.
    High,
    /// CVSS 9.0 and up.
    Critical,
}

/// One thing a scanner found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule or advisory: `CVE-2026-1234`, `B602`.
    pub id: String,
    /// On the common scale.
    pub severity: Severity,
    /// Where: `package@version` or `path:line`.
    pub location: String,
    /// One line of what it is.
    pub title: String,
    /// Why it does not count: the ignore list's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// One scanner's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanReport {
    /// The scanner's name in the config.
    pub tool: String,
    /// Whether it was run, and no finding that counts reaches the threshold.
    pub passed: bool,
    /// Why it was not run: by what the fast path leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The least severity that fails.
    pub fail_on: Severity,
    /// Findings by severity, ignored ones not counted.
    pub counts: BTreeMap<String, u32>,
    /// The gravest findings, at most fifty, ignored ones marked.
    pub findings: Vec<Finding>,
    /// How many the list above leaves out.
    #[serde(default)]
    pub omitted: u32,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
}

/// `scan.finished`. Subject: the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanFinished {
    /// The commit that was scanned.
    pub change: Change,
    /// Whether no scanner failed; true as well when the app has none, or the fast path leaves them out.
    pub passed: bool,
    /// Every scanner, in order.
    pub scans: Vec<ScanReport>,
}

/// `image.built`. Subject: the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageBuilt {
    /// The commit it was built from.
    pub change: Change,
    /// Which of the app's images.
    pub component: ComponentName,
    /// Where it was pushed.
    pub image: ImageName,
    /// Under which tags: the commit, and the branch.
    pub tags: Vec<String>,
    /// What was pushed.
    pub digest: Digest,
    /// Whether it was there already, of this commit or the same for it, and nothing was built.
    #[serde(default)]
    pub reused: bool,
    /// The earlier commit it was built from, and says in its label, when nothing it is made of has changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<CommitSha>,
}

/// `image.failed`. Subject: the component. The commit's fault, not ours: building it again leads to the same end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageFailed {
    /// The commit it was to be built from.
    pub change: Change,
    /// Which of the app's images.
    pub component: ComponentName,
    /// Why there is none, in a line.
    pub reason: String,
    /// The last lines of the build's output, secrets masked; empty when it never began.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
    /// Where the whole output lies, as a path below the worker's log folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// `image.pushed`. Subject: `<component>:<tag>@<digest>`. A hint: the bumper asks the registry before it acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImagePushed {
    /// The app that has an image of this name.
    pub app: AppName,
    /// The component that does.
    pub component: ComponentName,
    /// Where it was pushed.
    pub image: ImageName,
    /// Under which tag; absent for a push by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What the sender says was pushed; some do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

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

/// `event.ignored`. Subject: the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventIgnored {
    /// The app, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Who did nothing.
    pub worker: WorkerName,
    /// Why, and what would have to be different.
    pub reason: String,
}

/// `delivery.parked`. Subject: the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryParked {
    /// The app, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Whose queue it came from.
    pub worker: WorkerName,
    /// The event that could not be handled; absent when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Its type, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// The error and its causes, outermost first.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The dead letter's id, for `windlass dead show` and `windlass dead replay`.
    pub dead_letter: String,
}
