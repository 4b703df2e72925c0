//! What users write of how commits reach the GitOps repository's branch: by a push, or by a pull request whose merge is
//! waited for.

use proto::EnvironmentName;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{App, GithubApp, Gitops, SecretRef};

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

/// How Windlass merges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MergeMethod {
    /// By a merge commit.
    #[default]
    Merge,
    /// As one commit.
    Squash,
    /// As the same commit upon what is there.
    Rebase,
}

/// What hosts a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForgeKind {
    /// GitHub, or a GitHub Enterprise Server.
    Github,
}

/// The API of the GitOps repository's host, and as whom it is asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// What it is; need not be said of github.com.
    #[serde(default)]
    pub kind: Option<ForgeKind>,
    /// Where the API is; `https://<the repository's host>/api/v3` unless said, or `https://api.github.com`.
    #[serde(default)]
    pub api: Option<String>,
    /// A token that may read the repository and write its pull requests: classic with `repo`, or fine-grained with
    /// *Pull requests: read and write*, *Contents: read and write*, *Checks: read* and *Commit statuses: read*.
    #[serde(default)]
    pub token: Option<SecretRef>,
    /// A GitHub App with these permissions instead of a token.
    #[serde(default)]
    pub app: Option<GithubApp>,
    /// How Windlass merges.
    #[serde(default)]
    pub merge_method: MergeMethod,
}

impl App {
    /// What merges the pull requests of an environment; `None` where commits are pushed.
    pub fn merge(&self, environment: &EnvironmentName) -> Option<Merge> {
        let (gitops, nearer) = (self.gitops.as_ref()?, self.environments.get(environment)?);
        let mode = nearer.mode.or(gitops.mode).unwrap_or_default();
        (mode == Mode::PullRequest).then(|| nearer.merge.or(gitops.merge).unwrap_or_default())
    }
}

impl Gitops {
    /// `owner/name` of the repository, as GitHub's API names it; `None` when the URL ends in no such two parts.
    pub fn owner_and_name(&self) -> Option<String> {
        let url = Url::parse(&self.repository).ok()?;
        let path = url.path().trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(word) && !matches!(name, "." | "..");
        path.split_once('/').filter(|(owner, name)| is_name(owner) && is_name(name)).map(|_| path.to_owned())
    }

    /// Where the host's API is; `None` when nothing says what the host is.
    pub fn api(&self) -> Option<String> {
        let forge = self.forge.as_ref()?;
        let url = Url::parse(&self.repository).ok()?;
        let is_github_com = url.host_str() == Some("github.com");
        match (&forge.api, forge.kind) {
            (Some(api), Some(_)) => Some(api.clone()),
            (Some(api), None) if is_github_com => Some(api.clone()),
            (None, _) if is_github_com => Some("https://api.github.com".to_owned()),
            (None, Some(ForgeKind::Github)) => Some(format!("https://{}/api/v3", url.host_str()?)),
            (_, None) => None,
        }
    }
}

impl Forge {
    /// Whatever is secret here.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.token.iter().chain(self.app.iter().map(|app| &app.private_key))
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
        (Some(forge), true) => found.extend(of_forge(at, gitops, forge)),
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

fn of_forge(at: &str, gitops: &Gitops, forge: &Forge) -> Vec<String> {
    let (at, mut found) = (format!("{at}.gitops"), Vec::new());
    match (&forge.token, &forge.app) {
        (None, None) => found.push(format!("`{at}.forge`: nobody is asked without a `token` or an `app`")),
        (Some(_), Some(_)) => {
            found.push(format!("`{at}.forge`: it has a `token` and an `app`; take one of the two out"));
        }
        _ => {}
    }
    if gitops.owner_and_name().is_none() {
        found.push(format!("`{at}.repository`: GitHub's repositories are `https://<host>/<owner>/<name>.git`"));
    }
    if gitops.api().is_none() {
        found.push(format!("`{at}.forge.kind`: the repository's URL does not say what hosts it; write `github`"));
    }
    let api = forge.api.as_ref().map(|api| (api, Url::parse(api).ok()));
    let is_api = |url: &Url| matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none();
    if let Some((api, _)) = api.filter(|(_, url)| !url.as_ref().is_some_and(is_api)) {
        found.push(format!("`{at}.forge.api`: `{api}` is no URL; write `https://<host>/api/v3`"));
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
        assert_eq!(app.gitops.as_ref().unwrap().owner_and_name().as_deref(), Some("acme/gitops"));
        assert_eq!(app.gitops.as_ref().unwrap().api().as_deref(), Some("https://api.github.com"));
        assert_eq!(one.secrets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["env:T"]);
    }

    #[test]
    fn what_would_do_nothing_or_cannot_be_asked_is_told_by_its_key() {
        let other = "repository: 'https://git.acme.example/acme/gitops.git'";
        for (gitops, environment, key) in [
            (format!("{GITHUB}, mode: pull_request"), "", "gitops.forge"),
            (format!("{GITHUB}, forge: {{ token: env:T }}"), "", "gitops.forge"),
            (format!("{GITHUB}, merge: by_hand"), "", "gitops.merge"),
            (GITHUB.to_owned(), "merge: by_hand", "environments.staging.merge"),
            (format!("{GITHUB}, mode: pull_request, forge: {{}}"), "", "gitops.forge"),
            (
                format!(
                    "{GITHUB}, mode: pull_request, forge: {{ token: env:T, app: {{ id: 1, private_key: env:K }} }}"
                ),
                "",
                "gitops.forge",
            ),
            (format!("{other}, mode: pull_request, forge: {{ token: env:T }}"), "", "gitops.forge.kind"),
            (format!("{GITHUB}, mode: pull_request, forge: {{ token: env:T, api: x }}"), "", "gitops.forge.api"),
            (
                "repository: 'https://github.com/gitops.git', mode: pull_request, forge: { token: env:T }".to_owned(),
                "",
                "gitops.repository",
            ),
        ] {
            let Err(ConfigError::Contradictions { problems, .. }) = parsed(&gitops, environment) else {
                panic!("{gitops} {environment} is taken");
            };
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(&format!("`apps.shop.{key}`: ")), "{key}: {problems:?}");
        }
        let server = parsed(&format!("{other}, mode: pull_request, forge: {{ kind: github, token: env:T }}"), "");
        let gitops = server.unwrap().apps.into_values().next().unwrap().gitops.unwrap();
        assert_eq!(gitops.api().as_deref(), Some("https://git.acme.example/api/v3"));
    }
}
