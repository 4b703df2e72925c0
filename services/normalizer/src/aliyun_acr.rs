//! Alibaba Cloud Container Registry (alibabacloud.com, "Manage webhooks"): no signature, and no host.

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
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    repo_full_name: String,
    /// `cn-hangzhou`; with it goes the public name of a registry that is not of the Enterprise edition.
    #[serde(default)]
    region: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Payload { push_data, repository } = body::parse(webhook, "push")?;
    let host = repository.region.filter(|r| !r.is_empty()).map(|region| format!("registry.{region}.aliyuncs.com"));
    let names = vec![Name { host, path: repository.repo_full_name }];
    Ok(vec![Said::Image(Image { names, tag: push_data.tag, digest: push_data.digest })])
}
