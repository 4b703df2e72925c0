//! Bitbucket Cloud (support.atlassian.com, "Event payloads"): a push may change several branches and tags.

use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{PullRequest, Push, Said},
    shown,
};

/// Event keys after which there is something else to check, or nothing more.
const KEYS: &[&str] = &["created", "updated", "fulfilled", "rejected"];

#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Debug, Deserialize)]
struct PushPayload {
    push: Changes,
    repository: Repository,
    #[serde(default)]
    actor: Option<User>,
}

#[derive(Debug, Deserialize)]
struct Changes {
    #[serde(default, deserialize_with = "body::or_default")]
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    /// Null for what was created.
    #[serde(default)]
    old: Option<Reference>,
    /// Null for what was deleted.
    #[serde(default)]
    new: Option<Reference>,
    #[serde(default)]
    forced: bool,
}

#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Target,
}

#[derive(Debug, Deserialize)]
struct Target {
    hash: CommitSha,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    author: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(default)]
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PullRequestPayload {
    repository: Repository,
    pullrequest: Request,
}

#[derive(Debug, Deserialize)]
struct Request {
    id: u64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    author: Option<User>,
    source: End,
    destination: End,
}

#[derive(Debug, Deserialize)]
struct End {
    branch: Branch,
    /// Null when it is there no more.
    #[serde(default)]
    commit: Option<Commit>,
    /// Null when the fork it came from was deleted.
    #[serde(default)]
    repository: Option<Repository>,
}

#[derive(Debug, Deserialize)]
struct Branch {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Commit {
    /// Often cut to twelve digits.
    hash: String,
}

pub(super) fn push(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let PushPayload { push, repository, actor } = body::parse(webhook, "repo:push")?;
    let pusher = actor.and_then(|actor| actor.display_name);
    if push.changes.is_empty() {
        return Ok(Said::nothing("a push that changes nothing"));
    }
    let said = |change: Change| change.said(&repository.full_name, pusher.as_ref());
    Ok(push.changes.into_iter().map(said).collect())
}

impl Change {
    fn said(self, repository: &str, pusher: Option<&String>) -> Said {
        let Some(named) = self.new.as_ref().or(self.old.as_ref()) else {
            return Said::Nothing("a change that says neither old nor new".to_owned());
        };
        let folder = if named.kind == "branch" { "refs/heads" } else { "refs/tags" };
        let reference = format!("{folder}/{}", named.name);
        let before = self.old.map(|old| old.target.hash);
        let head = self.new.map(|new| new.target);
        let author = head.as_ref().and_then(|head| head.author.as_ref()?.user.as_ref()?.display_name.clone());
        Said::Push(Push {
            repository: vec![repository.to_owned()],
            reference,
            before,
            after: head.as_ref().map(|head| head.hash.clone()),
            forced: self.forced,
            author: author.or_else(|| pusher.cloned()),
            message: head.and_then(|head| head.message),
        })
    }
}

pub(super) fn pull_request(webhook: &WebhookReceived, key: &str) -> Result<Vec<Said>, Failure> {
    let PullRequestPayload { repository, pullrequest: request } = body::parse(webhook, key)?;
    let number = request.id;
    let action = key.trim_start_matches("pullrequest:");
    if !KEYS.contains(&action) {
        return Ok(Said::nothing(format!("pull request {number}: `{}` changes nothing to check", shown(action))));
    }
    let hash = request.source.commit.map(|commit| commit.hash).unwrap_or_default();
    let Ok(commit) = CommitSha::new(&hash) else {
        let why = format!("pull request {number}: its head is called `{}`, which is no whole commit id", shown(&hash));
        return Ok(Said::nothing(why));
    };
    let is_own = |from: &Repository| from.full_name.eq_ignore_ascii_case(&repository.full_name);
    Ok(vec![Said::PullRequest(PullRequest {
        number,
        action: action.to_owned(),
        branch: request.source.branch.name,
        base: request.destination.branch.name,
        commit,
        author: request.author.and_then(|author| author.display_name),
        title: request.title,
        from_fork: !request.source.repository.as_ref().is_some_and(is_own),
        merged: request.state.as_deref() == Some("MERGED"),
        repository: vec![repository.full_name],
    })])
}
