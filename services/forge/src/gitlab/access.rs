//! What GitLab tells of who may do what in a project (docs.gitlab.com: "Projects API", "Branches API", "Members API",
//! "Personal access tokens API").

use anyhow::{Result, bail};
use serde::{Deserialize, de::DeserializeOwned};

use super::MergeRequests;
use crate::{
    access::{Examined, Fault, Wanted},
    rest::Question,
};

/// Roles by their number: who may push to branches that are not protected, and who merges into those that are.
const DEVELOPER: u32 = 30;
const MAINTAINER: u32 = 40;

/// A project, as far as it tells.
#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    merge_requests_enabled: Option<bool>,
    /// `never`, `always`, or one that each merge may say.
    #[serde(default)]
    squash_option: Option<String>,
    #[serde(default)]
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    #[serde(default)]
    project_access: Option<Access>,
    #[serde(default)]
    group_access: Option<Access>,
}

#[derive(Deserialize)]
struct Access {
    access_level: u32,
}

#[derive(Deserialize)]
struct User {
    id: u64,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    protected: bool,
    #[serde(default)]
    developers_can_merge: bool,
}

#[derive(Deserialize)]
struct Token {
    scopes: Vec<String>,
}

impl Examined for MergeRequests {
    async fn faults(&self, wanted: &Wanted) -> Result<Vec<Fault>> {
        let project = self.seen().await?;
        let mut found: Vec<_> = Fault::of_archived(project.archived).into_iter().collect();
        found.extend(Fault::of_closed(project.merge_requests_enabled, "merge requests"));
        if wanted.merges && self.squash {
            let may = project.squash_option.as_deref().map(|option| option != "never");
            found.extend(Fault::of_method("squash", &[("squash", may), ("merge", Some(true))]));
        }
        let level = self.level(&project).await?;
        found.extend(of_level(level));
        if wanted.merges && level >= DEVELOPER {
            found.extend(self.of_branch(&wanted.into, level).await?);
        }
        found.extend(self.of_scopes().await?);
        Ok(found)
    }
}

impl MergeRequests {
    async fn seen(&self) -> Result<Project> {
        let answer = self.rest.ask(Question::get(&format!("/projects/{}", self.project))).await?;
        match answer.status {
            200 => self.rest.parse("project", &answer.body),
            404 => bail!(
                "the project is not there, or may not be seen by who asks ({}); {}",
                answer.said(),
                self.rest.hint()
            ),
            _ => bail!(self.rest.refused("reading the project", &answer)),
        }
    }

    /// The highest role that whose token it is has there; 0 for none. What groups that were invited bring, the project
    /// itself does not tell.
    async fn level(&self, project: &Project) -> Result<u32> {
        let told = project.permissions.iter().flat_map(|may| [&may.project_access, &may.group_access]).flatten();
        if let Some(level) = told.map(|access| access.access_level).max() {
            return Ok(level);
        }
        let Some(User { id }) = self.there("user", "/user").await? else { return Ok(0) };
        let member: Option<Access> = self.there("member", &self.path(&format!("members/all/{id}"))).await?;
        Ok(member.map_or(0, |member| member.access_level))
    }

    /// Whether who has this role may merge into the branch. That single users may, it does not tell.
    async fn of_branch(&self, branch: &str, level: u32) -> Result<Option<Fault>> {
        let name: String = url::form_urlencoded::byte_serialize(branch.as_bytes()).collect();
        let path = self.path(&format!("repository/branches/{name}"));
        let Some(Branch { protected, developers_can_merge }) = self.there("branch", &path).await? else {
            return Ok(None);
        };
        let may = !protected || developers_can_merge || level >= MAINTAINER;
        Ok((!may).then(|| {
            Fault::likely(
                format!("Developers may not merge into `{branch}`, and the token is a Developer's"),
                "let them merge in the project, *Settings > Repository > Protected branches*; or give the token's user the \
                 role Maintainer; or leave merging to people, `merge: by_hand`",
            )
        }))
    }

    /// Whether the token may use the API for writing. A GitLab before 15.5 does not tell.
    async fn of_scopes(&self) -> Result<Option<Fault>> {
        let token: Option<Token> = self.there("token", "/personal_access_tokens/self").await?;
        let lacking = token.filter(|token| !token.scopes.iter().any(|scope| scope == "api"));
        Ok(lacking.map(|token| {
            Fault::certain(
                format!("the token lacks the scope `api`; of scopes it has `{}`", token.scopes.join("`, `")),
                format!("make one with `api`; {}", self.rest.hint()),
            )
        }))
    }

    /// What is at this path; `None` where it is not, or may not be seen.
    async fn there<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<Option<T>> {
        let answer = self.rest.ask(Question::get(path).answered_by(&[401, 403])).await?;
        match answer.status {
            200 => self.rest.parse(what, &answer.body).map(Some),
            _ => Ok(None),
        }
    }
}

/// That who has this role may not push.
fn of_level(level: u32) -> Option<Fault> {
    let role = match level {
        DEVELOPER.. => return None,
        20..DEVELOPER => "Reporter",
        10..20 => "Guest",
        _ => "none",
    };
    let next = "give them the role Developer in the project, *Manage > Members*; or use a project access token with it";
    Some(Fault::certain(format!("whose token it is may not push: of roles there they have {role}"), next))
}
