//! GitHub: `push`, `pull_request`, `package` and `registry_package` (docs.github.com, "Webhook events and payloads").
//!
//! Gitea and Forgejo write pushes and pull requests in the same form, and share what reads it.

mod package;
pub(crate) mod pull_request;
pub(crate) mod push;

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{body, said::Said, shown};

/// Actions after which there is something else to check, or nothing more.
const ACTIONS: &[&str] = &["opened", "synchronize", "reopened", "ready_for_review", "closed"];

/// The repository an event is about.
#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    match body::header(webhook, "xgithubevent")? {
        "push" => push::read(webhook),
        "pull_request" => pull_request::read(webhook, ACTIONS),
        event @ ("package" | "registry_package") => package::read(webhook, event),
        other => Ok(Said::nothing(format!("GitHub's `{}` is of no use here", shown(other)))),
    }
}
