//! `windlass reconcile`: one sweep for what never came, now.

use anyhow::{Result, bail, ensure};
use clap::Args;
use proto::SourceName;
use reconciler::{Mode, Reconciler};
use runtime::{Config, Context, names::there_are, service::Base};

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
    if let Some(source) = &asked.source {
        ensure_asked(&config, source)?;
    }
    let hint = "see `sources.<source>.reconcile` and `registries.<host>.poll`";
    ensure!(reconciler::is_configured(&config), "nothing is to be reconciled; {hint}");
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

/// A source that nobody knows is a typing mistake; one that nobody asks about wants a line in the configuration.
fn ensure_asked(config: &Config, source: &SourceName) -> Result<()> {
    let Some(known) = config.sources.get(source) else {
        bail!("there is no source `{source}`; {}", there_are(config.sources.keys()));
    };
    if known.reconcile.is_none() {
        let asked = config.sources.iter().filter(|(_, source)| source.reconcile.is_some());
        let asked = there_are(asked.map(|(name, _)| name));
        bail!("nobody asks what of `{source}` never came; add `sources.{source}.reconcile`, or name another: {asked}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unknown_source_is_told_from_one_that_nobody_asks_about() {
        const SOURCES: &str = "sources:\n  hub: { kind: github, secrets: [env:S], reconcile: { token: env:T, hooks: [{ repository: a/b }] } }\n  lab: { kind: gitlab, secrets: [env:S] }\n";
        let of = |text: &str, source: &str| {
            let config = Config::parse(text, "windlass.yaml".as_ref()).unwrap();
            ensure_asked(&config, &source.parse().unwrap()).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(of(SOURCES, "hub"), "");
        assert_eq!(of(SOURCES, "nope"), "there is no source `nope`; there are: hub, lab");
        assert_eq!(of("", "nope"), "there is no source `nope`; there are none");
        assert!(
            of(SOURCES, "lab").contains("add `sources.lab.reconcile`, or name another: there are: hub"),
            "{}",
            of(SOURCES, "lab")
        );
    }
}
