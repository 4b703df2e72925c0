//! What registries send, as far as it is needed (OCI image specification 1.1, and Docker's schema 2, which it grew from).

use std::collections::BTreeMap;

use proto::Digest;
use serde::Deserialize;

/// The manifest types that are understood; what is not in `Accept`, a registry may convert, and so change the digest.
pub(super) const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A manifest or an index: the two differ in which of their lists is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) media_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

/// A pointer to content.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: Digest,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// An image's config, as far as it is read.
#[derive(Deserialize)]
pub(super) struct ImageConfig {
    /// A time by RFC 3339; some builders write none, or one that is none.
    #[serde(default)]
    pub(super) created: Option<serde_json::Value>,
    pub(super) config: Option<Runtime>,
}

/// What the image runs with.
#[derive(Deserialize)]
pub(super) struct Runtime {
    #[serde(rename = "Labels")]
    pub(super) labels: Option<BTreeMap<String, String>>,
}

/// A page of a repository's tags; Docker's registry sends `null` for none.
#[derive(Deserialize)]
pub(super) struct Tags {
    #[serde(default)]
    pub(super) tags: Option<Vec<String>>,
}

/// A token server's answer; old ones say `token`, OAuth 2 says `access_token`.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) token: Option<String>,
    pub(super) access_token: Option<String>,
}

/// The body of an error.
#[derive(Deserialize)]
pub(super) struct Errors {
    pub(super) errors: Vec<Problem>,
}

/// One error.
#[derive(Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

impl Descriptor {
    /// Whether it points to an image's config; artifacts of other kinds have configs too, and no labels.
    pub(super) fn is_image_config(&self) -> bool {
        ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"]
            .contains(&self.media_type.as_str())
    }

    fn is_manifest(&self) -> bool {
        MANIFESTS.split(", ").any(|known| known == self.media_type)
    }

    fn runs_on(&self, os: &str, architecture: &str) -> bool {
        self.platform.as_ref().is_some_and(|p| p.os == os && p.architecture == architecture)
    }
}

/// The image of an index that speaks for all: linux/amd64, or the first that is no attestation.
pub(super) fn choose(manifests: &[Descriptor]) -> Option<&Descriptor> {
    let images = || manifests.iter().filter(|d| d.is_manifest() && !d.runs_on("unknown", "unknown"));
    images().find(|d| d.runs_on("linux", "amd64")).or_else(|| images().next())
}
