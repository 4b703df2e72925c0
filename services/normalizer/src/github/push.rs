//! `push`: a branch has a new head.

use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;

use super::Repository;
use crate::{
    body,
    said::{Push, Said},
};

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "ref")]
    reference: String,
    before: CommitSha,
    after: CommitSha,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    forced: bool,
    repository: Repository,
    /// The new head; null when the branch is deleted.
    #[serde(default)]
    head_commit: Option<HeadCommit>,
}

#[derive(Debug, Default, Deserialize)]
struct HeadCommit {
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    username: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let push: Payload = body::parse(webhook, "push")?;
    let head = push.head_commit.unwrap_or_default();
    Ok(vec![Said::Push(Push {
        repository: vec![push.repository.full_name],
        reference: push.reference,
        before: Some(push.before),
        after: Some(push.after).filter(|_| !push.deleted),
        forced: push.forced,
        author: head.author.and_then(|author| author.name.or(author.username)),
        message: Some(head.message),
    })])
}
