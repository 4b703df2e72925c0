//! What users write of an environment: what comes there when, how, and when it counts as healthy.

use std::{collections::BTreeMap, time::Duration};

use proto::{Branch, EnvironmentName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Step, duration,
    gates::{Approval, Freeze, Window},
    proposals::{Merge, Mode},
    tags::TagRule,
    value::{self, RelativePath},
    whole,
    write::{self, Pin, Write},
};

/// Where the app runs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its folder or file in the GitOps repository.
    pub path: RelativePath,
    /// The branch of the GitOps repository that it is written to, in place of `gitops.branch`.
    #[serde(default)]
    pub branch: Option<Branch>,
    /// The environment, or the environments, that must be healthy with the same images first; without one, new images
    /// come here.
    #[serde(default, deserialize_with = "value::one_or_many")]
    #[schemars(schema_with = "value::schema_one_or_many::<EnvironmentName>")]
    pub after: Vec<EnvironmentName>,
    /// The tags whose images come here, in place of the components' and the app's.
    #[serde(default)]
    pub tags: Option<TagRule>,
    /// How images are written into the files of the GitOps repository here, in place of the components' and the app's.
    #[serde(default, deserialize_with = "value::word_or_keys")]
    #[schemars(schema_with = "write::schema")]
    pub write: Option<Write>,
    /// What of them is written, likewise.
    #[serde(default)]
    pub pin: Option<Pin>,
    /// How commits reach the GitOps repository's branch, in place of `gitops.mode`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// What merges pull requests, in place of `gitops.merge`.
    #[serde(default)]
    pub merge: Option<Merge>,
    /// Whether what follows `after` comes by itself, or waits for a person's `windlass approve`.
    #[serde(default)]
    pub promotion: Promotion,
    /// Who must let each release in, if anybody: `required`, or rules of its own.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// How long a release must have been healthy in the environment before.
    #[serde(default, with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub soak: Duration,
    /// The times at which releases come here; any time when empty.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Times at which none do.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    /// How long a deployment may be without a verdict until the next release no longer waits for it.
    #[serde(default = "verdict_within", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub verdict_within: Duration,
    /// What an unhealthy verdict leads to.
    #[serde(default)]
    pub rollback: Rollback,
    /// Why nothing comes here by itself for now, if so: no deployment, no promotion, no automatic rollback, so that what
    /// people wrote into the manifest stays. They still may order a rollback.
    #[serde(default)]
    pub hold: Option<String>,
    /// What brings the cluster to the manifest's state.
    #[serde(deserialize_with = "value::choice")]
    pub sync: Sync,
    /// The address integration tests are given as `TEST_BASE_URL`.
    #[serde(default)]
    pub url: Option<String>,
    /// HTTP checks: all must pass.
    #[serde(default)]
    pub health: Vec<HealthCheck>,
    /// URLs that must answer 2xx once, after the checks.
    #[serde(default)]
    pub smoke: Vec<String>,
    /// Integration and end-to-end tests, run in a checkout of the deployed commit after the checks.
    #[serde(default)]
    pub test: Vec<Step>,
}

/// Whether what is healthy before comes here by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Promotion {
    /// It does.
    #[default]
    Automatic,
    /// It does not.
    Manual,
}

/// What an unhealthy verdict leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rollback {
    /// People are told.
    #[default]
    Manual,
    /// What was last healthy is restored.
    Automatic,
}

/// What brings an environment to a revision.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sync {
    /// The Argo CD Application of this name.
    Argocd(String),
    /// A program: it gets `WINDLASS_APP`, `WINDLASS_ENVIRONMENT`, `WINDLASS_REVISION`, `WINDLASS_CHECKOUT` (a checkout
    /// of the GitOps repository at that revision) and `WINDLASS_PATH`, and exits 0 once it is done. The checkout goes
    /// then, with every process that still works in it.
    Command(Vec<String>),
}

/// One HTTP check.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// What is asked. `{revision}`, `{<component>.commit}`, `{<component>.digest}` and `{<component>.tag}` stand for
    /// what was deployed, here and in the expectations below.
    pub url: String,
    /// The status it must answer.
    #[serde(default = "ok", deserialize_with = "whole::number")]
    pub status: u16,
    /// What the body must contain.
    #[serde(default)]
    pub contains: Option<String>,
    /// What must stand at JSON pointers (RFC 6901) in the body; strings may hold placeholders.
    #[serde(default)]
    pub json: BTreeMap<String, serde_json::Value>,
    /// The longest an answer may take.
    #[serde(default = "latency", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub max_latency: Duration,
    /// How often in a row it must pass.
    #[serde(default = "passes", deserialize_with = "whole::number")]
    pub passes: u32,
    /// The time between tries.
    #[serde(default = "interval", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub interval: Duration,
    /// When the check has failed, if it has not passed by then.
    #[serde(default = "check_deadline", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub deadline: Duration,
}

fn verdict_within() -> Duration {
    Duration::from_hours(1)
}

fn ok() -> u16 {
    200
}

fn latency() -> Duration {
    Duration::from_secs(5)
}

fn passes() -> u32 {
    3
}

fn interval() -> Duration {
    Duration::from_secs(2)
}

fn check_deadline() -> Duration {
    Duration::from_mins(5)
}
