//! `pull_request`: one was opened, changed or closed.

use proto::{Branch, Change, CommitSha, Lane, PullRequestReceived, WebhookReceived};
use runtime::{Config, Failure, Outcomes};
use serde::Deserialize;

use super::{Repository, title};
use crate::{body, shown};

/// Actions after which there is something else to check, or nothing more.
const ACTIONS: &[&str] = &["opened", "synchronize", "reopened", "ready_for_review", "closed"];

#[derive(Debug, Deserialize)]
struct Payload {
    action: String,
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
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

pub(super) fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    let Payload { action, pull_request, repository } = body::parse(webhook, "pull_request")?;
    let number = pull_request.number;
    if !ACTIONS.contains(&action.as_str()) {
        return Ok(Outcomes::ignored(format!("pull request {number}: `{}` changes nothing to check", shown(&action))));
    }
    let (head, base) = (&pull_request.head, &pull_request.base);
    let (branch, base) = match (Branch::new(&head.reference), Branch::new(&base.reference)) {
        (Ok(branch), Ok(base)) => (branch, base),
        (Err(error), _) | (_, Err(error)) => {
            return Ok(Outcomes::ignored(format!("pull request {number}: {}", shown(&error.to_string()))));
        }
    };
    let apps = repository.apps(config);
    if apps.is_empty() {
        return Ok(repository.unknown());
    }
    let is_own = |from: &Repository| from.full_name.eq_ignore_ascii_case(&repository.full_name);
    let received = apps.into_iter().map(|(app, _)| PullRequestReceived {
        change: Change {
            app: app.clone(),
            branch: branch.clone(),
            commit: head.sha.clone(),
            // Whatever its branch is called: a fork may call one `main`.
            lane: Lane::Check,
            author: pull_request.user.as_ref().map(|user| user.login.clone()),
            title: title(&pull_request.title),
        },
        number,
        action: action.clone(),
        base: base.clone(),
        from_fork: !head.repo.as_ref().is_some_and(is_own),
        merged: pull_request.merged.unwrap_or_default(),
    });
    let subject = format!("{number}@{}", head.sha);
    Ok(received.fold(Outcomes::none(), |outcomes, request| outcomes.and(subject.as_str(), request)))
}
