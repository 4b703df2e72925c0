//! What users write of the GitOps repository's host: what it is, where its API is, and as whom that is asked.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{GithubApp, Gitops, SecretRef, value};
use crate::git::without_userinfo;

/// How Windlass merges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MergeMethod {
    /// By a merge commit; at GitLab as the project's settings say.
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
#[schemars(transform = other_words)]
pub enum ForgeKind {
    /// GitHub, or a GitHub Enterprise Server.
    Github,
    /// GitLab, of theirs or one's own.
    Gitlab,
    /// Gitea or Forgejo.
    #[serde(alias = "forgejo")]
    Gitea,
}

fn other_words(schema: &mut Schema) {
    value::other_words(schema, &[("forgejo", "gitea")]);
}

/// The API of the GitOps repository's host, and as whom it is asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// What it is; need not be said of github.com, gitlab.com, codeberg.org and gitea.com.
    #[serde(default)]
    pub kind: Option<ForgeKind>,
    /// Where the API is; unless said `https://<the repository's host>`, and behind it `/api/v3` for a GitHub Enterprise
    /// Server, `/api/v4` for GitLab, `/api/v1` for Gitea. What lies between belongs to the host's own address.
    #[serde(default)]
    pub api: Option<String>,
    /// A token that may read the repository and write its pull requests. GitHub: classic with `repo`, or fine-grained with
    /// *Pull requests: read and write*, *Contents: read and write*, *Checks: read* and *Commit statuses: read*. GitLab: with
    /// the scope `api`. Gitea: with `write:repository`.
    #[serde(default)]
    pub token: Option<SecretRef>,
    /// A GitHub App with these permissions instead of a token.
    #[serde(default)]
    pub app: Option<GithubApp>,
    /// How Windlass merges.
    #[serde(default)]
    pub merge_method: MergeMethod,
}

impl ForgeKind {
    /// What is at these well-known hosts.
    fn at(host: &str) -> Option<Self> {
        match host {
            "github.com" => Some(Self::Github),
            "gitlab.com" => Some(Self::Gitlab),
            "codeberg.org" | "gitea.com" => Some(Self::Gitea),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
        }
    }

    /// Where below a host's address its API is.
    fn api_path(self) -> &'static str {
        match self {
            Self::Github => "/api/v3",
            Self::Gitlab => "/api/v4",
            Self::Gitea => "/api/v1",
        }
    }
}

impl Gitops {
    /// What hosts the repository; `None` when nothing says it.
    pub fn forge_kind(&self) -> Option<ForgeKind> {
        let said = self.forge.as_ref().and_then(|forge| forge.kind);
        said.or_else(|| ForgeKind::at(Url::parse(&self.repository).ok()?.host_str()?))
    }

    /// Where the host's API is; `None` when nothing says what the host is.
    pub fn api(&self) -> Option<String> {
        let kind = self.forge_kind()?;
        if let Some(api) = self.forge.as_ref().and_then(|forge| forge.api.clone()) {
            return Some(api);
        }
        api_at(kind, &Url::parse(&self.repository).ok()?)
    }

    /// The repository, as its host's API names it: `owner/name`, at GitLab with every group above it. `None` when the URL
    /// ends in no such thing.
    pub fn project(&self) -> Option<String> {
        let kind = self.forge_kind()?;
        let url = Url::parse(&self.repository).ok()?;
        let path = url.path().trim_matches('/');
        let path = self.below(kind, path).trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(word) && !matches!(name, "." | "..");
        let parts = path.split('/').count();
        let fits = if kind == ForgeKind::Gitlab { parts >= 2 } else { parts == 2 };
        (fits && path.split('/').all(is_name)).then(|| path.to_owned())
    }

    /// What of a repository's path is left where its host is not at the root of its address, as its API tells.
    fn below<'a>(&self, kind: ForgeKind, path: &'a str) -> &'a str {
        let api = self.forge.as_ref().and_then(|forge| Url::parse(forge.api.as_ref()?).ok());
        let root = api.as_ref().and_then(|api| api.path().trim_end_matches('/').strip_suffix(kind.api_path()));
        let root = root.unwrap_or_default().trim_matches('/');
        path.strip_prefix(root).filter(|rest| !root.is_empty() && rest.starts_with('/')).unwrap_or(path)
    }
}

/// Where the API is of a host of this kind that has a repository with this URL.
pub(super) fn api_at(kind: ForgeKind, repository: &Url) -> Option<String> {
    let host = repository.host_str()?;
    if (kind, host) == (ForgeKind::Github, "github.com") {
        return Some("https://api.github.com".to_owned());
    }
    // A port of SSH's says nothing of where HTTP is.
    let (scheme, port) = match repository.scheme() {
        "http" => ("http", repository.port()),
        "https" => ("https", repository.port()),
        _ => ("https", None),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}{}", kind.api_path()))
}

/// Why no API is asked at this address, for whoever wrote it; its path is to be like this one.
pub(super) fn unfit_api(address: &str, path: &str) -> Option<String> {
    let url = Url::parse(address).ok();
    if url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Some("it holds a user name or a password, and addresses are shown in errors; take it out".to_owned());
    }
    let is = |url: &Url| matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none();
    let unfit = || format!("`{}` is no URL; write `https://<host>{path}`", without_userinfo(address));
    (!url.is_some_and(|url| is(&url))).then(unfit)
}

/// What contradicts itself in an app's, each beginning with the path of the key to mend.
pub(super) fn problems(at: &str, gitops: &Gitops, forge: &Forge) -> Vec<String> {
    let (at, mut found) = (format!("{at}.gitops"), Vec::new());
    let Some(kind) = gitops.forge_kind() else {
        return vec![format!(
            "`{at}.forge.kind`: the repository's URL does not say what hosts it; write `github`, `gitlab`, `gitea` \
             or `forgejo`"
        )];
    };
    let host = Url::parse(&gitops.repository).ok().and_then(|url| ForgeKind::at(url.host_str()?));
    if let Some(host) = host.filter(|host| *host != kind) {
        return vec![format!("`{at}.forge.kind`: the repository's host is `{}`; take it out", host.as_str())];
    }
    match (&forge.token, &forge.app) {
        (_, Some(_)) if kind != ForgeKind::Github => {
            found.push(format!("`{at}.forge.app`: only GitHub has these Apps; write a `token`"));
        }
        (None, None) if kind == ForgeKind::Github => {
            found.push(format!("`{at}.forge`: nobody is asked without a `token` or an `app`"));
        }
        (None, None) => found.push(format!("`{at}.forge`: nobody is asked without a `token`")),
        (Some(_), Some(_)) => {
            found.push(format!("`{at}.forge`: it has a `token` and an `app`; take one of the two out"));
        }
        _ => {}
    }
    if kind == ForgeKind::Gitlab && forge.merge_method == MergeMethod::Rebase {
        found.push(format!(
            "`{at}.forge.merge_method`: GitLab rebases where the project's settings say so; take it out, or write `squash`"
        ));
    }
    if gitops.project().is_none() {
        let form = if kind == ForgeKind::Gitlab { "<group>/…/<name>" } else { "<owner>/<name>" };
        found.push(format!("`{at}.repository`: a repository of this host is `https://<host>/{form}.git`"));
    }
    let unfit = forge.api.as_ref().and_then(|api| unfit_api(api, kind.api_path()));
    found.extend(unfit.map(|why| format!("`{at}.forge.api`: {why}")));
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::{Config, ConfigError},
        *,
    };

    fn parsed(url: &str, forge: &str) -> Result<Gitops, ConfigError> {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, gitops: {{ repository: '{url}', mode: pull_request, forge: {{ {forge} }} }}, \
             environments: {{ staging: {{ path: staging, sync: {{ argocd: shop }} }} }} }} }}"
        );
        let config = Config::parse(&text, "windlass.yaml".as_ref())?;
        assert!(config.secrets().iter().any(|secret| secret.to_string().starts_with("env:")));
        Ok(config.apps.into_values().next().unwrap().gitops.unwrap())
    }

    #[test]
    fn a_host_and_its_api_follow_from_the_repositorys_url_where_they_can() {
        use ForgeKind::{Gitea, Github, Gitlab};
        for (url, forge, kind, api, project) in [
            ("https://github.com/acme/gitops.git", "", Github, "https://api.github.com", "acme/gitops"),
            (
                "https://git.acme.example/acme/gitops",
                "kind: github",
                Github,
                "https://git.acme.example/api/v3",
                "acme/gitops",
            ),
            (
                "https://gitlab.com/acme/platform/gitops.git",
                "",
                Gitlab,
                "https://gitlab.com/api/v4",
                "acme/platform/gitops",
            ),
            (
                "ssh://git@git.acme.example:2222/a/b/c/d.git",
                "kind: gitlab",
                Gitlab,
                "https://git.acme.example/api/v4",
                "a/b/c/d",
            ),
            (
                "https://acme.example/gitlab/a/b.git",
                "kind: gitlab, api: 'https://acme.example/gitlab/api/v4'",
                Gitlab,
                "https://acme.example/gitlab/api/v4",
                "a/b",
            ),
            ("https://codeberg.org/acme/gitops.git", "", Gitea, "https://codeberg.org/api/v1", "acme/gitops"),
            (
                "http://forge.acme.example:3000/acme/gitops",
                "kind: forgejo",
                Gitea,
                "http://forge.acme.example:3000/api/v1",
                "acme/gitops",
            ),
            (
                "https://acme.example/git/acme/gitops.git",
                "kind: gitea, api: 'https://acme.example/git/api/v1/'",
                Gitea,
                "https://acme.example/git/api/v1/",
                "acme/gitops",
            ),
        ] {
            let gitops = parsed(
                url,
                &format!("{}token: env:T", if forge.is_empty() { String::new() } else { format!("{forge}, ") }),
            )
            .unwrap();
            assert_eq!(gitops.forge_kind(), Some(kind), "{url}");
            assert_eq!((gitops.api().as_deref(), gitops.project().as_deref()), (Some(api), Some(project)), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told_by_its_key() {
        let (github, gitlab) = ("https://github.com/acme/gitops.git", "https://gitlab.com/acme/gitops.git");
        for (url, forge, key) in [
            (github, "", "forge"),
            (gitlab, "", "forge"),
            (github, "token: env:T, app: { id: 1, private_key: env:K }", "forge"),
            (gitlab, "app: { id: 1, private_key: env:K }", "forge.app"),
            (gitlab, "token: env:T, merge_method: rebase", "forge.merge_method"),
            ("https://git.acme.example/acme/gitops.git", "token: env:T", "forge.kind"),
            (github, "token: env:T, api: x", "forge.api"),
            ("https://github.com/gitops.git", "token: env:T", "repository"),
            ("https://codeberg.org/acme/more/gitops.git", "token: env:T", "repository"),
            ("https://gitlab.com/gitops.git", "token: env:T", "repository"),
        ] {
            let Err(ConfigError::Contradictions { problems, .. }) = parsed(url, forge) else {
                panic!("{url} {forge} is taken");
            };
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(&format!("`apps.shop.gitops.{key}`: ")), "{key}: {problems:?}");
        }
        for api in ["https://me:hunter2@gitlab.com/api/v4", "https://hunter2@gitlab.com/api/v4", "ssh://me:hunter2@x"] {
            let why = parsed(gitlab, &format!("token: env:T, api: '{api}'")).unwrap_err().to_string();
            assert!(why.contains("`apps.shop.gitops.forge.api`: it holds a user name or a password"), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        let inside = parsed(gitlab, "token: env:T, api: 'http://127.0.0.1/api/v4'").unwrap_err().to_string();
        assert!(inside.contains("`apps.shop.gitops.forge.api`: ") && inside.contains("network.allow"), "{inside}");
    }
}
