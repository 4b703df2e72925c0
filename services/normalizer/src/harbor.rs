//! Harbor (goharbor.io, "Configure Webhook Notifications"): its own format, with the type's name of before 2.0 too, or
//! `CloudEvents`; several resources a body. A push by digest has the digest for its tag.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body, cloudevents,
    said::{Image, Name, Said},
    shown,
};

/// What a push is called: now, before 2.0, and in `CloudEvents`.
const PUSHES: &[&str] = &["PUSH_ARTIFACT", "pushImage", "harbor.artifact.pushed"];

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    event_data: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Push {
    #[serde(default, deserialize_with = "body::or_default")]
    resources: Vec<Resource>,
    repository: Repository,
}

#[derive(Debug, Deserialize)]
struct Resource {
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    /// `harbor.example.com/acme/web:main`; the host is the instance's own name.
    #[serde(default, rename = "resource_url")]
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    repo_full_name: String,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    if cloudevents::is_one(webhook) {
        let mut said = Vec::new();
        for event in cloudevents::events(webhook)? {
            let data = event.json(webhook)?;
            said.extend(notification(webhook, &event.kind, "data", data)?);
        }
        return Ok(said);
    }
    let Payload { kind, event_data } = body::parse(webhook, "notification")?;
    notification(webhook, &kind, "event_data", event_data)
}

fn notification(
    webhook: &WebhookReceived,
    kind: &str,
    place: &str,
    data: serde_json::Value,
) -> Result<Vec<Said>, Failure> {
    if !PUSHES.contains(&kind) {
        return Ok(Said::nothing(format!("Harbor's `{}` brings no image", shown(kind))));
    }
    let Push { resources, repository } = body::parse_value(webhook, kind, place, data)?;
    if resources.is_empty() {
        return Ok(Said::nothing("a push of nothing: `resources` is empty"));
    }
    let image = |resource: Resource| {
        let host = resource.url.as_deref().and_then(|url| Name::whole(url).host);
        let name = Name { host, path: repository.repo_full_name.clone() };
        Said::Image(Image { names: vec![name], tag: resource.tag, digest: resource.digest })
    };
    Ok(resources.into_iter().map(image).collect())
}
