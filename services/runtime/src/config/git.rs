//! What users write of Git: who we are at its servers, and who commits.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{ForgeKind, SecretRef, Subject, forge, value};

/// Git.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Git {
    /// Credentials by URL prefix; of several that fit, the longest.
    pub credentials: Vec<GitCredential>,
    /// Who commits to GitOps repositories.
    pub author: GitAuthor,
    /// The first line of those commits: text with `{app}`, `{environment}`, `{components}`, `{version}`, `{tag}`,
    /// `{commit}`, `{reason}` and `{event}` in it. `{app} {environment}: {components} -> {version}` unless said. The trailers
    /// by which Windlass knows its commits again stay below it.
    pub message: Subject,
    /// The key that those commits are signed with; they are not signed without one.
    #[serde(deserialize_with = "value::some_choice")]
    #[schemars(with = "Option<SigningKey>")]
    pub sign: Option<SigningKey>,
}

/// Who we are where URLs begin so: a password over HTTP, a key over SSH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitCredential {
    /// `https://github.com/acme/`, or `ssh://git@github.com/acme/`.
    pub url: String,
    /// The name that goes with the password. GitHub takes any with a token.
    #[serde(default = "token_name")]
    pub username: String,
    /// The password or token.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// A GitHub App in the place of a password: the token of its installation on whatever repository is asked for, renewed
    /// before it expires.
    #[serde(default)]
    pub app: Option<GitApp>,
    /// A private key without a passphrase, as `ssh-keygen` writes it.
    #[serde(default)]
    pub key: Option<SecretRef>,
    /// The servers' own keys, as `ssh-keyscan` writes them; `~/.ssh/known_hosts` unless said. A server whose key is
    /// not in it is not talked to.
    #[serde(default)]
    pub known_hosts: Option<PathBuf>,
}

/// A GitHub App that is installed on repositories.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitApp {
    /// Its client id or its number, as its settings show them.
    #[schemars(schema_with = "super::reconcile::text_or_number")]
    pub id: String,
    /// Its private key, in PEM.
    pub private_key: SecretRef,
    /// Where the API is; unless said `https://api.github.com`, or `https://<the repository's host>/api/v3`.
    #[serde(default)]
    pub api: Option<String>,
}

/// The author of commits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GitAuthor {
    /// Name.
    pub name: String,
    /// Email address.
    pub email: String,
}

/// A key that signs commits, without a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SigningKey {
    /// A private key as `ssh-keygen` writes it.
    Ssh(SecretRef),
    /// A secret key as `gpg --export-secret-keys --armor` writes it.
    Gpg(SecretRef),
}

impl Git {
    /// Whatever is secret here.
    pub(super) fn secrets(&self) -> impl Iterator<Item = (String, &SecretRef)> {
        let sign = self.sign.iter().map(|key| match key {
            SigningKey::Ssh(key) => ("git.sign.ssh".to_owned(), key),
            SigningKey::Gpg(key) => ("git.sign.gpg".to_owned(), key),
        });
        let numbered = self.credentials.iter().enumerate();
        numbered
            .flat_map(|(n, c)| c.secrets().map(move |(key, s)| (format!("git.credentials[{n}].{key}"), s)))
            .chain(sign)
    }

    /// What contradicts itself in it, by key.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let numbered = self.credentials.iter().enumerate();
        numbered.filter_map(|(n, c)| Some((format!("git.credentials[{n}]"), c.problem()?))).collect()
    }
}

impl GitApp {
    /// Where the API is that tells of a repository with this URL.
    pub fn api_for(&self, repository: &Url) -> Option<String> {
        self.api.clone().or_else(|| forge::api_at(ForgeKind::Github, repository))
    }
}

impl GitCredential {
    fn secrets(&self) -> impl Iterator<Item = (&'static str, &SecretRef)> {
        let app = self.app.as_ref().map(|app| &app.private_key);
        let all = [("password", self.password.as_ref()), ("key", self.key.as_ref()), ("app.private_key", app)];
        all.into_iter().filter_map(|(key, secret)| Some((key, secret?)))
    }

    fn problem(&self) -> Option<String> {
        let url = &self.url;
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if let Some(app) = &self.app {
            return match app.api.as_ref().and_then(|api| forge::unfit_api(api, "/api/v3")) {
                Some(why) => Some(format!("`app.api`: {why}")),
                None if !matches!(scheme, Some("http" | "https")) => {
                    Some(format!("an `app` is for https://, and `{url}` is not"))
                }
                None if self.password.is_some() || self.key.is_some() || self.known_hosts.is_some() => {
                    Some("it has an `app` and something else to be let in by; take one of the two out".to_owned())
                }
                None => None,
            };
        }
        match (scheme, &self.password, &self.key) {
            (Some("http" | "https"), Some(_), None) if self.known_hosts.is_some() => {
                Some(format!("`known_hosts` is for ssh://, and `{url}` is not"))
            }
            (Some("http" | "https"), Some(_), None) => None,
            (Some("http" | "https"), ..) => Some(format!("`{url}` wants a `password` or an `app`, and no `key`")),
            (Some("ssh"), None, Some(_)) => self.known_hosts.as_deref().and_then(unfit_for_ssh),
            (Some("ssh"), ..) => Some(format!("`{url}` wants a `key`, and no `password`")),
            _ => Some(format!("`{url}` is no beginning of a repository's URL; write https:// or ssh://")),
        }
    }
}

/// ssh takes an option apart once more, and Git has a shell read it before that.
fn unfit_for_ssh(path: &std::path::Path) -> Option<String> {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@,".contains(c);
    let text = path.to_str().unwrap_or("\u{fffd}");
    (!text.chars().all(plain)).then(|| {
        let shown = path.display();
        format!("`known_hosts`: ssh would misread `{shown}`; take a path of letters, digits, and `/._-+=:@,`")
    })
}

impl Default for GitAuthor {
    fn default() -> Self {
        Self { name: "Windlass".to_owned(), email: "windlass@localhost".to_owned() }
    }
}

fn token_name() -> String {
    "x-access-token".to_owned()
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn said(credential: &str) -> String {
        let text = format!("git: {{ credentials: [{{ {credential} }}] }}");
        Config::parse(&text, "windlass.yaml".as_ref()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_credential_fits_its_url() {
        for (credential, says) in [
            ("url: 'https://host/', password: 'file:/p'", ""),
            ("url: 'ssh://git@host/', key: 'file:/k'", ""),
            ("url: 'ssh://git@host/', key: 'file:/k', known_hosts: /etc/ssh/known_hosts", ""),
            ("url: 'https://host/'", "wants a `password`"),
            ("url: 'https://host/', key: 'file:/k'", "wants a `password`"),
            ("url: 'https://host/', password: 'file:/p', known_hosts: /k", "`known_hosts` is for ssh://"),
            ("url: 'ssh://git@host/', password: 'file:/p'", "wants a `key`"),
            ("url: 'ssh://git@host/', key: 'file:/k', known_hosts: '/a b'", "would misread `/a b`"),
            ("url: 'https://host/', app: { id: 12, private_key: 'file:/k' }", ""),
            (
                "url: 'https://host/', app: { id: 12, private_key: 'file:/k' }, password: 'file:/p'",
                "take one of the two out",
            ),
            ("url: 'ssh://git@host/', app: { id: 12, private_key: 'file:/k' }", "an `app` is for https://"),
            ("url: 'https://host/', app: { id: 12, private_key: 'file:/k', api: x }", "`app.api`: `x` is no URL"),
            ("url: 'git@host:x', key: 'file:/k'", "write https:// or ssh://"),
        ] {
            let said = said(credential);
            let expected = if says.is_empty() { said.is_empty() } else { said.contains(says) };
            assert!(expected && (says.is_empty() || said.contains("git.credentials[0]")), "{credential}: {said}");
        }
    }
}
