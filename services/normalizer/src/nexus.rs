//! Sonatype Nexus Repository (help.sonatype.com, "Repository Webhooks"): components and assets of the format `docker`.
//!
//! Bodies name no host and no port, so `sources.<source>.registry` must; nor a digest, so the registry is asked. Where
//! images are pulled by a path that begins with the repository's name, that name is tried as well.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said},
    shown,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    action: String,
    repository_name: String,
    #[serde(default)]
    component: Option<Component>,
    #[serde(default)]
    asset: Option<Asset>,
}

#[derive(Debug, Deserialize)]
struct Component {
    format: String,
    name: String,
    #[serde(default)]
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Asset {
    format: String,
    /// The path of the request: `v2/acme/web/manifests/main`.
    name: String,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let payload: Payload = body::parse(webhook, "repository event")?;
    if !["CREATED", "UPDATED"].contains(&payload.action.as_str()) {
        return Ok(Said::nothing(format!("`{}` brings no image", shown(&payload.action))));
    }
    let (format, path, tag) = match (payload.component, &payload.asset) {
        (Some(component), _) => (component.format, component.name, component.version),
        (None, Some(asset)) => match asset.manifest() {
            Some((path, tag)) => (asset.format.clone(), path.to_owned(), Some(tag.to_owned())),
            None => return Ok(Said::nothing("an asset that is no manifest of an image")),
        },
        (None, None) => return Ok(Said::nothing("neither a component nor an asset")),
    };
    if format != "docker" {
        return Ok(Said::nothing(format!("a component of the format `{}`, and no image", shown(&format))));
    }
    let longer = format!("{}/{path}", payload.repository_name);
    let names = [path, longer].map(|path| Name { host: None, path }).into();
    Ok(vec![Said::Image(Image { names, tag, digest: None })])
}

impl Asset {
    fn manifest(&self) -> Option<(&str, &str)> {
        let (path, reference) = self.name.rsplit_once("/manifests/")?;
        Some((path.trim_start_matches('/').strip_prefix("v2/")?, reference))
    }
}
