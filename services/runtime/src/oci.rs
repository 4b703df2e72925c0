//! Registries: what a tag stands for, and which commit it was made of (OCI distribution and image specifications 1.1).
//!
//! Nothing a registry says is believed that can be counted: a digest is what the received bytes hash to. It reads,
//! and gives tags to what is there; pushing is the builder's driver's. No general registry client: those at hand
//! follow redirects anywhere, read bodies without bound and have no deadline.

mod challenge;
mod error;
#[cfg(test)]
mod fuzz;
mod session;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use proto::{CommitSha, Digest, ImageName, Timestamp};
use sha2::Digest as _;

use crate::{
    config,
    http::{Guarded, Redirects},
    network::Guard,
};

pub use error::OciError;
pub use session::is_tag;
use session::{Answer, Session};

/// The label, or manifest annotation, that names the source commit.
pub const REVISION: &str = "org.opencontainers.image.revision";
/// The specification's own bound for manifests; image configs are far smaller.
const LARGEST: usize = 4 * 1024 * 1024;
/// Indexes point to images. One that points to an index is legal, and deeper ones are somebody's joke.
const DEPTH: u32 = 3;

/// Registries, with the configured credentials; cheap to clone.
#[derive(Clone)]
pub struct Registries {
    config: Arc<BTreeMap<String, config::Registry>>,
    /// Manifests come from the registry itself.
    strict: Guarded,
    /// Blobs may lie with a storage provider; their digest proves them.
    roaming: Guarded,
}

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// SHA-256 over the manifest's bytes as they came.
    pub digest: Digest,
    /// The source commit: the revision label, or the manifest's annotation of that name.
    pub revision: Option<CommitSha>,
    /// The image config's labels; of the linux/amd64 image, or the first, when there are several.
    pub labels: BTreeMap<String, String>,
    /// The manifest's media type.
    pub media_type: String,
    /// When its config says that it was made. Reproducible builds say some fixed time.
    pub created: Option<Timestamp>,
}

/// What an image says of itself.
struct Described {
    media_type: String,
    labels: BTreeMap<String, String>,
    created: Option<Timestamp>,
}

impl Registries {
    /// Registries reached as `registries` in the config says, where the guard lets them be; secrets are read when they
    /// are used.
    pub fn new(config: &BTreeMap<String, config::Registry>, guard: &Guard) -> anyhow::Result<Self> {
        Ok(Self {
            config: Arc::new(config.clone()),
            strict: Guarded::new(guard, Redirects::SameServer)?,
            roaming: Guarded::new(guard, Redirects::Anywhere)?,
        })
    }

    /// What a tag or digest stands for now; `None` when the registry says that it is not there.
    pub async fn resolve(&self, image: &ImageName, tag_or_digest: &str) -> Result<Option<Resolved>, OciError> {
        let mut session = Session::new(self, image, tag_or_digest)?;
        let Some(top) = session.manifest(tag_or_digest).await? else { return Ok(None) };
        let digest = digest_of(&top.bytes);
        let asked = Digest::new(tag_or_digest).ok();
        for (claim, said) in [("was asked for", asked), ("stands in its header", top.claimed.clone())] {
            if said.as_ref().is_some_and(|said| *said != digest) {
                let said = said.map(|d| d.to_string()).unwrap_or_default();
                return Err(session.lies(format!("{said} {claim}, but the manifest it sent hashes to {digest}")));
            }
        }
        let Described { media_type, labels, created } = self.describe(&mut session, top).await?;
        let revision = labels.get(REVISION).and_then(|text| CommitSha::new(text.as_str()).ok());
        Ok(Some(Resolved { digest, revision, labels, media_type, created }))
    }

    /// The digest a tag stands for now, as the registry says; `None` when it is not there. It costs little, and no
    /// registry counts it as a pull; whoever acts on it resolves it first.
    pub async fn peek(&self, image: &ImageName, tag: &str) -> Result<Option<Digest>, OciError> {
        let mut session = Session::new(self, image, tag)?;
        match session.peek(tag).await? {
            None => Ok(None),
            Some(Some(digest)) => Ok(Some(digest)),
            Some(None) => Ok(session.manifest(tag).await?.map(|answer| digest_of(&answer.bytes))),
        }
    }

    /// Every tag of a repository; none when it is not there.
    pub async fn tags(&self, image: &ImageName) -> Result<Vec<String>, OciError> {
        Session::about(self, image, image.to_string())?.tags().await
    }

    /// Points a tag to a manifest that is in the same repository already.
    pub async fn tag(&self, image: &ImageName, digest: &Digest, tag: &str) -> Result<(), OciError> {
        let mut session = Session::new(self, image, tag)?;
        let Some(answer) = session.manifest(digest.as_str()).await? else {
            return Err(session.lies(format!("it does not have {digest}, which it had a moment ago")));
        };
        let is = digest_of(&answer.bytes);
        if is != *digest {
            return Err(session.lies(format!("the manifest {digest} hashes to {is}")));
        }
        session.put(tag, &answer.media_type, answer.bytes).await
    }

    async fn describe(&self, session: &mut Session<'_>, top: Answer) -> Result<Described, OciError> {
        let top_type = top.media_type.clone();
        let mut manifest: wire::Manifest = session.parse("manifest", &top.bytes)?;
        let media_type = manifest.media_type.clone().unwrap_or(top_type);
        let (mut labels, mut created) = (std::mem::take(&mut manifest.annotations), None);
        for _ in 0..DEPTH {
            let Some(child) = wire::choose(&manifest.manifests) else { break };
            let bytes = session.proven("manifest", child).await?;
            manifest = session.parse("manifest", &bytes)?;
            labels.append(&mut manifest.annotations);
        }
        if let Some(config) = manifest.config.filter(wire::Descriptor::is_image_config) {
            let bytes = session.proven("image config", &config).await?;
            let config: wire::ImageConfig = session.parse("image config", &bytes)?;
            created = config.created.and_then(|created| created.as_str()?.parse().ok());
            labels.extend(config.config.and_then(|c| c.labels).unwrap_or_default());
        }
        Ok(Described { media_type, labels, created })
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    #[expect(clippy::expect_used, reason = "a SHA-256 in hex is a digest")]
    Digest::new(format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))).expect("a digest")
}
