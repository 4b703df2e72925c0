//! `windlass send`: a payload signed and posted as its sender would, to try a configuration without the sender.

use std::{io::Read, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use proto::SourceName;
use runtime::{Config, Secret, SecretRef};

use crate::out;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The source in the configuration whose secret signs.
    source: SourceName,
    /// The payload; `-` for standard input.
    file: PathBuf,
    /// The event, for senders that name it in a header.
    #[arg(long, default_value = "push")]
    event: String,
    /// The receiver; the configured one unless said.
    #[arg(long)]
    to: Option<String>,
}

pub(crate) async fn run(send: Send, config: Config) -> Result<()> {
    let known = || config.sources.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let source = config.sources.get(&send.source);
    let source =
        source.with_context(|| format!("no source `{}` is configured; there are: {}", send.source, known()))?;
    let body = read(&send.file)?;
    let base = send.to.clone().unwrap_or_else(|| format!("http://{}", reachable(&config.receiver.listen)));
    let url = format!("{}/webhooks/{}", base.trim_end_matches('/'), send.source);
    let secret = source.secrets.first().map(SecretRef::read).transpose()?;
    let secret = secret.as_ref().map_or("", Secret::expose);
    let signed = receiver::signing::sign(source, secret, &send.event, &body);
    let signed = signed.with_context(|| format!("signing as `{}` would", send.source))?;
    let mut request = runtime::http::trusted()?.post(format!("{url}{}", signed.path));
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.map_err(runtime::http::HttpError::from);
    let answer = answer.with_context(|| format!("posting to {url}; is the receiver running?"))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("{url} answered {status}: {text}");
    }
    out::line(text)
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("reading standard input")?;
        return Ok(body);
    }
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// An address one listens on, as one to connect to.
fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
}
