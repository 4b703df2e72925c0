//! A private container registry: Debian's `docker-registry`, which sends real notifications.

mod image;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::json;

use crate::folder::Folder;
use crate::process::{self, Process, Signal};
use crate::{http, ports};

pub use image::{Image, delete, digest_of, push, resolve};

/// Far more than a start takes, for machines that compile at the same time.
const START: Duration = Duration::from_secs(30);

/// Where a registry's notifications go.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The URL that is posted to.
    pub url: String,
    /// Headers to send, such as the one that proves who it is.
    pub headers: Vec<(String, String)>,
}

/// A private registry. Dropping it ends it and removes its images.
#[derive(Debug)]
pub struct Registry {
    folder: Folder,
    port: u16,
    endpoints: Vec<Endpoint>,
    server: Option<Process>,
}

impl Registry {
    /// Starts an empty one that notifies these endpoints, and waits until it answers.
    pub async fn start(endpoints: &[Endpoint]) -> Result<Self> {
        let folder = Folder::new("registry")?;
        let mut registry = Self { folder, port: ports::free()?, endpoints: endpoints.to_vec(), server: None };
        for _ in 0..3 {
            match registry.start_again().await {
                Err(error) if format!("{error:#}").contains("address already in use") => registry.port = ports::free()?,
                other => return other.map(|()| registry),
            }
        }
        bail!("docker-registry found its port taken, three times in a row")
    }

    /// `127.0.0.1:port`, as image names begin.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its temporary folder, with its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it; its images and port stay. Notifications it has not delivered are lost, as they are kept in memory.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        server.signal(Signal::TERM)?;
        server.wait(START).await.map(|_| ())
    }

    /// Starts it again over the same images at the same port, and waits until it answers.
    pub async fn start_again(&mut self) -> Result<()> {
        let config = self.folder.write("config.yml", &self.config().to_string())?;
        let mut command = Command::new(process::program("docker-registry", "docker-registry")?);
        command.env_clear().arg("serve").arg(config);
        let log = self.folder.join("registry.log");
        let folder = Some(self.folder.path());
        let mut server = Process::start_guarded("docker-registry", command, &log, Signal::KILL, folder)?;
        let (client, url) = (http::client(), format!("{}/v2/", self.url()));
        let up = server.up(START, async || {
            let status = client.get(&url).send().await?.status();
            ensure!(status.is_success(), "it answers {status}");
            Ok(())
        });
        up.await?;
        self.server = Some(server);
        Ok(())
    }

    /// Pushes an image under these tags and returns its digest.
    pub async fn push(&self, repository: &str, tags: &[&str], image: &Image) -> Result<String> {
        push(&self.url(), repository, tags, image).await
    }

    /// The digest a tag stands for, if there is such a tag.
    pub async fn resolve(&self, repository: &str, tag: &str) -> Result<Option<String>> {
        resolve(&self.url(), repository, tag).await
    }

    /// Deletes a manifest by its digest, and with it every tag that stands for it.
    pub async fn delete(&self, repository: &str, digest: &str) -> Result<()> {
        delete(&self.url(), repository, digest).await
    }

    /// The tags of a repository, sorted; none when there is no such repository.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>> {
        let url = format!("{}/v2/{repository}/tags/list", self.url());
        let list: serde_json::Value = http::client().get(url).send().await?.json().await?;
        let tags = list["tags"].as_array().into_iter().flatten();
        let mut tags: Vec<String> = tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    /// The registry's configuration; JSON is YAML.
    fn config(&self) -> serde_json::Value {
        let endpoints = self.endpoints.iter().enumerate().map(|(number, endpoint)| {
            let headers: serde_json::Map<_, _> =
                endpoint.headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
            // It retries for ever; quickly here, so that a test need not wait for the next attempt.
            json!({
                "name": format!("endpoint-{number}"), "url": endpoint.url, "headers": headers,
                "timeout": "5s", "threshold": 3, "backoff": "200ms",
            })
        });
        json!({
            "version": 0.1,
            "log": { "level": "info" },
            "storage": {
                "filesystem": { "rootdirectory": self.folder.join("images") },
                "delete": { "enabled": true },
            },
            "http": { "addr": self.address(), "secret": "shared by nobody" },
            "notifications": { "endpoints": endpoints.collect::<Vec<_>>() },
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Before the folder.
        self.server = None;
    }
}
