//! `push`: a branch has a new head.

use proto::{Branch, Change, CommitSha, PushReceived, WebhookReceived};
use runtime::{Config, Failure, Outcomes};
use serde::Deserialize;

use super::{Repository, title};
use crate::{body, shown};

#[derive(Debug, Deserialize)]
struct Push {
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

pub(super) fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    let push: Push = body::parse(webhook, "push")?;
    let reference = shown(&push.reference);
    let Some(branch) = push.reference.strip_prefix("refs/heads/") else {
        return Ok(Outcomes::ignored(format!("`{reference}` is no branch")));
    };
    if push.deleted || push.after.is_zero() {
        return Ok(Outcomes::ignored(format!("`{reference}` was deleted")));
    }
    let branch = match Branch::new(branch) {
        Ok(branch) => branch,
        Err(error) => {
            let why = shown(&error.to_string());
            return Ok(Outcomes::ignored(format!("`{reference}` is no branch to build: {why}")));
        }
    };
    let apps = push.repository.apps(config);
    if apps.is_empty() {
        return Ok(push.repository.unknown());
    }
    let head = push.head_commit.unwrap_or_default();
    let author = head.author.and_then(|author| author.name.or(author.username)).and_then(|name| title(&name));
    let received = apps.into_iter().map(|(name, app)| PushReceived {
        change: Change {
            app: name.clone(),
            lane: app.lane(&branch),
            branch: branch.clone(),
            commit: push.after.clone(),
            author: author.clone(),
            title: title(&head.message),
        },
        before: Some(push.before.clone()).filter(|before| !before.is_zero()),
        forced: push.forced,
    });
    Ok(received.fold(Outcomes::none(), |outcomes, push| outcomes.and(branch.as_str(), push)))
}
