//! Quay (docs.quay.io, "Repository notifications"): every tag of a push, no digest, and no signature.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said},
};

#[derive(Debug, Deserialize)]
struct Payload {
    docker_url: String,
    /// What tells a push from the other notifications.
    #[serde(default)]
    updated_tags: Option<Vec<String>>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Payload { docker_url, updated_tags } = body::parse(webhook, "notification")?;
    let Some(tags) = updated_tags.filter(|tags| !tags.is_empty()) else {
        return Ok(Said::nothing("a notification without `updated_tags`, and so no push of a tag"));
    };
    let image = |tag| Said::Image(Image { names: vec![Name::whole(&docker_url)], tag: Some(tag), digest: None });
    Ok(tags.into_iter().map(image).collect())
}
