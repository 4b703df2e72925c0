//! `windlass reconcile`: one sweep for what never came, now.

use anyhow::{Result, bail, ensure};
use clap::Args;
use proto::SourceName;
use reconciler::{Mode, Reconciler};
use runtime::{Config, Context, service::Base};

use crate::out;

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Only of this source, and no registry.
    #[arg(long)]
    source: Option<SourceName>,
    /// Only shows what would be asked for.
    #[arg(long)]
    dry_run: bool,
    /// Asks even for what was given up, and for what was asked for a moment ago.
    #[arg(long)]
    again: bool,
}

pub(crate) async fn run(asked: Reconcile, config: Config) -> Result<()> {
    let sources = config.sources.iter().filter(|(_, source)| source.reconcile.is_some());
    let known: Vec<_> = sources.map(|(name, _)| name.to_string()).collect();
    let hint = "see `sources.<source>.reconcile` and `registries.<host>.poll`";
    ensure!(reconciler::is_configured(&config), "nothing is to be reconciled; {hint}");
    if let Some(source) = asked.source.as_ref().filter(|source| !known.contains(&source.to_string())) {
        bail!("no source `{source}` is reconciled; there are: {}", known.join(", "));
    }
    let context = Context::open(Base::open(config, "cli").await?).await?;
    let mode = Mode { dry_run: asked.dry_run, again: asked.again };
    let mut failed = Vec::new();
    for (place, report) in Reconciler::new(&context)?.once(asked.source.as_ref(), mode).await {
        match report {
            Ok(Some(report)) => {
                out::line(&report)?;
                report.details(mode.dry_run).iter().try_for_each(|one| out::line(format_args!("  {one}")))?;
            }
            Ok(None) => out::line(format_args!("{place}: another sweeps it now"))?,
            Err(error) => failed.push(format!("{place}: {error:#}")),
        }
    }
    context.bus.close().await;
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}
