//! What an app's repository is called: as webhooks name it, or none of them would ever be of the app.

use super::{App, Config, SourceKind};
use crate::git::without_userinfo;

/// Senders whose bodies name repositories as they like.
const FREE: &[SourceKind] = &[SourceKind::Generic, SourceKind::StandardWebhooks, SourceKind::CloudEvents];
/// Hosts that name them `owner/name`, and those that may put more before.
const IN_TWO: &[SourceKind] = &[SourceKind::Github, SourceKind::Gitea, SourceKind::Bitbucket];
const DEEPER: &[SourceKind] = &[SourceKind::Gitlab, SourceKind::AzureDevops];
/// Hosts that may have names that end in `.git`.
const DOT_GIT: &[SourceKind] = &[SourceKind::AzureDevops, SourceKind::Bitbucket];

/// Why no webhook that the app hears would name its repository so.
pub(super) fn problem(config: &Config, app: &App) -> Option<String> {
    let senders = config.sources.iter().filter(|(name, _)| app.sources.is_empty() || app.sources.contains(name));
    let kinds: Vec<_> = senders.map(|(_, source)| source.kind).collect();
    let hears = |wanted: &[SourceKind]| kinds.iter().any(|kind| wanted.contains(kind));
    let name = app.repository.as_str();
    if name.trim().is_empty() {
        return Some("it is empty; write it as webhooks name it: `acme/shop`".to_owned());
    }
    if hears(FREE) {
        return None;
    }
    let (shown, parts) = (without_userinfo(name), name.split('/').collect::<Vec<_>>());
    let ends_in_git = name.strip_suffix(".git").is_some() && !hears(DOT_GIT);
    if name.contains("://") || is_scp(name) || ends_in_git {
        let plain = plain(name);
        return Some(format!(
            "`{shown}` is where it is cloned from, which goes to `clone`; webhooks name it `{plain}`"
        ));
    }
    let in_hosts_words = hears(IN_TWO) || hears(DEEPER);
    let unfit = parts.iter().any(|part| part.trim() != *part || part.is_empty())
        || parts.len() == 1 && (in_hosts_words || app.clone.is_none())
        || parts.len() > 2 && hears(IN_TWO) && !hears(DEEPER);
    unfit.then(|| {
        format!("`{shown}` is no repository's full name; write it as webhooks do, with its owner: `acme/shop`")
    })
}

/// `git@host:path`, as `ssh` has it.
fn is_scp(name: &str) -> bool {
    name.split_once(':').is_some_and(|(before, _)| before.contains('@') && !before.contains('/'))
}

/// What is left of a URL without scheme, host and `.git`.
fn plain(url: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None if url.contains('@') => url.split_once(':').map_or("", |(_, path)| path),
        None => url,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    if path.contains('/') { path.to_owned() } else { "acme/shop".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::contradictions;

    fn of(kind: &str, app: &str) -> Vec<String> {
        let secret = "secrets: [env:S]";
        let read =
            if kind == "generic" { ", proof: { token: { header: h } }, read: { image: /i, tag: /t }" } else { "" };
        let sources = if kind.is_empty() { String::new() } else { format!("it: {{ kind: {kind}, {secret}{read} }}") };
        let text = format!("sources: {{ {sources} }}\napps: {{ shop: {{ {app} }} }}");
        contradictions(&text)
    }

    #[test]
    fn what_no_webhook_says_is_told_with_what_to_write() {
        for (kind, repository, hint) in [
            ("github", "https://github.com/acme/shop", "`acme/shop`"),
            ("github", "https://me:hunter2@github.com/acme/shop.git", "`acme/shop`"),
            ("github", "git@github.com:acme/shop.git", "`acme/shop`"),
            ("", "https://gitlab.com/group/sub/shop.git", "`group/sub/shop`"),
            ("gitlab", "group/sub/shop.git", "`group/sub/shop`"),
            ("github", "shop", "with its owner"),
            ("", "shop", "with its owner"),
            ("", "", "it is empty"),
            ("generic", " ", "it is empty"),
            ("github", "github.com/acme/shop", "with its owner"),
            ("gitlab", "/group/shop", "with its owner"),
            ("azure-devops", "Shop/", "with its owner"),
            ("bitbucket", "acme/ shop", "with its owner"),
        ] {
            let found = of(kind, &format!("repository: '{repository}'"));
            let one = found.len() == 1 && found[0].starts_with("`apps.shop.repository`: ") && found[0].contains(hint);
            assert!(one && !found[0].contains("hunter2"), "{kind} {repository}: {found:?}");
        }
    }

    #[test]
    fn every_hosts_names_are_taken() {
        for (kind, app) in [
            ("github", "repository: Acme/Shop.js"),
            ("forgejo", "repository: acme/shop"),
            ("gitlab", "repository: group/sub/more/name"),
            ("bitbucket", "repository: '~ada/shop'"),
            ("bitbucket", "repository: PRJ/shop.git"),
            ("azure-devops", "repository: 'Online Shop/Web Front.git'"),
            ("azure-devops", "repository: 'acme/Online Shop/web'"),
            ("generic", "repository: shop"),
            ("cloudevents", "repository: 'https://git.example/acme/shop.git'"),
            ("harbor", "repository: shop, clone: 'https://git.example/shop.git'"),
        ] {
            assert_eq!(of(kind, app), Vec::<String>::new(), "{kind}: {app}");
        }
    }
}
