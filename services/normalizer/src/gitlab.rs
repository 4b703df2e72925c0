//! GitLab: pushes and merge requests, of projects, groups and whole instances ("system hooks")
//! (docs.gitlab.com, "Webhook events" and "System hooks").
//!
//! Its registry sends what CNCF Distribution sends: that is a source of kind `distribution`.

use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{PullRequest, Push, Said},
    shown,
};

/// Actions after which there is something else to check, or nothing more. `update` counts where it brings commits.
const ACTIONS: &[&str] = &["open", "reopen", "update", "close", "merge"];

/// What tells the events apart; system hooks say some of them by `event_name` alone.
#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(default)]
    object_kind: Option<String>,
    #[serde(default)]
    event_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PushPayload {
    #[serde(rename = "ref")]
    reference: String,
    before: CommitSha,
    after: CommitSha,
    project: Project,
    #[serde(default)]
    user_name: Option<String>,
    #[serde(default, deserialize_with = "body::or_default")]
    commits: Vec<Commit>,
}

#[derive(Debug, Deserialize)]
struct Project {
    path_with_namespace: String,
}

#[derive(Debug, Deserialize)]
struct Commit {
    id: CommitSha,
    #[serde(default, deserialize_with = "body::or_default")]
    message: String,
    #[serde(default)]
    author: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct MergePayload {
    project: Project,
    #[serde(default)]
    user: Option<User>,
    object_attributes: Merge,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    username: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Merge {
    iid: u64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    state: Option<String>,
    /// The old head, where an update brings commits.
    #[serde(default)]
    oldrev: Option<String>,
    source_branch: String,
    target_branch: String,
    /// Null when the fork it came from was deleted.
    #[serde(default)]
    source_project_id: Option<u64>,
    target_project_id: u64,
    #[serde(default)]
    last_commit: Option<Commit>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Kind { object_kind, event_name } = body::parse(webhook, "webhook")?;
    match object_kind.or(event_name).as_deref() {
        Some("push") => Ok(vec![push(body::parse(webhook, "push")?)]),
        Some("merge_request") => Ok(vec![merge_request(body::parse(webhook, "merge_request")?)]),
        Some("tag_push") => Ok(Said::nothing("a tag was pushed, and no branch")),
        Some(other) => Ok(Said::nothing(format!("GitLab's `{}` is of no use here", shown(other)))),
        None => Err(body::unreadable(webhook, "webhook", "at `object_kind`: nothing says what kind of event it is")),
    }
}

fn push(push: PushPayload) -> Said {
    // At most twenty are listed, the newest last; none when a branch begins at a commit that was there.
    let head = push.commits.into_iter().find(|commit| commit.id == push.after);
    let (message, author) = head.map(|head| (head.message, head.author)).unzip();
    Said::Push(Push {
        repository: vec![push.project.path_with_namespace],
        reference: push.reference,
        before: Some(push.before),
        after: Some(push.after),
        // It does not say.
        forced: false,
        author: author.flatten().and_then(|author| author.name).or(push.user_name),
        message,
    })
}

fn merge_request(payload: MergePayload) -> Said {
    let merge = payload.object_attributes;
    let number = merge.iid;
    let action = merge.action.unwrap_or_default();
    if !ACTIONS.contains(&action.as_str()) || (action == "update" && merge.oldrev.is_none()) {
        return Said::Nothing(format!("merge request {number}: `{}` changes nothing to check", shown(&action)));
    }
    let Some(head) = merge.last_commit else {
        return Said::Nothing(format!("merge request {number} has no commit"));
    };
    Said::PullRequest(PullRequest {
        repository: vec![payload.project.path_with_namespace],
        number,
        merged: action == "merge" || merge.state.as_deref() == Some("merged"),
        action,
        branch: merge.source_branch,
        base: merge.target_branch,
        commit: head.id,
        author: payload.user.and_then(|user| user.username),
        title: merge.title,
        from_fork: merge.source_project_id != Some(merge.target_project_id),
    })
}
