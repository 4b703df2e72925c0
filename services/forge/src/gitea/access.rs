//! What Gitea and Forgejo tell of who may do what in a repository (docs.gitea.com and codeberg.org/api/swagger:
//! "repoGet", "repoEditPullRequest"; Gitea's own `routers/api/v1/api.go`).

use anyhow::{Result, bail};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::Pulls;
use crate::{
    access::{Examined, Fault, Wanted, refused},
    rest::Question,
};

/// A repository, as far as it tells.
#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    has_pull_requests: Option<bool>,
    #[serde(default)]
    permissions: Option<Permissions>,
    #[serde(default)]
    allow_merge_commits: Option<bool>,
    #[serde(default)]
    allow_squash_merge: Option<bool>,
    #[serde(default)]
    allow_rebase: Option<bool>,
}

#[derive(Deserialize)]
struct Permissions {
    push: bool,
}

impl Examined for Pulls {
    async fn faults(&self, wanted: &Wanted) -> Result<Vec<Fault>> {
        let repository = self.seen().await?;
        let mut found: Vec<_> = Fault::of_archived(repository.archived).into_iter().collect();
        found.extend(Fault::of_closed(repository.has_pull_requests, "pull requests"));
        if wanted.merges {
            let ways = [
                ("merge", repository.allow_merge_commits),
                ("squash", repository.allow_squash_merge),
                ("rebase", repository.allow_rebase),
            ];
            found.extend(Fault::of_method(self.how, &ways));
        }
        if repository.permissions.is_some_and(|may| !may.push) {
            let next =
                "make them a collaborator who may write, in the repository's settings, or add them to such a team";
            found.push(Fault::certain("whose token it is may read, and not push", next));
        }
        found.extend(self.of_scope().await?);
        Ok(found)
    }
}

impl Pulls {
    async fn seen(&self) -> Result<Repository> {
        let answer = self.rest.ask(Question::get(&format!("/repos/{}", self.repository))).await?;
        match answer.status {
            200 => self.rest.parse("repository", &answer.body),
            404 => bail!(
                "{} is not there, or may not be seen by who asks ({}); {}",
                self.repository,
                answer.said(),
                self.rest.hint()
            ),
            _ => bail!(self.rest.refused("reading the repository", &answer)),
        }
    }

    /// Whether the token's scope lets it write. Nothing tells that but to be refused, so what is asked for is a change of
    /// none to pull request 0, which no repository has: they are counted from 1.
    async fn of_scope(&self) -> Result<Option<Fault>> {
        let path = self.path("pulls/0");
        let asked = self.rest.ask(Question::send(Method::PATCH, &path, json!({}))).await;
        refused(asked, "make a token with the scope `write:repository`, in its user's settings, *Applications*")
    }
}
