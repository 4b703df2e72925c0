//! Raw webhooks to domain events: what the sender said becomes what happened, in our words.
//!
//! One file a kind of sender. It has no effects and asks nobody: what it needs stands in the body and in the config.
//! It never guesses: what is none of our business is ignored with a reason, and what cannot be read is a failure,
//! so that its raw bytes are parked, and replayed once we can read them.

mod body;
mod distribution;
mod github;

use std::sync::Arc;

use anyhow::Result;
use proto::{Data, Event, ImagePushed, WebhookReceived, WorkerName};
use runtime::{Config, Context, Failure, Outcomes, Worker};

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

/// What the webhook says, in our words.
pub fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    match webhook.kind.as_str() {
        "github" => github::read(config, webhook),
        "distribution" => distribution::read(config, webhook),
        other => Err(Failure::permanent(format!(
            "the source `{}` is of kind `{other}`, which this build cannot read; replay it with one that can",
            webhook.webhook_source
        ))),
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
