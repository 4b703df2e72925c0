//! Bitbucket: Cloud, and Server or Data Center, which share a name and little else; their event keys tell them apart.

mod cloud;
mod server;

use proto::WebhookReceived;
use runtime::Failure;

use crate::{body, said::Said, shown};

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    match body::header(webhook, "xeventkey")? {
        "repo:push" => cloud::push(webhook),
        "repo:refs_changed" => server::push(webhook),
        key if key.starts_with("pullrequest:") => cloud::pull_request(webhook, key),
        key if key.starts_with("pr:") => server::pull_request(webhook, key),
        other => Ok(Said::nothing(format!("Bitbucket's `{}` is of no use here", shown(other)))),
    }
}
