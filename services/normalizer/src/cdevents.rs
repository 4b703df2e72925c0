//! `CDEvents` (cdevents.dev, specification 0.4): `artifact.published` and `change.merged`, in any version.
//!
//! Artifacts are named by package URLs (purl), of the types `oci` and `docker`. A merged change names its repository
//! and nothing of Git, so its sender must add `branch` and `commit` (and may add `before`) to `customData`.

use proto::{CommitSha, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    body,
    purl::Purl,
    said::{Push, Said},
    shown,
};

const PUBLISHED: &str = "dev.cdevents.artifact.published.";
const MERGED: &str = "dev.cdevents.change.merged.";

#[derive(Debug, Deserialize)]
struct Published {
    subject: Artifact,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merged {
    subject: Change,
    #[serde(default)]
    custom_data: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(default)]
    content: Content,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    repository: Option<Repository>,
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Custom {
    branch: String,
    commit: CommitSha,
    #[serde(default)]
    before: Option<CommitSha>,
}

/// Whether a type is one of theirs.
pub(crate) fn is_one(kind: &str) -> bool {
    kind.starts_with("dev.cdevents.")
}

pub(crate) fn read(webhook: &WebhookReceived, kind: &str, data: Value) -> Result<Said, Failure> {
    if kind.starts_with(PUBLISHED) {
        let Published { subject } = body::parse_value(webhook, kind, "data", data)?;
        return Ok(match Purl::parse(&subject.id).and_then(Purl::into_image) {
            Some(image) => Said::Image(image),
            None => Said::Nothing(format!("`{}` is no image's package URL", shown(&subject.id))),
        });
    }
    if kind.starts_with(MERGED) {
        return merged(webhook, kind, body::parse_value(webhook, kind, "data", data)?);
    }
    Ok(Said::Nothing(format!("`{}` is of no use here", shown(kind))))
}

fn merged(webhook: &WebhookReceived, kind: &str, event: Merged) -> Result<Said, Failure> {
    let Content { repository, description } = event.subject.content;
    let Some(repository) = repository else {
        return Ok(Said::Nothing("a merged change that names no repository".to_owned()));
    };
    let has = |key| event.custom_data.as_ref().and_then(|data| data.get(key)).is_some();
    if !has("branch") || !has("commit") {
        let why = "a merged change that does not say what was merged where; have its sender add `branch` and `commit` \
                   to `customData`";
        return Ok(Said::Nothing(why.to_owned()));
    }
    let custom = event.custom_data.unwrap_or_default();
    let Custom { branch, commit, before } = body::parse_value(webhook, kind, "data.customData", custom)?;
    Ok(Said::Push(Push {
        repository: vec![repository.id],
        reference: reference(&branch),
        before,
        after: Some(commit),
        message: description,
        ..Push::default()
    }))
}

/// A branch with or without what Git puts before it.
pub(crate) fn reference(branch: &str) -> String {
    if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") }
}
