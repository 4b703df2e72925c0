//! Tiny images, pushed by plain HTTP as the OCI distribution specification says: no builder needed.

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, StatusCode, Url};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::http;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image of one layer with one file.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// What the file `/content` says; another content makes another digest.
    pub content: String,
    /// The image's labels.
    pub labels: Vec<(String, String)>,
}

impl Image {
    /// An image labelled as built from this commit of this repository.
    pub fn of(revision: &str, source: &str) -> Self {
        let image = Self { content: revision.to_owned(), labels: Vec::new() };
        image.label("org.opencontainers.image.revision", revision).label("org.opencontainers.image.source", source)
    }

    /// The same with one more label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// `sha256:` and the hex digest of these bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Pushes an image to the registry at `base` (`http://host:port`) under these tags, and returns its digest. Without
/// tags it is pushed by its digest.
pub async fn push(base: &str, repository: &str, tags: &[&str], image: &Image) -> Result<String> {
    let client = http::client();
    let layer = tar("content", image.content.as_bytes());
    let labels: serde_json::Map<_, _> = image.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    // Builders that write it in a label write it beside that too.
    let created = labels.get("org.opencontainers.image.created").cloned().unwrap_or(json!("2026-01-01T00:00:00Z"));
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": created, "config": { "Labels": labels },
        "rootfs": { "type": "layers", "diff_ids": [digest_of(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string();
    for blob in [layer, config] {
        push_blob(&client, base, repository, blob).await?;
    }
    let digest = digest_of(manifest.as_bytes());
    let by_digest = [digest.as_str()];
    for reference in if tags.is_empty() { &by_digest } else { tags } {
        let url = format!("{base}/v2/{repository}/manifests/{reference}");
        let sent = client.put(&url).header(CONTENT_TYPE, MANIFEST).body(manifest.clone()).send().await?;
        ensure!(sent.status() == StatusCode::CREATED, "PUT {url} answered {}: {}", sent.status(), sent.text().await?);
    }
    Ok(digest)
}

/// The digest a tag stands for, if there is such a tag.
pub async fn resolve(base: &str, repository: &str, tag: &str) -> Result<Option<String>> {
    let url = format!("{base}/v2/{repository}/manifests/{tag}");
    let answer = http::client().head(&url).header(ACCEPT, MANIFEST).send().await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::OK => {
            let digest = answer.headers().get("docker-content-digest").context("no Docker-Content-Digest")?;
            Ok(Some(digest.to_str()?.to_owned()))
        }
        status => bail!("HEAD {url} answered {status}"),
    }
}

/// Deletes a manifest by its digest.
pub async fn delete(base: &str, repository: &str, digest: &str) -> Result<()> {
    let url = format!("{base}/v2/{repository}/manifests/{digest}");
    let status = http::client().delete(&url).send().await?.status();
    ensure!(status == StatusCode::ACCEPTED, "DELETE {url} answered {status}");
    Ok(())
}

async fn push_blob(client: &Client, base: &str, repository: &str, blob: Vec<u8>) -> Result<()> {
    let url = format!("{base}/v2/{repository}/blobs/uploads/");
    let begun = client.post(&url).send().await?;
    ensure!(begun.status() == StatusCode::ACCEPTED, "POST {url} answered {}", begun.status());
    let place = begun.headers().get(LOCATION).context("the registry gave no upload location")?.to_str()?;
    let mut place = Url::parse(&url)?.join(place)?;
    place.query_pairs_mut().append_pair("digest", &digest_of(&blob));
    let sent = client.put(place).header(CONTENT_TYPE, "application/octet-stream").body(blob).send().await?;
    ensure!(sent.status() == StatusCode::CREATED, "the registry answered a blob with {}", sent.status());
    Ok(())
}

fn descriptor(media_type: &str, content: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "size": content.len(), "digest": digest_of(content) })
}

/// A tar archive (POSIX ustar) of one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
