//! Gitea and Forgejo: pushes and pull requests in GitHub's form, and packages in their own
//! (docs.gitea.com, "Webhooks"; forgejo.org, "Webhooks").

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body, github,
    said::{Image, Name, Said, host_of},
    shown,
};

/// Actions after which there is something else to check, or nothing more.
const ACTIONS: &[&str] = &["opened", "synchronized", "reopened", "closed"];

#[derive(Debug, Deserialize)]
struct Payload {
    action: String,
    package: Package,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    /// For images a tag, or a digest where it was pushed by digest alone.
    #[serde(default)]
    version: String,
    #[serde(rename = "type")]
    kind: String,
    owner: Owner,
    #[serde(default)]
    html_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    #[serde(alias = "username")]
    login: String,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    match body::header(webhook, "xgiteaevent")? {
        "push" => github::push::read(webhook),
        "pull_request" | "pull_request_sync" => github::pull_request::read(webhook, ACTIONS),
        "package" => package(webhook),
        other => Ok(Said::nothing(format!("Gitea's `{}` is of no use here", shown(other)))),
    }
}

fn package(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Payload { action, package } = body::parse(webhook, "package")?;
    let name = shown(&package.name);
    if action != "created" {
        return Ok(Said::nothing(format!("package `{name}`: `{}` brings no image", shown(&action))));
    }
    if package.kind != "container" {
        return Ok(Said::nothing(format!("package `{name}` is of type `{}`, and no image", shown(&package.kind))));
    }
    let host = package.html_url.as_deref().and_then(host_of);
    let path = format!("{}/{}", package.owner.login, package.name);
    Ok(vec![Said::Image(Image { names: vec![Name { host, path }], tag: Some(package.version), digest: None })])
}
