//! Azure DevOps service hooks: `git.push` and `git.pullrequest.*` (learn.microsoft.com, "Service hooks events").
//!
//! A repository is called `<project>/<repository>` in the config, or `<organization>/<project>/<repository>` where two
//! organizations have the same. Hooks must send all resource details: those called minimal name no refs.

use percent_encoding::percent_decode_str;
use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    body,
    said::{PullRequest, Push, Said},
    shown,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    event_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<T> {
    resource: T,
    #[serde(default)]
    resource_containers: Option<Containers>,
}

#[derive(Debug, Deserialize)]
struct Containers {
    #[serde(default)]
    account: Option<Container>,
    #[serde(default)]
    collection: Option<Container>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    base_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushResource {
    ref_updates: Vec<RefUpdate>,
    repository: Repository,
    #[serde(default)]
    pushed_by: Option<Identity>,
    #[serde(default, deserialize_with = "body::or_default")]
    commits: Vec<Commit>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefUpdate {
    name: String,
    old_object_id: CommitSha,
    new_object_id: CommitSha,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    project: Option<Project>,
    #[serde(default)]
    remote_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Project {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Commit {
    #[serde(rename = "commitId")]
    id: String,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    author: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestResource {
    pull_request_id: u64,
    repository: Repository,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    created_by: Option<Identity>,
    source_ref_name: String,
    target_ref_name: String,
    #[serde(default)]
    last_merge_source_commit: Option<MergeCommit>,
    /// Where it comes from, when that is a fork.
    #[serde(default)]
    fork_source: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergeCommit {
    commit_id: CommitSha,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Kind { event_type } = body::parse(webhook, "service hook")?;
    match event_type.as_str() {
        "git.push" => push(parse(webhook, &event_type)?, webhook),
        "git.pullrequest.created" | "git.pullrequest.updated" | "git.pullrequest.merged" => {
            pull_request(parse(webhook, &event_type)?, webhook, &event_type)
        }
        other => Ok(Said::nothing(format!("Azure DevOps' `{}` is of no use here", shown(other)))),
    }
}

fn parse<T: DeserializeOwned>(webhook: &WebhookReceived, event: &str) -> Result<Payload<T>, Failure> {
    body::parse(webhook, event)
}

fn push(payload: Payload<PushResource>, webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Payload { resource, resource_containers } = payload;
    let repository = resource.repository.names(resource_containers.as_ref(), webhook, "git.push")?;
    if resource.ref_updates.is_empty() {
        return Ok(Said::nothing("a push that changes nothing"));
    }
    let pusher = resource.pushed_by.and_then(|by| by.display_name);
    let said = |update: RefUpdate| {
        let head = resource.commits.iter().find(|commit| commit.id == update.new_object_id.as_str());
        let author = head.and_then(|head| head.author.as_ref()?.name.clone());
        Said::Push(Push {
            repository: repository.clone(),
            reference: update.name,
            before: Some(update.old_object_id),
            after: Some(update.new_object_id),
            // It does not say.
            forced: false,
            author: author.or_else(|| pusher.clone()),
            message: head.and_then(|head| head.comment.clone()),
        })
    };
    Ok(resource.ref_updates.into_iter().map(said).collect())
}

fn pull_request(
    payload: Payload<RequestResource>,
    webhook: &WebhookReceived,
    event: &str,
) -> Result<Vec<Said>, Failure> {
    let Payload { resource: request, resource_containers } = payload;
    let repository = request.repository.names(resource_containers.as_ref(), webhook, event)?;
    let number = request.pull_request_id;
    let Some(head) = request.last_merge_source_commit else {
        return Ok(Said::nothing(format!("pull request {number} names no commit")));
    };
    Ok(vec![Said::PullRequest(PullRequest {
        repository,
        number,
        action: event.trim_start_matches("git.pullrequest.").to_owned(),
        branch: request.source_ref_name,
        base: request.target_ref_name,
        commit: head.commit_id,
        author: request.created_by.and_then(|by| by.display_name),
        title: request.title,
        from_fork: request.fork_source.is_some(),
        // The event called `merged` tells of the attempt.
        merged: request.status.as_deref() == Some("completed"),
    })])
}

impl Repository {
    /// `<project>/<repository>`, and the same with its organization before it, if it is known.
    fn names(
        &self,
        containers: Option<&Containers>,
        webhook: &WebhookReceived,
        event: &str,
    ) -> Result<Vec<String>, Failure> {
        let by_url = self.remote_url.as_deref().and_then(parts);
        let project = self.project.as_ref().and_then(|project| project.name.clone());
        let Some((project, name)) = project.zip(self.name.clone()).or(by_url) else {
            let why = "at `resource.repository`: neither the names of project and repository, nor a `remoteUrl`";
            return Err(body::unreadable(webhook, event, why));
        };
        let short = format!("{project}/{name}");
        let base = containers.and_then(|c| c.account.as_ref().or(c.collection.as_ref())?.base_url.as_deref());
        let organization = base.or(self.remote_url.as_deref()).and_then(organization);
        let long = organization.map(|organization| format!("{organization}/{short}"));
        Ok([Some(short), long].into_iter().flatten().collect())
    }
}

/// Project and repository of `https://dev.azure.com/acme/Shop/_git/web`; a project's own repository goes by the
/// project's name, and its URL leaves the project out.
fn parts(url: &str) -> Option<(String, String)> {
    let url = url::Url::parse(url).ok()?;
    let segments: Vec<String> = url.path_segments()?.map(decoded).collect();
    let marker = segments.iter().position(|segment| segment == "_git")?;
    let name = segments.get(marker + 1).filter(|name| !name.is_empty())?;
    // Before the project stands the organization, or on hosts of its own nothing, or a collection.
    let of_host = usize::from(url.host_str() == Some("dev.azure.com"));
    let before = &segments[of_host.min(marker)..marker];
    let project = before.iter().rfind(|segment| !segment.eq_ignore_ascii_case("DefaultCollection"));
    Some((project.unwrap_or(name).clone(), name.clone()))
}

/// `acme` of `https://dev.azure.com/acme/…` and of `https://acme.visualstudio.com/…`.
fn organization(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    if host == "dev.azure.com" {
        return url.path_segments()?.next().filter(|name| !name.is_empty()).map(decoded);
    }
    host.strip_suffix(".visualstudio.com").map(ToOwned::to_owned)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
