//! `windlass rollback` and `windlass quarantine`: what an operator orders is an event like any other, so it is
//! recorded with who and why, and survives whatever is away just then.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use proto::{AppName, Data, EnvironmentName, Event, EventId, QuarantineReleased, RollbackRequested};
use runtime::Config;

use crate::{open, out};

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The app.
    app: AppName,
    /// The environment.
    environment: EnvironmentName,
    /// What to restore of what was healthy there: a GitOps revision, a source commit or a digest, or its beginning.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    word: Word,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// Lists digests that must not be deployed, and why.
    List,
    /// Lets a digest be deployed again.
    Release {
        /// The app.
        app: AppName,
        /// The digest, or its beginning.
        digest: String,
        #[command(flatten)]
        word: Word,
    },
}

/// Who orders it, and why: both are kept with the event.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// Who orders it.
    #[arg(long = "as", env = "USER")]
    by: String,
    /// Why.
    #[arg(long)]
    reason: String,
}

pub(crate) async fn rollback(asked: Rollback, config: Config) -> Result<()> {
    let Rollback { app, environment, to, word } = asked;
    let known = config.apps.get(&app).with_context(|| format!("no app `{app}` is configured"))?;
    ensure!(known.environments.contains_key(&environment), "`{app}` has no environment `{environment}`");
    let subject = environment.to_string();
    order(&config, subject, RollbackRequested { app, environment, to, by: word.by, reason: word.reason }).await
}

pub(crate) async fn quarantine(verb: Quarantine, config: Config) -> Result<()> {
    let barred = open::ledger(&config).await?.quarantines().await?;
    let Quarantine::Release { app, digest, word } = verb else {
        for entry in barred {
            out::line(format_args!("{}  {}  since {:.0}: {}", entry.app, entry.digest, entry.at, entry.reason))?;
        }
        return Ok(());
    };
    let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
    let is_it =
        |entry: &&ledger::Quarantined| entry.app == app && entry.digest.as_str()["sha256:".len()..].starts_with(hex);
    let found: Vec<_> = barred.iter().filter(is_it).collect();
    ensure!(found.len() < 2, "several quarantined digests of `{app}` begin with `{digest}`; write more of it");
    let entry = found.first().with_context(|| {
        format!("no digest of `{app}` in quarantine begins with `{digest}`; see `windlass quarantine list`")
    })?;
    let digest = entry.digest.clone();
    order(&config, digest.to_string(), QuarantineReleased { app, digest, by: word.by, reason: word.reason }).await
}

/// Publishes it; returns once it is durable.
async fn order(config: &Config, subject: String, data: impl Into<Data>) -> Result<()> {
    let event = Event::first(EventId::fresh(), "/operators/cli".to_owned(), subject, Timestamp::now(), data);
    let bus = open::bus(config).await?;
    bus.publish(&[event.to_message()]).await.context("publishing the order; nothing was ordered")?;
    bus.close().await;
    out::line(format_args!("ordered; what comes of it: windlass events show {}", event.id))
}
