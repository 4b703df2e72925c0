//! Raw webhooks to domain events: what the sender said becomes what happened, in our words.
//!
//! A file a kind of sender reads its dialect into the same few words (`said`), and one place asks the config whom they
//! concern (`hear`). It has no effects and asks nobody: what it needs stands in the body and in the config.
//! It never guesses: what is none of our business is ignored with a reason, and what cannot be read is a failure,
//! so that its raw bytes are parked, and replayed once we can read them.

mod acr;
mod aliyun_acr;
mod artifactory;
mod azure_devops;
mod bitbucket;
mod body;
mod cdevents;
mod cloudevents;
mod distribution;
mod docker_hub;
mod ecr;
#[cfg(test)]
mod fuzz;
mod generic;
mod gitea;
mod github;
mod gitlab;
mod google;
mod harbor;
mod hear;
mod nexus;
mod purl;
mod quay;
mod reasons;
mod said;
pub mod samples;
mod slack;

use std::sync::Arc;

use anyhow::Result;
use proto::{Data, Event, ImagePushed, WebhookReceived, WorkerName};
use runtime::{
    Config, Context, Failure, Outcomes, Worker,
    config::{Source, SourceKind},
};

use said::Said;

/// Bodies from this size on, in bytes, are parsed aside, so that other deliveries go on meanwhile.
const LARGE: usize = 1024 * 1024;

/// The worker.
pub struct Normalizer {
    config: Arc<Config>,
}

impl Normalizer {
    /// Built from the config alone.
    pub fn new(context: &Context) -> Result<Self> {
        Ok(Self { config: Arc::clone(&context.config) })
    }
}

impl Worker for Normalizer {
    const NAME: WorkerName = WorkerName::Normalizer;

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let Data::WebhookReceived(webhook) = &event.data else {
            return Ok(Outcomes::ignored(format!("`{}` is no webhook", event.kind())));
        };
        if webhook.body.len() < LARGE {
            return read(&self.config, webhook);
        }
        let (config, webhook) = (Arc::clone(&self.config), webhook.clone());
        let parsed = tokio::task::spawn_blocking(move || read(&config, &webhook)).await;
        parsed.unwrap_or_else(|error| Err(Failure::permanent(format!("parsing the webhook: {error}"))))
    }
}

/// What the webhook says, in our words. Whatever the bytes are, it is outcomes or a permanent failure.
pub fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    let Some(kind) = SourceKind::ALL.into_iter().find(|kind| kind.as_str() == webhook.kind) else {
        return Err(Failure::permanent(format!(
            "the source `{}` is of kind `{}`, which this build cannot read; replay it with one that can",
            webhook.webhook_source,
            shown(&webhook.kind)
        )));
    };
    let said = said(kind, config.sources.get(&webhook.webhook_source), webhook)?;
    Ok(hear::hear(config, webhook, said))
}

fn said(kind: SourceKind, source: Option<&Source>, webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    match kind {
        SourceKind::Github => github::read(webhook),
        SourceKind::Gitlab => gitlab::read(webhook),
        SourceKind::Gitea => gitea::read(webhook),
        SourceKind::Bitbucket => bitbucket::read(webhook),
        SourceKind::AzureDevops => azure_devops::read(webhook),
        SourceKind::DockerHub => docker_hub::read(webhook),
        SourceKind::Quay => quay::read(webhook),
        SourceKind::Harbor => harbor::read(webhook),
        SourceKind::Acr => acr::read(webhook),
        SourceKind::AliyunAcr => aliyun_acr::read(webhook),
        SourceKind::Ecr => ecr::read(webhook),
        SourceKind::GoogleArtifactRegistry => google::read(webhook),
        SourceKind::Artifactory => artifactory::read(webhook),
        SourceKind::Nexus => nexus::read(webhook),
        SourceKind::Distribution => distribution::read(webhook),
        SourceKind::CloudEvents => cloudevents::read(webhook),
        SourceKind::Slack => slack::read(webhook, source),
        SourceKind::StandardWebhooks | SourceKind::Generic => generic::read(webhook, source),
    }
}

/// The subject of `image.pushed`: `<component>:<tag>@<digest>`, less what is not known.
fn subject(pushed: &ImagePushed) -> String {
    let tag = pushed.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = pushed.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{}{tag}{digest}", pushed.component)
}

/// A sender's word in a message of ours: bounded, and on one line.
fn shown(text: &str) -> String {
    text.chars().take(240).map(|c| if c.is_control() { '?' } else { c }).collect()
}
