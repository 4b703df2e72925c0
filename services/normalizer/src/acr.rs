//! Azure Container Registry (learn.microsoft.com, "Container Registry webhook schema reference").

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    distribution::IMAGES,
    said::{Image, Name, Said},
    shown,
};

#[derive(Debug, Deserialize)]
struct Payload {
    action: String,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    request: Option<Request>,
}

#[derive(Debug, Deserialize)]
struct Target {
    repository: String,
    /// Empty or absent for a push by digest.
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default, rename = "mediaType")]
    media_type: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Request {
    #[serde(default)]
    host: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Payload { action, target, request } = body::parse(webhook, "notification")?;
    match action.as_str() {
        "push" => {}
        "ping" => return Ok(Said::nothing("a ping: the webhook is set up rightly, and authentic")),
        other => return Ok(Said::nothing(format!("`{}` brings no image", shown(other)))),
    }
    let Some(target) = target else {
        return Err(body::unreadable(webhook, &action, "at `target`: nothing says what was pushed"));
    };
    if let Some(media_type) = target.media_type.as_deref().filter(|media_type| !IMAGES.contains(media_type)) {
        return Ok(Said::nothing(format!("a push of `{}`, which is no image", shown(media_type))));
    }
    let name = Name { host: request.and_then(|request| request.host), path: target.repository };
    Ok(vec![Said::Image(Image { names: vec![name], tag: target.tag, digest: target.digest })])
}
