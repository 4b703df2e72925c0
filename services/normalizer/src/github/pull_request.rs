//! `pull_request`: one was opened, changed or closed.

use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;

use super::Repository;
use crate::{
    body,
    said::{PullRequest, Said},
    shown,
};

#[derive(Debug, Deserialize)]
struct Payload {
    action: String,
    pull_request: Request,
    repository: Repository,
}

#[derive(Debug, Deserialize)]
struct Request {
    number: u64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    user: Option<User>,
    head: Head,
    base: Base,
    /// Null or absent while it is open.
    #[serde(default)]
    merged: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
}

#[derive(Debug, Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    reference: String,
    sha: CommitSha,
    /// Null when the fork it came from was deleted.
    #[serde(default)]
    repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    reference: String,
}

pub(crate) fn read(webhook: &WebhookReceived, actions: &[&str]) -> Result<Vec<Said>, Failure> {
    let Payload { action, pull_request: request, repository } = body::parse(webhook, "pull_request")?;
    let number = request.number;
    if !actions.contains(&action.as_str()) {
        return Ok(Said::nothing(format!("pull request {number}: `{}` changes nothing to check", shown(&action))));
    }
    let is_own = |from: &Repository| from.full_name.eq_ignore_ascii_case(&repository.full_name);
    Ok(vec![Said::PullRequest(PullRequest {
        number,
        action,
        from_fork: !request.head.repo.as_ref().is_some_and(is_own),
        branch: request.head.reference,
        base: request.base.reference,
        commit: request.head.sha,
        author: request.user.map(|user| user.login),
        title: Some(request.title),
        merged: request.merged.unwrap_or_default(),
        repository: vec![repository.full_name],
    })])
}
