//! `JFrog` Artifactory, the domain `docker` (jfrog.com, "Event types: docker").
//!
//! Images are pulled by a host of the repository's own, or by a path that begins with the repository's key: both are
//! tried. Where neither is so, or a virtual repository is pulled from, `sources.<source>.registry` says the host.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said, host_of},
    shown,
};

#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(default, deserialize_with = "body::or_default")]
    domain: String,
    #[serde(default, deserialize_with = "body::or_default")]
    event_type: String,
}

#[derive(Debug, Deserialize)]
struct Payload {
    data: Data,
    #[serde(default)]
    jpd_origin: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Data {
    repo_key: String,
    image_name: String,
    #[serde(default)]
    tag: Option<String>,
    /// Of the manifest, and so the image's digest, without `sha256:`.
    #[serde(default)]
    sha256: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Kind { domain, event_type } = body::parse(webhook, "event")?;
    if domain != "docker" || !["pushed", "promoted"].contains(&event_type.as_str()) {
        let event = shown(&format!("{domain}/{event_type}"));
        return Ok(Said::nothing(format!("Artifactory's `{event}` brings no image")));
    }
    let Payload { data, jpd_origin } = body::parse(webhook, &event_type)?;
    // What a multi-platform image consists of is kept under a tag made of its digest.
    let tag = data.tag.filter(|tag| !tag.starts_with("sha256__"));
    let digest = data.sha256.map(|hex| format!("sha256:{hex}"));
    let origin = jpd_origin.as_deref().and_then(host_of);
    let own = origin.as_ref().map(|host| format!("{}.{host}", data.repo_key));
    let by_path = Name { host: origin, path: format!("{}/{}", data.repo_key, data.image_name) };
    let by_host = Name { host: own, path: data.image_name };
    Ok(vec![Said::Image(Image { names: vec![by_path, by_host], tag, digest })])
}
