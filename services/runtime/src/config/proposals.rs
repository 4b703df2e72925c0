//! What users write of how commits reach the GitOps repository's branch: by a push, or by a pull request whose merge is
//! waited for.

use proto::EnvironmentName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{App, forge};

/// How commits reach the branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are pushed to it.
    #[default]
    Push,
    /// They are pushed to a branch of their own, for which a pull request is opened; its merge goes on with the chain.
    PullRequest,
}

/// What merges a pull request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// People do.
    #[default]
    ByHand,
    /// Windlass does, once every check of its commit has passed and the branch's rules let it; people may before.
    WhenChecksPass,
}

impl App {
    /// What merges the pull requests of an environment; `None` where commits are pushed.
    pub fn merge(&self, environment: &EnvironmentName) -> Option<Merge> {
        let (gitops, nearer) = (self.gitops.as_ref()?, self.environments.get(environment)?);
        let mode = nearer.mode.or(gitops.mode).unwrap_or_default();
        (mode == Mode::PullRequest).then(|| nearer.merge.or(gitops.merge).unwrap_or_default())
    }
}

/// What contradicts itself in an app's, each beginning with the path of the key to mend.
pub(super) fn problems(at: &str, app: &App) -> Vec<String> {
    let Some(gitops) = &app.gitops else { return Vec::new() };
    let mut found = Vec::new();
    let proposed = app.environments.keys().any(|name| app.merge(name).is_some());
    for (name, environment) in &app.environments {
        if environment.merge.is_some() && app.merge(name).is_none() {
            found.push(format!(
                "`{at}.environments.{name}.merge`: commits are pushed there, and nothing is merged; write `mode: \
                 pull_request`"
            ));
        }
    }
    match (&gitops.forge, proposed) {
        (None, true) => found
            .push(format!("`{at}.gitops.forge`: pull requests are opened as somebody; give it a `token` or an `app`")),
        (Some(forge), true) => found.extend(forge::problems(at, gitops, forge)),
        (forge, false) => {
            let keys = [("forge", forge.is_some()), ("merge", gitops.merge.is_some())];
            let idle = keys.into_iter().filter(|(_, is_said)| *is_said);
            found.extend(idle.map(|(key, _)| {
                format!("`{at}.gitops.{key}`: no environment gets pull requests; write `mode: pull_request`")
            }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Config, ConfigError};
    use super::*;

    fn parsed(gitops: &str, environment: &str) -> Result<Config, ConfigError> {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, gitops: {{ {gitops} }}, environments: {{ \
             staging: {{ path: staging, sync: {{ argocd: shop }}, {environment} }}, \
             production: {{ path: production, after: staging, sync: {{ argocd: shop }} }} }} }} }}"
        );
        Config::parse(&text, "windlass.yaml".as_ref())
    }

    const GITHUB: &str = "repository: 'https://github.com/acme/gitops.git'";

    #[test]
    fn the_environment_says_nearer_than_the_repository_how_it_is_written() {
        let whole = format!("{GITHUB}, mode: pull_request, merge: when_checks_pass, forge: {{ token: env:T }}");
        let app = |environment: &str| parsed(&whole, environment).unwrap().apps.into_values().next().unwrap();
        let merge = |app: &App, name: &str| app.merge(&name.parse().unwrap());
        assert_eq!(merge(&app("mode: push"), "staging"), None);
        assert_eq!(merge(&app("mode: push"), "production"), Some(Merge::WhenChecksPass));
        assert_eq!(merge(&app("merge: by_hand"), "staging"), Some(Merge::ByHand));
        let one = parsed(&format!("{GITHUB}, forge: {{ token: env:T }}"), "mode: pull_request").unwrap();
        let app = &one.apps[&"shop".parse().unwrap()];
        assert_eq!((merge(app, "staging"), merge(app, "production")), (Some(Merge::ByHand), None));
        assert_eq!(one.secrets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["env:T"]);
    }

    #[test]
    fn what_would_do_nothing_or_cannot_be_asked_is_told_by_its_key() {
        for (gitops, environment, key) in [
            (format!("{GITHUB}, mode: pull_request"), "", "gitops.forge"),
            (format!("{GITHUB}, forge: {{ token: env:T }}"), "", "gitops.forge"),
            (format!("{GITHUB}, merge: by_hand"), "", "gitops.merge"),
            (GITHUB.to_owned(), "merge: by_hand", "environments.staging.merge"),
            (format!("{GITHUB}, mode: pull_request, forge: {{}}"), "", "gitops.forge"),
        ] {
            let Err(ConfigError::Contradictions { problems, .. }) = parsed(&gitops, environment) else {
                panic!("{gitops} {environment} is taken");
            };
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(&format!("`apps.shop.{key}`: ")), "{key}: {problems:?}");
        }
    }
}
