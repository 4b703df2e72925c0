//! `package`, and `registry_package` as GitHub Apps get it: an image came to GHCR.
//!
//! Traps: the URL may end in `:`; owners keep their capitals there, image names have none; `version` is a digest
//! and no tag; what a multi-platform image consists of is announced piece by piece, without a tag.

use proto::{Digest, ImageName, ImagePushed, WebhookReceived};
use runtime::{Config, Failure, Outcomes};
use serde::Deserialize;

use crate::{body, shown, subject};

#[derive(Debug, Deserialize)]
struct Payload {
    action: String,
    #[serde(alias = "registry_package")]
    package: Package,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    #[serde(default, rename = "package_type")]
    kind: Option<String>,
    #[serde(default)]
    owner: Option<Owner>,
    #[serde(default, rename = "package_version")]
    version: Option<Version>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    login: String,
}

#[derive(Debug, Default, Deserialize)]
struct Version {
    /// For images the digest.
    #[serde(default, rename = "version")]
    name: Option<String>,
    #[serde(default)]
    package_url: Option<String>,
    #[serde(default)]
    container_metadata: Option<Container>,
}

#[derive(Debug, Default, Deserialize)]
struct Container {
    #[serde(default)]
    tag: Option<Tag>,
    #[serde(default)]
    manifest: Option<Manifest>,
}

#[derive(Debug, Default, Deserialize)]
struct Tag {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    digest: Option<String>,
}

pub(super) fn read(config: &Config, webhook: &WebhookReceived, event: &str) -> Result<Outcomes, Failure> {
    let Payload { action, package } = body::parse(webhook, event)?;
    let name = shown(&package.name);
    if !["published", "updated"].contains(&action.as_str()) {
        return Ok(Outcomes::ignored(format!("package `{name}`: `{}` brings no image", shown(&action))));
    }
    let Some(version) = package.container() else {
        let kind = shown(package.kind.as_deref().unwrap_or("unknown"));
        return Ok(Outcomes::ignored(format!("package `{name}` is of type `{kind}`, and no image")));
    };
    let candidates = package.images(version);
    let found = candidates.iter().find_map(|image| Some((image, config.component_of(image)?)));
    let Some((image, (app, component))) = found else {
        let names: Vec<_> = candidates.iter().map(ImageName::as_str).collect();
        let names = if names.is_empty() { name } else { names.join("` or `") };
        return Ok(Outcomes::ignored(format!("no component has the image `{names}`; see `apps.<app>.components`")));
    };
    let Some((tag, digest)) = version.tag_and_digest() else {
        return Ok(Outcomes::ignored(format!("`{image}` was pushed without a tag")));
    };
    let pushed = ImagePushed { app: app.clone(), component: component.clone(), image: image.clone(), tag, digest };
    Ok(Outcomes::one(subject(&pushed), pushed))
}

impl Package {
    /// The version, if it is an image's.
    fn container(&self) -> Option<&Version> {
        let kind = self.kind.as_deref().unwrap_or_default();
        let version = self.version.as_ref()?;
        let named = kind.eq_ignore_ascii_case("container") || kind.eq_ignore_ascii_case("docker");
        (named || version.container_metadata.is_some()).then_some(version)
    }

    /// What the image may be called: as its URL says, or by owner and name.
    fn images(&self, version: &Version) -> Vec<ImageName> {
        let by_url = version.package_url.as_deref().map(|url| split_tag(url).0.to_owned());
        let by_name = self.owner.as_ref().map(|owner| format!("ghcr.io/{}/{}", owner.login, self.name));
        let mut images: Vec<_> = [by_url, by_name]
            .into_iter()
            .flatten()
            .filter_map(|name| ImageName::new(name.to_lowercase()).ok())
            .collect();
        images.dedup();
        images
    }
}

impl Version {
    /// Under which tag, and as what; `None` for a manifest without a tag.
    fn tag_and_digest(&self) -> Option<(Option<String>, Option<Digest>)> {
        let container = self.container_metadata.as_ref();
        let tag = container.and_then(|container| container.tag.as_ref());
        let from_url = || self.package_url.as_deref().map(|url| split_tag(url).1);
        let name = tag.and_then(|tag| tag.name.as_deref()).filter(|name| !name.is_empty()).or_else(from_url)?;
        let manifest = container.and_then(|container| container.manifest.as_ref()?.digest.as_deref());
        let said = [Some(name), tag.and_then(|tag| tag.digest.as_deref()), manifest, self.name.as_deref()];
        let digest = said.into_iter().flatten().find_map(|text| Digest::new(text).ok());
        let is_digest = name.starts_with("sha256:");
        (!name.is_empty()).then(|| ((!is_digest).then(|| name.to_owned()), digest))
    }
}

/// `ghcr.io/acme/web:main` to `ghcr.io/acme/web` and `main`; a colon before the last slash is a port's.
fn split_tag(url: &str) -> (&str, &str) {
    let url = url.split_once('@').map_or(url, |(name, _)| name);
    match url.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (url, ""),
    }
}
