//! Bitbucket Server and Data Center (confluence.atlassian.com, "Event payload"): repositories are called
//! `<project key>/<slug>`.

use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{PullRequest, Push, Said},
    shown,
};

/// Event keys after which there is something else to check, or nothing more.
const KEYS: &[&str] = &["opened", "from_ref_updated", "reopened", "merged", "declined"];

#[derive(Debug, Deserialize)]
struct Repository {
    slug: String,
    project: Project,
}

#[derive(Debug, Deserialize)]
struct Project {
    key: String,
}

#[derive(Debug, Deserialize)]
struct PushPayload {
    repository: Repository,
    #[serde(default)]
    actor: Option<User>,
    #[serde(default, deserialize_with = "body::or_default")]
    changes: Vec<Change>,
    /// The new head, in newer versions.
    #[serde(default, rename = "toCommit")]
    to_commit: Option<Commit>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default, rename = "displayName")]
    display_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(rename = "ref")]
    reference: Reference,
    from_hash: CommitSha,
    to_hash: CommitSha,
    /// `ADD`, `UPDATE` or `DELETE`.
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Commit {
    id: CommitSha,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequestPayload {
    pull_request: Request,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    id: u64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    author: Option<Participant>,
    from_ref: End,
    to_ref: End,
}

#[derive(Debug, Deserialize)]
struct Participant {
    #[serde(default)]
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct End {
    id: String,
    latest_commit: CommitSha,
    repository: Repository,
}

impl Repository {
    fn name(&self) -> String {
        format!("{}/{}", self.project.key, self.slug)
    }
}

pub(super) fn push(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let payload: PushPayload = body::parse(webhook, "repo:refs_changed")?;
    if payload.changes.is_empty() {
        return Ok(Said::nothing("a push that changes nothing"));
    }
    let head = payload.to_commit.as_ref();
    let author = payload.actor.and_then(|actor| actor.display_name);
    let said = |change: Change| {
        Said::Push(Push {
            repository: vec![payload.repository.name()],
            reference: change.reference.id,
            before: Some(change.from_hash),
            message: head.filter(|head| head.id == change.to_hash).and_then(|head| head.message.clone()),
            after: Some(change.to_hash).filter(|_| change.kind != "DELETE"),
            // It does not say.
            forced: false,
            author: author.clone(),
        })
    };
    Ok(payload.changes.into_iter().map(said).collect())
}

pub(super) fn pull_request(webhook: &WebhookReceived, key: &str) -> Result<Vec<Said>, Failure> {
    let PullRequestPayload { pull_request: request } = body::parse(webhook, key)?;
    let number = request.id;
    let action = key.trim_start_matches("pr:");
    if !KEYS.contains(&action) {
        return Ok(Said::nothing(format!("pull request {number}: `{}` changes nothing to check", shown(action))));
    }
    let (from, to) = (request.from_ref.repository.name(), request.to_ref.repository.name());
    Ok(vec![Said::PullRequest(PullRequest {
        number,
        action: action.to_owned(),
        branch: request.from_ref.id,
        base: request.to_ref.id,
        commit: request.from_ref.latest_commit,
        author: request.author.and_then(|author| author.user?.display_name),
        title: request.title,
        from_fork: !from.eq_ignore_ascii_case(&to),
        merged: action == "merged",
        repository: vec![to],
    })])
}
