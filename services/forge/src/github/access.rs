//! What GitHub tells of who may do what in a repository (docs.github.com, REST API: "Get a repository"; "Scopes for OAuth
//! apps"; "Permissions required for GitHub Apps").

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::{pulls::Pulls, wire::parse};
use crate::{
    access::{Examined, Fault, Wanted, refused},
    answer::Answer,
};

/// A repository, as far as it tells.
#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    private: bool,
    #[serde(default)]
    archived: bool,
    /// What the user behind a token may do. An App's installation is no user, and it says nothing of that.
    #[serde(default)]
    permissions: Option<Permissions>,
    // GitHub shows these to whoever may push.
    #[serde(default)]
    allow_merge_commit: Option<bool>,
    #[serde(default)]
    allow_squash_merge: Option<bool>,
    #[serde(default)]
    allow_rebase_merge: Option<bool>,
}

#[derive(Deserialize)]
struct Permissions {
    push: bool,
}

/// What an App needs: the permission's name in the API and in its settings, and whether it is to write by it.
const NEEDS: [(&str, &str, bool); 2] = [("contents", "Contents", true), ("pull_requests", "Pull requests", true)];
/// The same for who waits for checks.
const NEEDS_TO_MERGE: [(&str, &str, bool); 2] = [("checks", "Checks", false), ("statuses", "Commit statuses", false)];

impl Examined for Pulls {
    async fn faults(&self, wanted: &Wanted) -> Result<Vec<Fault>> {
        let (repository, answer) = self.seen().await?;
        let mut found: Vec<_> = Fault::of_archived(repository.archived).into_iter().collect();
        if wanted.merges {
            let ways = [
                ("merge", repository.allow_merge_commit),
                ("squash", repository.allow_squash_merge),
                ("rebase", repository.allow_rebase_merge),
            ];
            found.extend(Fault::of_method(self.method, &ways));
        }
        match (self.api.permissions().await?, &answer.scopes) {
            (Some(has), _) => found.extend(of_app(&has, wanted)),
            (None, scopes) => {
                found.extend(self.of_user(&repository));
                found.extend(match scopes {
                    Some(scopes) => self.of_scopes(scopes, repository.private),
                    None => Some(self.of_fine_grained()),
                });
            }
        }
        for path in questions(wanted) {
            found.extend(self.may_read(&path).await?);
        }
        Ok(found)
    }
}

/// What is asked again and again later, with as little of an answer as can be.
fn questions(wanted: &Wanted) -> Vec<String> {
    let mut all = vec!["pulls?per_page=1".to_owned()];
    if wanted.merges {
        let branch: String = url::form_urlencoded::byte_serialize(wanted.into.as_bytes()).collect();
        all.extend(["check-runs", "status"].map(|of| format!("commits/{branch}/{of}?per_page=1")));
    }
    all
}

impl Pulls {
    async fn seen(&self) -> Result<(Repository, Answer)> {
        let answer = self.api.get(&format!("/repos/{}", self.repository)).await?;
        match answer.status {
            200 => Ok((parse("repository", &answer.body)?, answer)),
            404 => bail!(
                "{} is not there, or may not be seen by who asks ({}); {}",
                self.repository,
                answer.said(),
                self.api.hint()
            ),
            _ => bail!(self.refused("reading the repository", &answer)),
        }
    }

    fn of_user(&self, repository: &Repository) -> Option<Fault> {
        let may_push = repository.permissions.as_ref().is_none_or(|may| may.push);
        (!may_push).then(|| {
            Fault::certain(
                "whose token it is may read, and not push",
                format!("give them the role *Write* in the settings of {}, *Collaborators and teams*", self.repository),
            )
        })
    }

    /// What a classic token lacks.
    fn of_scopes(&self, scopes: &str, is_private: bool) -> Option<Fault> {
        let has = |wanted: &str| scopes.split(',').any(|scope| scope.trim() == wanted);
        let fits = has("repo") || (has("public_repo") && !is_private);
        (!fits).then(|| {
            let has = if scopes.trim().is_empty() { "none".to_owned() } else { format!("`{scopes}`") };
            Fault::certain(
                format!("the token lacks the scope `repo`; of scopes it has {has}"),
                format!("give it `repo` in its owner's *Developer settings*; {}", self.api.hint()),
            )
        })
    }

    /// GitHub tells of no fine-grained token what it may write.
    fn of_fine_grained(&self) -> Fault {
        Fault::untold("GitHub does not tell what a fine-grained token may write", self.api.hint())
    }

    /// What may not be read that is asked for later. What is not there, as in an empty repository, is no refusal.
    async fn may_read(&self, path: &str) -> Result<Option<Fault>> {
        let asked = self.api.get(&self.path(path)).await;
        refused(asked, "give who asks the right to read that; the error says what it takes")
    }
}

/// What an App's installation lacks.
fn of_app(has: &BTreeMap<String, String>, wanted: &Wanted) -> Vec<Fault> {
    let to_merge: &[_] = if wanted.merges { &NEEDS_TO_MERGE } else { &[] };
    let lacks = |(key, _, writes): &&(&str, &str, bool)| match has.get(*key).map(String::as_str) {
        Some("write" | "admin") => false,
        Some("read") => *writes,
        _ => true,
    };
    let lacking = NEEDS.iter().chain(to_merge).filter(lacks);
    let fault = |(_, name, writes): &(&str, &str, bool)| {
        let right = format!("*{name}: {}*", if *writes { "read and write" } else { "read" });
        let next = format!(
            "give the App {right} in its settings, *Permissions & events*, and accept that where it is installed"
        );
        Fault::certain(format!("the App's installation lacks {right}"), next)
    };
    lacking.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_apps_installation_lacks_is_told_by_the_name_it_has_in_its_settings() {
        let lacks = |has: &[(&str, &str)], merges: bool| {
            let has = has.iter().map(|(key, level)| ((*key).to_owned(), (*level).to_owned())).collect();
            let all = of_app(&has, &Wanted { into: "main".to_owned(), merges });
            all.into_iter().map(|fault| fault.says).collect::<Vec<_>>()
        };
        let enough = [("contents", "write"), ("pull_requests", "write"), ("metadata", "read")];
        assert!(lacks(&enough, false).is_empty());
        assert_eq!(
            lacks(&enough, true),
            ["the App's installation lacks *Checks: read*", "the App's installation lacks *Commit statuses: read*"]
        );
        let reads = [("contents", "read"), ("pull_requests", "write")];
        assert_eq!(lacks(&reads, false), ["the App's installation lacks *Contents: read and write*"]);
    }
}
