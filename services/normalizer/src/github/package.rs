//! `package`, and `registry_package` as GitHub Apps get it: an image came to GHCR.
//!
//! Traps: the URL may end in `:`; owners keep their capitals there, image names have none; `version` is a digest
//! and no tag; what a multi-platform image consists of is announced piece by piece, without a tag.

use proto::{Digest, WebhookReceived};
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said, split_tag},
    shown,
};

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

pub(super) fn read(webhook: &WebhookReceived, event: &str) -> Result<Vec<Said>, Failure> {
    let Payload { action, package } = body::parse(webhook, event)?;
    let name = shown(&package.name);
    if !["published", "updated"].contains(&action.as_str()) {
        return Ok(Said::nothing(format!("package `{name}`: `{}` brings no image", shown(&action))));
    }
    let Some(version) = package.container() else {
        let kind = shown(package.kind.as_deref().unwrap_or("unknown"));
        return Ok(Said::nothing(format!("package `{name}` is of type `{kind}`, and no image")));
    };
    let Some((tag, digest)) = version.tag_and_digest() else {
        return Ok(Said::nothing(format!("the package `{name}` was pushed without a tag")));
    };
    Ok(vec![Said::Image(Image { names: package.names(version), tag: Some(tag), digest })])
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
    fn names(&self, version: &Version) -> Vec<Name> {
        let url = version.package_url.as_deref().filter(|url| !url.is_empty());
        let by_url = url.map(|url| Name::whole(split_tag(url).0));
        let by_owner = self.owner.as_ref().map(|owner| Name::at("ghcr.io", format!("{}/{}", owner.login, self.name)));
        by_url.into_iter().chain(by_owner).collect()
    }
}

impl Version {
    /// Under which tag, and as what; `None` for a manifest without a tag.
    fn tag_and_digest(&self) -> Option<(String, Option<String>)> {
        let container = self.container_metadata.as_ref();
        let tag = container.and_then(|container| container.tag.as_ref());
        let from_url = || self.package_url.as_deref().map(|url| split_tag(url).1);
        let name = tag.and_then(|tag| tag.name.as_deref()).filter(|name| !name.is_empty()).or_else(from_url)?;
        let manifest = container.and_then(|container| container.manifest.as_ref()?.digest.as_deref());
        let said = [tag.and_then(|tag| tag.digest.as_deref()), manifest, self.name.as_deref()];
        let digest = said.into_iter().flatten().find(|text| Digest::new(*text).is_ok());
        (!name.is_empty()).then(|| (name.to_owned(), digest.map(ToOwned::to_owned)))
    }
}
