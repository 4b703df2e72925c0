//! The reconciler: finds what never came, and has it come.
//!
//! GitHub sends a webhook once. It is asked, again and again, what of it was not taken, and to send that again: to the
//! same address, so on the same path and under the same ids as the first time, and whatever came already is seen
//! through. It consumes no queue and decides nothing about what is delivered.
//!
//! How far was swept and what was asked for stands in the ledger, so a sweep that was cut off is taken up by whoever
//! comes next, and of several reconcilers one sweeps a place at a time.

mod github;
mod metrics;
mod report;
mod turn;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use ledger::Ledger;
use proto::SourceName;
use runtime::{Config, Context};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use github::Hook;
use metrics::{Metrics, Of};
pub use report::HookReport;
use turn::Turn;

/// How soon a webhook is swept again after nobody took what it sent.
const SHUT: Duration = Duration::from_secs(30);

/// How a sweep is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mode {
    /// Only say what would be asked for.
    pub dry_run: bool,
    /// Ask even for what was given up, and for what was asked for a moment ago.
    pub again: bool,
}

/// Whatever is swept.
pub struct Reconciler {
    ledger: Ledger,
    /// How long a sweep holds its turn without a sign of life.
    lease: Duration,
    stop: CancellationToken,
    hooks: BTreeMap<SourceName, Vec<Hook>>,
}

/// Whether the configuration has anything swept.
pub fn is_configured(config: &Config) -> bool {
    config.sources.values().any(|source| source.reconcile.is_some())
}

/// Sweeps until shutdown.
pub async fn serve(context: Context) -> Result<()> {
    if !is_configured(&context.config) {
        bail!("nothing is to be reconciled; see `sources.<source>.reconcile`");
    }
    Reconciler::new(&context)?.run().await
}

impl Reconciler {
    /// Of everything that is configured.
    pub fn new(context: &Context) -> Result<Self> {
        let metrics = Metrics::new(&context.metrics);
        let config = &context.config;
        let sources = config.sources.iter().filter_map(|(name, source)| Some((name, source.reconcile.as_ref()?)));
        let hooks = sources
            .map(|(name, reconcile)| Ok((name.clone(), Hook::all(name, reconcile, &context.trusted, &metrics)?)));
        Ok(Self {
            ledger: context.ledger.clone(),
            lease: config.harness.lease,
            stop: context.shutdown.clone(),
            hooks: hooks.collect::<Result<_>>()?,
        })
    }

    /// Sweeps each place again and again, until shutdown.
    pub async fn run(self) -> Result<()> {
        let Self { ledger, lease, stop, hooks } = self;
        let mut loops = JoinSet::new();
        for hook in hooks.into_values().flatten() {
            let sweeper = Sweeper { ledger: ledger.clone(), lease, stop: stop.clone() };
            loops.spawn(async move { sweeper.sweep_on(&hook).await });
        }
        while let Some(ended) = loops.join_next().await {
            ended.context("a sweep panicked")?;
        }
        Ok(())
    }

    /// Sweeps every place of this source, or of all, once and now.
    ///
    /// # Errors
    /// In each report's place: what kept that sweep from going well; `None` where another sweeps now.
    pub async fn once(&self, source: Option<&SourceName>, mode: Mode) -> Vec<(String, Result<Option<HookReport>>)> {
        let sweeper = Sweeper { ledger: self.ledger.clone(), lease: self.lease, stop: self.stop.clone() };
        let mut reports = Vec::new();
        let wanted = self.hooks.iter().filter(|(name, _)| source.is_none_or(|wanted| wanted == *name));
        for hook in wanted.flat_map(|(_, hooks)| hooks) {
            let swept =
                if mode.dry_run { sweeper.look(hook).await } else { sweeper.sweep(hook, Duration::ZERO, mode).await };
            reports.push((hook.webhook.name(), swept));
        }
        reports
    }
}

/// Who sweeps.
struct Sweeper {
    ledger: Ledger,
    lease: Duration,
    stop: CancellationToken,
}

impl Sweeper {
    /// Sweeps a webhook until it is told to stop.
    async fn sweep_on(&self, hook: &Hook) {
        let name = hook.webhook.name();
        while !self.stop.is_cancelled() {
            // Two reconcilers in turn would skip every other sweep if each waited for the whole time.
            let swept = self.sweep(hook, hook.every.mul_f64(0.9), Mode::default()).await;
            let wait = match &swept {
                Ok(Some(report)) if report.door_is_shut => hook.every.min(SHUT),
                _ => hook.every,
            };
            tell(&name, &hook.webhook.metrics, &swept);
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.stop.cancelled() => {} }
        }
    }

    /// One sweep; `None` when another sweeps it, or has lately, or when it was told to stop.
    async fn sweep(&self, hook: &Hook, every: Duration, mode: Mode) -> Result<Option<HookReport>> {
        let taken = Turn::take(&self.ledger, &hook.webhook.name(), self.lease, every).await?;
        let Some((turn, swept)) = taken else { return Ok(None) };
        let done = turn.hold(&self.stop, hook.sweep(&self.ledger, Some(swept), mode)).await;
        match done {
            Ok(Some(done)) if done.report.door_is_shut => {
                turn.give_back().await;
                Ok(Some(done.report))
            }
            Ok(Some(done)) => turn.end(done.watermark).await.map(|()| Some(done.report)),
            stopped => {
                turn.give_back().await;
                stopped.map(|_| None)
            }
        }
    }

    /// What a sweep would ask for.
    async fn look(&self, hook: &Hook) -> Result<Option<HookReport>> {
        let swept = self.ledger.swept(&hook.webhook.name()).await.context("reading how far was swept")?;
        let mode = Mode { dry_run: true, again: false };
        hook.sweep(&self.ledger, swept, mode).await.map(|done| Some(done.report))
    }
}

fn tell(place: &str, metrics: &Of, swept: &Result<Option<HookReport>>) {
    match swept {
        Ok(None) => metrics.ended("elsewhere"),
        Ok(Some(report)) if report.door_is_shut => {
            metrics.ended("shut");
            tracing::warn!(place, "{report}");
        }
        Ok(Some(report)) => {
            metrics.ended("swept");
            let (missing, asked, came) = (report.missing.len(), report.asked, report.came);
            info!(place, missing, asked, came, "{report}");
        }
        Err(error) => {
            metrics.ended("failed");
            error!(place, "sweeping {place}: {error:#}");
        }
    }
}
