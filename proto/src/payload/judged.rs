//! What tests and scanners say of a commit.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Change;

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
