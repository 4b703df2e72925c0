//! `windlass send`: a payload signed and posted as its sender would, to try a configuration without the sender.

use std::{collections::BTreeMap, io::Read, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use normalizer::samples::{Rendered, Sample, Values};
use operate::find;
use proto::{AppName, Branch, CommitSha, ComponentName, Digest, EnvironmentName, EventId, SourceName};
use receiver::signing;
use runtime::{Config, Secret, SecretRef, config::Source, names::there_are};

use crate::{open, out};

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The source in the configuration whose secret signs.
    source: SourceName,
    /// The payload; `-` for standard input.
    #[arg(required_unless_present = "sample", conflicts_with = "sample")]
    file: Option<PathBuf>,
    /// Sends a sample of what such a sender sends, about an app of the configuration; `list` shows which there are.
    #[arg(long)]
    sample: Option<String>,
    /// What the sample is about.
    #[command(flatten)]
    about: About,
    /// The event, for senders that name it in a header; a sample names its own.
    #[arg(long, default_value = "push")]
    event: String,
    /// The receiver; the configured one unless said.
    #[arg(long)]
    to: Option<String>,
}

/// What a sample is to tell of, where it is not the first that the configuration has.
#[derive(Debug, Args)]
struct About {
    /// The app.
    #[arg(long, requires = "sample")]
    app: Option<AppName>,
    /// Its component.
    #[arg(long, requires = "sample")]
    component: Option<ComponentName>,
    /// The branch.
    #[arg(long, requires = "sample")]
    branch: Option<Branch>,
    /// The commit.
    #[arg(long, requires = "sample")]
    commit: Option<CommitSha>,
    /// The image's tag; the branch's unless said.
    #[arg(long, requires = "sample")]
    tag: Option<String>,
    /// The image's digest.
    #[arg(long, requires = "sample")]
    digest: Option<Digest>,
    /// The environment; the first that asks for an approval unless said.
    #[arg(long, requires = "sample")]
    environment: Option<EnvironmentName>,
    /// The approval that a click answers, in full; `windlass events` tells it.
    #[arg(long, requires = "sample")]
    approval: Option<EventId>,
    /// The id of the Slack user who clicks; the first of the source's `slack.users` unless said.
    #[arg(long, requires = "sample")]
    user: Option<String>,
}

pub(crate) async fn run(send: Send, config: Config) -> Result<()> {
    let source = config
        .sources
        .get(&send.source)
        .with_context(|| format!("there is no source `{}`; {}", send.source, there_are(config.sources.keys())))?;
    if send.sample.as_deref() == Some("list") {
        return list(source);
    }
    let Rendered { headers: said, body } = match (&send.sample, &send.file) {
        (Some(name), _) => sample(&send.about, name, source, &config)?,
        (None, Some(file)) => Rendered { headers: Vec::new(), body: read(file)? },
        (None, None) => bail!("name a file to send, or `--sample`"),
    };
    let base = send.to.clone().unwrap_or_else(|| format!("http://{}", open::reachable(&config.receiver.listen)));
    let url = format!("{}/webhooks/{}", base.trim_end_matches('/'), send.source);
    let secret = source.secrets.first().map(SecretRef::read).transpose()?;
    let secret = secret.as_ref().map_or("", Secret::expose);
    let signed = signing::sign(source, secret, &body);
    let signed = signed.with_context(|| format!("signing as `{}` would", send.source))?;
    // What the sample says of itself stands over what is said of any, and what proves it over both.
    let headers = signing::envelope(source.kind, &send.event).into_iter().chain(said).chain(signed.headers);
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let mut request = runtime::http::trusted()?.post(format!("{url}{}", signed.path));
    for (name, value) in headers {
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

fn list(source: &Source) -> Result<()> {
    Sample::of(source.kind).try_for_each(|sample| out::line(format!("{:24} {}", sample.name, sample.about)))
}

/// The sample, its content type among its headers.
fn sample(about: &About, name: &str, source: &Source, config: &Config) -> Result<Rendered> {
    let known = || Sample::of(source.kind).map(|sample| sample.name).collect::<Vec<_>>().join(", ");
    let kind = source.kind.as_str();
    let sample = Sample::find(source.kind, name);
    let sample = sample.with_context(|| format!("there is no sample `{name}` of `{kind}`; there are: {}", known()))?;
    let Rendered { headers, body } = sample.render(&about.values(source, config)?);
    let headers = headers.into_iter().chain([("content-type".to_owned(), sample.content_type.to_owned())]);
    Ok(Rendered { headers: headers.collect(), body })
}

impl About {
    /// The sample's values: what was said, else what the configuration has first, else a shop's that does not exist.
    fn values(&self, source: &Source, config: &Config) -> Result<Values> {
        let mut values = Values::of(source.kind);
        values.id = uuid::Uuid::new_v4().to_string();
        values.time = jiff::Timestamp::now().to_string();
        let app = match &self.app {
            Some(name) => Some((name, find::app(config, name)?)),
            None => config.apps.iter().next(),
        };
        if let Some((name, app)) = app {
            values.app = name.to_string();
            let asks = app.environments.iter().find(|(_, environment)| environment.approval.is_some());
            if let Some((name, _)) = asks.or(app.environments.iter().next()) {
                values.environment = name.to_string();
            }
            values.repository.clone_from(&app.repository);
            let component = match &self.component {
                Some(name) => Some(app.components.get(name).with_context(|| {
                    format!("the app has no component `{name}`; {}", there_are(app.components.keys()))
                })?),
                None => app.components.values().next(),
            };
            if let Some(component) = component {
                values.image = component.image.clone();
            }
        }
        if let Some(branch) = &self.branch {
            values.branch = branch.to_string();
            values.tag = branch.as_tag();
        }
        let put = |into: &mut String, said: Option<String>| *into = said.unwrap_or_else(|| into.clone());
        put(&mut values.commit, self.commit.as_ref().map(ToString::to_string));
        put(&mut values.tag, self.tag.clone());
        put(&mut values.digest, self.digest.as_ref().map(ToString::to_string));
        put(&mut values.environment, self.environment.as_ref().map(ToString::to_string));
        put(&mut values.approval, self.approval.as_ref().map(ToString::to_string));
        if let Some(slack) = &source.slack {
            values.team.clone_from(&slack.team);
            put(&mut values.user, slack.users.keys().next().cloned());
        }
        put(&mut values.user, self.user.clone());
        Ok(values)
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("reading standard input")?;
        return Ok(body);
    }
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}
