//! `windlass.yaml`: what users write, checked once on load, with the key's path in every error.
//!
//! Layers, later over earlier: defaults, the file, `WINDLASS__…` variables (`__` between the parts of a path), and
//! what the command line sets. A key nobody knows is an error, so a typing mistake cannot pass for a default.

mod apps;
mod check;
mod console;
pub mod deployed;
mod derived;
mod duration;
mod environment;
mod fast_path;
mod filters;
mod forge;
mod gates;
mod git;
mod gitops;
mod glob;
mod health;
mod idle;
mod load;
mod logging;
#[cfg(test)]
mod mistakes;
mod overrides;
mod proof;
mod proposals;
mod reading;
mod reconcile;
mod repositories;
mod routes;
mod secret;
mod slack;
mod sources;
mod subject;
mod tags;
#[cfg(test)]
mod testing;
mod value;
mod versions;
mod warnings;
mod watched;
mod whole;
mod words;
mod write;
mod writing;
mod yaml;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use proto::{AppName, SourceName, WorkerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apps::{App, BuildDriver, Component, IgnoredFinding, ReleaseMode, SCAN_PRESETS, Scan, ScanFormat, Step};
pub use console::{Console, May, Operator};
pub use derived::schema;
pub use environment::{Environment, HealthCheck, Promotion, Rollback, Sync};
pub use fast_path::{FastPath, Skip};
pub use filters::NearestRule;
pub use forge::{Forge, ForgeKind, MergeMethod};
pub use gates::{Approval, Freeze, Window, Zone};
pub use git::{Git, GitApp, GitAuthor, GitCredential, SigningKey};
pub use gitops::Gitops;
pub use glob::{BranchPattern, PathPattern};
pub use load::{ConfigError, Overrides, Places};
pub use proof::{
    BasicProof, Encoding, HmacAlgorithm, HmacProof, JwtProof, Proof, ProxyTlsProof, TOLERANCE, TokenProof,
};
pub use proposals::{Merge, Mode};
pub use reading::{Lookup, Reading, Template, Wanted};
pub use reconcile::{GithubApp, GithubHook, Reconcile};
pub use secret::{Secret, SecretRef};
pub use slack::SlackApp;
pub use sources::{GITHUB_EVENTS, Rate, Source, SourceKind};
pub use subject::{Placeholder, Subject};
pub use tags::{TagGlob, TagOrder, TagRegex, TagRule};
pub use value::{AddressRange, RelativePath, is_below};
pub use versions::VersionRange;
pub use warnings::Warning;
pub use watched::Watched;
pub use write::{Kustomize, Manifests, Pin, Pointer, Values, Workload, Write};
pub use writing::Writing;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the bus is: `sqlite`, `sqlite:<path>`, `amqp://…` or `amqps://…`.
    #[serde(default = "sqlite")]
    pub bus: String,
    /// Where the ledger is: `sqlite`, `sqlite:<path>` or `postgres://…`.
    #[serde(default = "sqlite")]
    pub ledger: String,
    /// A file that holds the bus's password, put into its URL, so that the URL here needs none.
    #[serde(default)]
    pub bus_password: Option<SecretRef>,
    /// The same for the ledger.
    #[serde(default)]
    pub ledger_password: Option<SecretRef>,
    /// The folder for the embedded bus and ledger, kept clones, workspaces and logs.
    #[serde(default = "data_folder")]
    pub data: PathBuf,
    /// The workers this installation runs; events for others are recorded and go no further.
    #[serde(default = "all_workers")]
    pub workers: Vec<WorkerName>,
    /// How workers hold what they run.
    #[serde(default)]
    pub harness: Harness,
    /// Where webhooks come in.
    #[serde(default)]
    pub receiver: Receiver,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    #[serde(default)]
    pub ops: Ops,
    /// Logs.
    #[serde(default)]
    pub log: Log,
    /// Error reports.
    #[serde(default)]
    pub sentry: Option<Sentry>,
    /// Who may send webhooks, and how they prove it.
    #[serde(default)]
    pub sources: BTreeMap<SourceName, Source>,
    /// What is delivered.
    #[serde(default)]
    pub apps: BTreeMap<AppName, App>,
    /// Credentials for Git over HTTP, by the beginning of the URL; the longest match counts.
    #[serde(default)]
    pub git: Git,
    /// Where addresses of payloads and apps may lead besides the public Internet.
    #[serde(default)]
    pub network: Network,
    /// How registries are reached, by host and port.
    #[serde(default)]
    pub registries: BTreeMap<String, Registry>,
    /// How the cluster is reached, for environments synced by Argo CD.
    #[serde(default)]
    pub kubernetes: Kubernetes,
    /// Who is told what.
    #[serde(default)]
    pub notify: Vec<Notify>,
    /// The operators' web page and JSON API; there is none unless it is written.
    #[serde(default)]
    pub console: Option<Console>,
}

/// Where webhooks come in, and their limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Receiver {
    /// Address and port.
    pub listen: String,
    /// The largest body, in bytes. GitHub sends up to 25 MB.
    #[serde(deserialize_with = "whole::number")]
    pub max_body_bytes: usize,
    /// How long a whole body may take to arrive. One that brings less than 4 KiB in a quarter of that time is ended
    /// then: it only holds a connection.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub body_deadline: Duration,
    /// Connections at once.
    #[serde(deserialize_with = "whole::number")]
    pub max_connections: usize,
    /// How long to wait for the bus before 503. GitHub gives up after 10 s.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub publish_deadline: Duration,
    /// What is kept on disk while RabbitMQ does not confirm; `off` for 503 instead. The embedded bus needs none.
    #[serde(deserialize_with = "value::or_off")]
    #[schemars(schema_with = "value::schema_or_off::<Spool>")]
    pub spool: Option<Spool>,
}

/// The receiver's spool, in `spool` below the data folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// What it may hold, in bytes of webhooks; the file takes somewhat more.
    #[serde(deserialize_with = "whole::number")]
    pub max_bytes: u64,
    /// How old its oldest event may get before nothing more is taken. What was taken stays.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub max_age: Duration,
}

impl Default for Spool {
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_age: Duration::from_hours(24) }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:8080".to_owned(),
            max_body_bytes: 25 * 1024 * 1024,
            body_deadline: Duration::from_secs(20),
            max_connections: 2048,
            publish_deadline: Duration::from_secs(5),
            spool: Some(Spool::default()),
        }
    }
}

/// How workers hold what they run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Harness {
    /// How long a run stays claimed without a sign of life; then another may take it over.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub lease: Duration,
    /// How long what is under way may go on after SIGTERM. Kubernetes gives 30 s.
    #[serde(with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub grace: Duration,
}

impl Default for Harness {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), grace: Duration::from_secs(25) }
    }
}

/// The operators' port.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ops {
    /// Address and port; on loopback unless told otherwise, because nobody is asked who they are here.
    pub listen: String,
}

impl Default for Ops {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9090".to_owned() }
    }
}

/// Logs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// A filter as `tracing` reads it: `info`, `info,bumper=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Error reports.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentry {
    /// The project's DSN.
    pub dsn: SecretRef,
    /// The environment reports are filed under.
    #[serde(default)]
    pub environment: Option<String>,
}

/// Where health checks, registries and repositories may be.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Networks besides the public Internet that may be asked: `10.0.0.0/8` for health checks within a cluster,
    /// `127.0.0.0/8` for a registry on this machine. A cloud's metadata service only when it is named by itself.
    pub allow: Vec<AddressRange>,
}

/// How a registry is reached.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Who we are there.
    #[serde(default)]
    pub username: Option<String>,
    /// The password or token.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// Plain HTTP, for a registry on this machine.
    #[serde(default)]
    pub plain_http: bool,
    /// How long after one look at the tags that are followed there the next comes: for a registry that sends no
    /// webhooks, or sends them at best effort. Nobody looks unless it is said.
    #[serde(default, deserialize_with = "duration::some")]
    #[schemars(schema_with = "duration::some_schema")]
    pub poll: Option<Duration>,
}

/// How the cluster is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// A kubeconfig file; without one, the service account or the user's own config.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub context: Option<String>,
    /// The namespace Argo CD's Applications are in.
    pub argocd_namespace: String,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self { kubeconfig: None, context: None, argocd_namespace: "argocd".to_owned() }
    }
}

/// One route of notifications.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// A Slack incoming webhook's URL; it is a secret.
    pub slack: SecretRef,
    /// Puts the buttons *Approve* and *Reject* under what asks for an approval: the source of the kind `slack` that hears
    /// their clicks. The webhook must be one of the same Slack app, which sends them there.
    #[serde(default)]
    pub buttons: Option<SourceName>,
    /// What is told; everything when empty.
    #[serde(default)]
    pub when: Vec<Topic>,
    /// Only of these environments; of all when empty. What belongs to no environment is told either way.
    #[serde(default)]
    pub environments: Vec<proto::EnvironmentName>,
    /// Only of these apps; of all when empty.
    #[serde(default)]
    pub apps: Vec<AppName>,
}

/// What a route may ask to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Red tests, failed scans, failed syncs, unhealthy deployments, dead letters.
    Failed,
    /// A deployment that is healthy; a fix that takes the fast path, and that it is owed no more.
    Deployed,
    /// A manifest changed and a deployment begins.
    Deploying,
    /// An environment taken back to what was healthy there.
    RolledBack,
    /// A release that waits for people, and what they decide.
    Approval,
}

fn sqlite() -> String {
    "sqlite".to_owned()
}

fn data_folder() -> PathBuf {
    "windlass-data".into()
}

fn all_workers() -> Vec<WorkerName> {
    WorkerName::ALL.to_vec()
}
