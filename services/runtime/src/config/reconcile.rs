//! What users write of GitHub's side of a source: whose webhooks it is asked about, and as whom.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{SecretRef, duration, forge, whole};

/// Has GitHub asked, again and again, which deliveries to this source never came, and to send those again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// A token that may read these webhooks and have them sent again: classic with `admin:repo_hook` (for
    /// organisations `admin:org_hook`), or fine-grained with *Webhooks: read and write*.
    #[serde(default)]
    pub token: Option<SecretRef>,
    /// A GitHub App instead of a token.
    #[serde(default)]
    pub app: Option<GithubApp>,
    /// The webhooks that send to this source; none for the App's own.
    #[serde(default)]
    pub hooks: Vec<GithubHook>,
    /// How long after one sweep the next begins.
    #[serde(default = "every", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub every: Duration,
    /// Where the API is; `https://<host>/api/v3` for GitHub Enterprise Server.
    #[serde(default = "api")]
    pub api: String,
    /// The least time between two deliveries asked for: GitHub wants a second between requests that change something.
    /// The receiver's rate for this source must bear it.
    #[serde(default = "pause", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub pause: Duration,
}

/// Who a GitHub App is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubApp {
    /// Its client id or its number, as its settings show them.
    #[schemars(schema_with = "text_or_number")]
    pub id: String,
    /// Its private key, in PEM.
    pub private_key: SecretRef,
}

/// One webhook of a repository or an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = other_keys)]
pub struct GithubHook {
    /// The repository: `owner/name`.
    #[serde(default)]
    pub repository: Option<String>,
    /// Or the organisation.
    #[serde(default, alias = "organization")]
    pub organisation: Option<String>,
    /// Its number at GitHub; else it is the one whose URL ends in `/webhooks/<source>`.
    #[serde(default, deserialize_with = "whole::some")]
    pub id: Option<u64>,
}

impl Reconcile {
    /// What contradicts itself in it, by key.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        match (&self.token, &self.app) {
            (None, None) => found.push(("reconcile", "nobody is asked without a `token` or an `app`".to_owned())),
            (Some(_), Some(_)) => {
                found.push(("reconcile", "it has a `token` and an `app`; take one of the two out".to_owned()));
            }
            (Some(_), None) if self.hooks.is_empty() => {
                found.push(("reconcile.hooks", "a token has no webhook of its own; name those it may read".to_owned()));
            }
            _ => {}
        }
        found.extend(self.hooks.iter().filter_map(GithubHook::problem).map(|why| ("reconcile.hooks", why)));
        let twice = self.hooks.iter().enumerate().any(|(n, hook)| self.hooks[..n].contains(hook));
        if twice {
            found.push(("reconcile.hooks", "one of them stands here twice".to_owned()));
        }
        if self.every.is_zero() {
            found.push(("reconcile.every", "it would ask without end; write `5m`".to_owned()));
        }
        found.extend(forge::unfit_api(&self.api, "/api/v3").map(|why| ("reconcile.api", why)));
        found
    }
}

impl GithubHook {
    fn problem(&self) -> Option<String> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(word) && !matches!(name, "." | "..");
        match (&self.repository, &self.organisation) {
            (Some(repository), None) => {
                let good = repository.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name));
                (!good).then(|| format!("`{repository}` is no repository; write `owner/name`"))
            }
            (None, Some(organisation)) => {
                (!is_name(organisation)).then(|| format!("`{organisation}` is no name of an organisation"))
            }
            _ => Some("each is of a `repository` or of an `organisation`".to_owned()),
        }
    }
}

fn other_keys(schema: &mut Schema) {
    let other = json_schema!({ "type": ["string", "null"], "description": "The same as `organisation`." });
    if let Some(keys) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        keys.insert("organization".to_owned(), other.to_value());
    }
}

/// The config's reader takes a number for the text it is written as.
pub(super) fn text_or_number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"] })
}

fn every() -> Duration {
    Duration::from_mins(5)
}

fn api() -> String {
    "https://api.github.com".to_owned()
}

fn pause() -> Duration {
    Duration::from_secs(1)
}
