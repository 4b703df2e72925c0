//! What users write of the GitOps repository, and which of its branches each environment is written to.

use std::collections::BTreeMap;

use proto::{Branch, EnvironmentName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    App,
    forge::Forge,
    proposals::{Merge, Mode},
};

/// The repository that says what runs where.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gitops {
    /// Its URL.
    pub repository: String,
    /// The branch that is written to, unless an environment says otherwise.
    #[serde(default = "main_branch")]
    pub branch: Branch,
    /// How commits reach it, unless an environment says otherwise.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// What merges pull requests, unless an environment says otherwise.
    #[serde(default)]
    pub merge: Option<Merge>,
    /// The API of its host, for pull requests.
    #[serde(default)]
    pub forge: Option<Forge>,
}

impl App {
    /// The GitOps repository with the branch that an environment is written to: its own, or else the app's.
    pub fn gitops_of(&self, environment: &EnvironmentName) -> Option<Gitops> {
        let gitops = self.gitops.as_ref()?;
        let nearer = self.environments.get(environment).and_then(|environment| environment.branch.clone());
        Some(Gitops { branch: nearer.unwrap_or_else(|| gitops.branch.clone()), ..gitops.clone() })
    }

    /// Every branch that is written to, with the key below the app's own whose `branch` names it: `gitops`, or
    /// `environments.production`. Of an app without environments that of the repository.
    pub fn written_branches(&self) -> BTreeMap<Branch, String> {
        let Some(gitops) = &self.gitops else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        for (name, environment) in &self.environments {
            let (branch, key) = match &environment.branch {
                Some(branch) => (branch, format!("environments.{name}")),
                None => (&gitops.branch, "gitops".to_owned()),
            };
            found.entry(branch.clone()).or_insert(key);
        }
        if found.is_empty() {
            found.insert(gitops.branch.clone(), "gitops".to_owned());
        }
        found
    }
}

fn main_branch() -> Branch {
    #[expect(clippy::expect_used, reason = "a constant that is a branch name")]
    Branch::new("main").expect("a branch name")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Config;

    #[test]
    fn an_environment_may_have_a_branch_of_its_own() {
        let parsed = |gitops: &str, environments: &str| {
            let text = format!(
                "apps: {{ shop: {{ repository: acme/shop, gitops: {{ repository: 'https://git.example/g.git'{gitops} }}, \
                 environments: {{ {environments} }} }} }}"
            );
            Config::parse(&text, "windlass.yaml".as_ref()).unwrap().apps.into_values().next().unwrap()
        };
        let environments = "dev: { path: ., sync: { argocd: d } }, \
                            staging: { path: ., branch: env/staging, sync: { argocd: s } }, \
                            live: { path: ., branch: live, after: staging, sync: { argocd: l } }";
        let app = parsed(", branch: trunk", environments);
        let branch = |name: &str| app.gitops_of(&name.parse().unwrap()).unwrap().branch.to_string();
        let branches = ["dev", "staging", "live", "gone"].map(branch);
        assert_eq!(branches, ["trunk", "env/staging", "live", "trunk"]);
        let written = app.written_branches();
        let written: Vec<_> = written.iter().map(|(branch, key)| (branch.as_str(), key.as_str())).collect();
        let staging = ("env/staging", "environments.staging");
        assert_eq!(written, [staging, ("live", "environments.live"), ("trunk", "gitops")]);
        let alone = parsed("", "").written_branches();
        assert_eq!(alone.values().collect::<Vec<_>>(), ["gitops"]);
    }
}
