//! Docker Hub (docs.docker.com, "Webhooks"): a repository and a tag, no digest, and no signature.
//!
//! Its `callback_url` is never called: whoever can send us a webhook would have us call what they like.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said},
};

#[derive(Debug, Deserialize)]
struct Payload {
    push_data: PushData,
    repository: Repository,
}

#[derive(Debug, Deserialize)]
struct PushData {
    #[serde(default)]
    tag: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    repo_name: String,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Payload { push_data, repository } = body::parse(webhook, "push")?;
    let names = vec![Name::at("docker.io", repository.repo_name)];
    Ok(vec![Said::Image(Image { names, tag: push_data.tag, digest: None })])
}
