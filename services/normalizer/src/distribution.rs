//! CNCF Distribution and what speaks like it (distribution.github.io, "Notifications"): many events a body.
//!
//! A registry tells of every blob, pull and mount as well; one body may hold thousands. GitLab's registry speaks so too.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said, host_of},
    shown,
};

/// What an image or an index of images is, by media type (OCI image specification 1.1, Docker image manifest 2).
pub(crate) const IMAGES: &[&str] = &[
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    events: Option<Vec<Notification>>,
}

#[derive(Debug, Deserialize)]
struct Notification {
    action: String,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    request: Option<Request>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    repository: Option<String>,
    url: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    host: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let envelope: Envelope = body::parse(webhook, "notification")?;
    let events = envelope.events.unwrap_or_default();
    if events.is_empty() {
        return Ok(Said::nothing("a notification without events"));
    }
    Ok(events.into_iter().map(Notification::said).collect())
}

impl Notification {
    fn said(self) -> Said {
        let target = &self.target;
        if self.action != "push" {
            return Said::Nothing(format!("`{}` brings no image", shown(&self.action)));
        }
        match target.media_type.as_deref() {
            Some(media_type) if IMAGES.contains(&media_type) => {}
            // Who says no type, and a tag, speaks of an image: nothing else has tags.
            None if target.tag.as_ref().is_some_and(|tag| !tag.is_empty()) => {}
            other => {
                let what = shown(other.unwrap_or("no media type"));
                return Said::Nothing(format!("a push of `{what}`, which is no image"));
            }
        }
        let Some(path) = target.repository.clone() else {
            return Said::Nothing("a push that names no repository".to_owned());
        };
        let names = vec![Name { host: self.host(), path }];
        Said::Image(Image { names, tag: self.target.tag, digest: self.target.digest })
    }

    /// The registry as its client called it; else as its own URL says.
    fn host(&self) -> Option<String> {
        let asked = self.request.as_ref().and_then(|request| request.host.clone()).filter(|host| !host.is_empty());
        asked.or_else(|| host_of(self.target.url.as_deref()?))
    }
}
