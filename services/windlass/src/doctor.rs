//! `windlass doctor`: how it stands with all that this configuration needs, and what to do about what is broken.
//!
//! It asks what the services would ask, from the machine it runs on and with the same code, and changes nothing but
//! that queues which RabbitMQ lacks are declared. What it prints names secrets by their references alone.

mod console;
mod forges;
mod machine;
mod parts;
mod reach;
mod receiver;
mod report;
mod signing;
mod sources;
mod sweeps;

use anyhow::{Result, ensure};
use clap::Args;
use runtime::Config;

use crate::out;
use report::Report;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints how it stands; fails when something is broken.
pub(crate) async fn run(asked: Doctor, config: Config) -> Result<()> {
    let report = examine(&config).await?;
    if asked.json {
        out::line(serde_json::to_string(&report)?)?;
    } else {
        report.lines().iter().try_for_each(out::line)?;
    }
    let broken = report.broken();
    ensure!(broken == 0, "{broken} broken: see above for what to do next");
    Ok(())
}

async fn examine(config: &Config) -> Result<Report> {
    let mut report = Report::default();
    let (bus, ledger) = tokio::join!(parts::bus(config), parts::ledger(config));
    report.add("configuration", receiver::warnings(config));
    report.add("bus", bus);
    report.add("ledger", ledger.findings);
    report.add("service", parts::service(config).await);
    report.add("receiver", receiver::reachable(config).await);
    let (spool, spooled) = receiver::spool(config).await;
    report.add("spool", spool);
    report.add("console", console::examine(config).await);
    report.add("sweeps", sweeps::examine(config, ledger.open.as_ref()).await);
    report.sources = sources::examine(config, ledger.open.as_ref()).await;
    let reach = reach::Reach::new(config)?;
    let (repositories, forges, registries, applications) =
        tokio::join!(reach.repositories(), reach.forges(), reach.registries(), reach.applications());
    report.add("repositories", repositories);
    report.add("forges", forges);
    report.add("registries", registries);
    report.add("argocd", applications);
    report.add("secrets", machine::other_secrets(config));
    report.add("signing", signing::examine(config).await);
    report.add("programs", machine::programs(config).await);
    report.add("disk", machine::disk(config, spooled));
    Ok(report)
}
