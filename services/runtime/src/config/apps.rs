//! What users write of an app: how it is tested, scanned, built and deployed.

use std::{collections::BTreeMap, time::Duration};

use proto::{AppName, ComponentName, EnvironmentName, ImageName, Lane, Severity, SourceName, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Environment, SecretRef, duration,
    fast_path::FastPath,
    gitops::Gitops,
    glob::{BranchPattern, PathPattern},
    tags::TagRule,
    value::{self, RelativePath},
    whole,
    write::{self, Pin, Write},
};

/// An application.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The source repository as its host names it: `acme/backstage-saas`. Webhooks are matched by it, whatever its case.
    pub repository: String,
    /// Where it is cloned from; `https://github.com/<repository>.git` unless said. Never taken from a payload.
    #[serde(default)]
    pub clone: Option<String>,
    /// The senders that may speak of it, by their names in `sources`; all when empty.
    #[serde(default)]
    pub sources: Vec<SourceName>,
    /// Branches whose pushes are looked at at all; every one when empty.
    #[serde(default)]
    pub branches: Vec<BranchPattern>,
    /// Files that make a push worth a run: one that changed none of them since the branch's last commit that went
    /// through is neither tested nor built; every file when empty.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// Branches whose commits are deployed.
    #[serde(default)]
    pub deploy: Vec<BranchPattern>,
    /// Branches whose commits are deployed by the fast path.
    #[serde(default)]
    pub hotfix: Vec<BranchPattern>,
    /// What the fast path leaves out, and where it leads.
    #[serde(default)]
    pub fast_path: FastPath,
    /// Test steps, run in order until one fails.
    #[serde(default)]
    pub test: Vec<Step>,
    /// Scanners, all run.
    #[serde(default)]
    pub scan: Vec<Scan>,
    /// What builds images.
    #[serde(default, deserialize_with = "value::choice")]
    pub build: BuildDriver,
    /// The app's images.
    #[serde(default)]
    pub components: BTreeMap<ComponentName, Component>,
    /// Whether a commit's images are deployed when all are there, or each as it comes.
    #[serde(default)]
    pub release: ReleaseMode,
    /// The tags whose images are deployed, where images are built elsewhere; those of `deploy` and `hotfix` branches
    /// unless said, here or nearer: for a component, or for an environment.
    #[serde(default)]
    pub tags: Option<TagRule>,
    /// How its images are written into the files of the GitOps repository, here or nearer: for a component, or for an
    /// environment.
    #[serde(default, deserialize_with = "value::word_or_keys")]
    #[schemars(schema_with = "write::schema")]
    pub write: Option<Write>,
    /// What of them is written; both tag and digest unless said.
    #[serde(default)]
    pub pin: Option<Pin>,
    /// The repository that says what runs where.
    #[serde(default)]
    pub gitops: Option<Gitops>,
    /// Where it runs.
    #[serde(default)]
    pub environments: BTreeMap<EnvironmentName, Environment>,
}

/// A program to run: a test step, or a check of a deployment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name in reports.
    pub name: String,
    /// Program and arguments; no shell unless it is named here.
    pub run: Vec<String>,
    /// Variables besides `PATH`, `HOME`, `LANG` and what Windlass sets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables whose values are secret, and masked in the output.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// The folder it runs in, below the checkout.
    #[serde(default)]
    pub dir: Option<RelativePath>,
    /// When it is killed, with all it started.
    #[serde(default = "step_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub timeout: Duration,
}

/// A scanner.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// A preset (`trivy`, `snyk`, `dependency-check`, `semgrep`, `bandit`), or any name when `run` is given.
    pub tool: String,
    /// Program and arguments instead of the preset's. `{output}` stands for the report's path.
    #[serde(default)]
    pub run: Option<Vec<String>>,
    /// What the report is in: `sarif`, `trivy` or `snyk`; the preset's unless said.
    #[serde(default)]
    pub format: Option<ScanFormat>,
    /// The exit statuses that mean the scanner did its work, with or without findings; the preset's unless said.
    #[serde(default, deserialize_with = "whole::some_list")]
    pub exit_codes: Option<Vec<i32>>,
    /// The least severity that fails.
    #[serde(default = "high")]
    pub fail_on: Severity,
    /// Findings that do not count, until a date.
    #[serde(default)]
    pub ignore: Vec<IgnoredFinding>,
    /// Variables for the scanner.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Secret variables for the scanner, such as `SNYK_TOKEN`.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// When it is killed.
    #[serde(default = "step_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub timeout: Duration,
}

/// Scanners whose command line, report format and exit statuses are known.
pub const SCAN_PRESETS: &[&str] = &["trivy", "snyk", "dependency-check", "semgrep", "bandit"];

/// The form of a scanner's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScanFormat {
    /// SARIF 2.1.0.
    Sarif,
    /// Trivy's JSON (schema version 2).
    Trivy,
    /// Snyk's JSON (`snyk test --json`).
    Snyk,
}

/// A finding that is known and borne, for a while.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IgnoredFinding {
    /// The rule or advisory.
    pub id: String,
    /// Only where the location contains this.
    #[serde(default)]
    pub location: Option<String>,
    /// Why it is borne.
    pub reason: String,
    /// The last day it is, in UTC: `2027-01-31`.
    #[serde(deserialize_with = "value::day")]
    #[schemars(with = "String")]
    pub until: jiff::civil::Date,
}

impl IgnoredFinding {
    /// Whether it still holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        now.to_zoned(jiff::tz::TimeZone::UTC).date() <= self.until
    }
}

/// What builds images, and pushes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuildDriver {
    /// `buildah`: no daemon, no privileges.
    #[default]
    Buildah,
    /// `buildah` with these arguments before the subcommand, such as `--storage-driver vfs`.
    BuildahWith {
        /// Arguments before the subcommand.
        #[serde(default)]
        global: Vec<String>,
        /// Arguments of `buildah build`.
        #[serde(default)]
        build: Vec<String>,
    },
    /// `docker`, with a daemon.
    Docker,
    /// Any program: it gets `WINDLASS_IMAGE`, `WINDLASS_TAGS`, `WINDLASS_CONTEXT`, `WINDLASS_DOCKERFILE`,
    /// `WINDLASS_LABELS` and pushes the image itself.
    Command(Vec<String>),
}

/// An image of the app.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Where it is pushed, without tag.
    pub image: ImageName,
    /// The branches it is built and deployed from, of the app's `deploy` and `hotfix`; all of them when empty.
    #[serde(default)]
    pub branches: Vec<BranchPattern>,
    /// The files it is made of, besides its Dockerfile: while none of them differs, an earlier commit's image stands for
    /// the new commit as well, and nothing is built; every file when empty.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// The tags whose images are deployed, in place of the app's.
    #[serde(default)]
    pub tags: Option<TagRule>,
    /// How its image is written into the files of the GitOps repository, in place of the app's.
    #[serde(default, deserialize_with = "value::word_or_keys")]
    #[schemars(schema_with = "write::schema")]
    pub write: Option<Write>,
    /// What of it is written, in place of the app's.
    #[serde(default)]
    pub pin: Option<Pin>,
    /// The Dockerfile in the checkout.
    #[serde(default = "dockerfile")]
    pub dockerfile: RelativePath,
    /// The build context in the checkout; its root unless said.
    #[serde(default)]
    pub context: Option<RelativePath>,
    /// `--build-arg`s; `{commit}` stands for the commit.
    #[serde(default)]
    pub build_args: BTreeMap<String, String>,
    /// The stage to build; the last unless said.
    #[serde(default)]
    pub target: Option<String>,
    /// When the build is killed.
    #[serde(default = "build_timeout", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub timeout: Duration,
}

/// When a commit's images are deployed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseMode {
    /// When every component's image of the commit is in the registry: one commit, one deployment.
    #[default]
    Together,
    /// Each as it comes.
    Apart,
}

impl App {
    /// Where the source is cloned from.
    pub fn clone_url(&self) -> String {
        self.clone.clone().unwrap_or_else(|| format!("https://github.com/{}.git", self.repository))
    }

    /// Environments that get new images first: those that come after no other, or those the fast path leads to.
    pub fn first_environments(&self, lane: Lane) -> impl Iterator<Item = (&EnvironmentName, &Environment)> {
        let fast = (lane == Lane::Hotfix && !self.fast_path.to.is_empty()).then_some(&self.fast_path.to);
        self.environments.iter().filter(move |(name, e)| match fast {
            Some(to) => to.contains(*name),
            None => e.after.is_empty(),
        })
    }

    /// Environments that come after this one.
    pub fn environments_after<'a>(
        &'a self,
        environment: &'a EnvironmentName,
    ) -> impl Iterator<Item = (&'a EnvironmentName, &'a Environment)> {
        self.environments.iter().filter(move |(_, e)| e.after.contains(environment))
    }
}

impl super::Config {
    /// The component whose image this is, by whichever of its names, and its app.
    pub fn component_of(&self, image: &ImageName) -> Option<(&AppName, &ComponentName, &Component)> {
        let wanted = image.canonical();
        self.apps.iter().find_map(|(name, app)| {
            let is_it = |component: &Component| component.image.canonical() == wanted;
            app.components.iter().find(|(_, c)| is_it(c)).map(|(component, c)| (name, component, c))
        })
    }
}

fn step_timeout() -> Duration {
    Duration::from_mins(15)
}

fn build_timeout() -> Duration {
    Duration::from_mins(30)
}

fn high() -> Severity {
    Severity::High
}

fn dockerfile() -> RelativePath {
    RelativePath::plain("Dockerfile")
}
