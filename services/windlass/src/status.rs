//! `windlass status`: for each environment what runs, how it fared when it was looked at, what is on its way and what
//! waits, and for what; and what is barred or still owed.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use operate::{
    describe, find,
    status::{self, EnvironmentStatus, Health, Runs},
};
use proto::{AppName, Lane};
use runtime::Config;

use crate::{open, out};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this app.
    app: Option<AppName>,
}

pub(crate) async fn run(asked: Status, config: Config) -> Result<()> {
    let ledger = open::ledger(&config).await?;
    if let Some(app) = &asked.app {
        find::known(&ledger, &config, app).await?;
    }
    for app in status::of(&ledger, &config, asked.app.as_ref()).await? {
        out::line(&app.app)?;
        let branches: BTreeSet<_> = app.environments.iter().map(|environment| &environment.branch).collect();
        app.environments.iter().try_for_each(|environment| show(environment, branches.len() > 1))?;
        for barred in &app.quarantined {
            let (digest, entry) = (barred.digest.short(), &barred.entry);
            out::line(format_args!("  quarantined  {digest} since {:.0}: {}", entry.at, entry.reason))?;
        }
        for owed in &app.owed {
            let title = owed.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let commit = owed.commit.short();
            out::line(format_args!("  owed         {commit}{title} is in no deploy branch since {:.0}", owed.at))?;
        }
    }
    Ok(())
}

/// With the branch it is written to where not all are written to the same.
fn show(status: &EnvironmentStatus, with_branch: bool) -> Result<()> {
    out::line(format_args!("  {:<12} {}", status.environment.as_str(), runs(&status.runs)))?;
    let more = |words: std::fmt::Arguments<'_>| out::line(format_args!("               {words}"));
    if let Some(branch) = status.branch.as_ref().filter(|_| with_branch) {
        more(format_args!("on the branch {branch}"))?;
    }
    if let Some(asked) = &status.on_its_way {
        more(format_args!("on its way since {:.0}: {}", asked.since, describe::deployed(&asked.deployment)))?;
    }
    if let Some(why) = &status.held_by_config {
        more(format_args!("held by the config: {why}"))?;
    }
    if let Some(hold) = &status.hold {
        more(format_args!("held by {} since {:.0}: {}", hold.by, hold.at, hold.reason))?;
    }
    for waiting in &status.waiting {
        let waits = waiting.waits_for.as_ref();
        let waits = waits.map_or_else(|| "about to go".to_owned(), |what| format!("waits for {what}"));
        let fix = if waiting.lane == Lane::Hotfix { "fix " } else { "" };
        let what = describe::release(&waiting.release);
        more(format_args!("{fix}{what} since {:.0}: {waits}; {}", waiting.since, waiting.id))?;
    }
    if let Some(back) = &status.rollback {
        let (what, waits) = (describe::release(&back.release), back.waits_for.as_deref().unwrap_or_default());
        more(format_args!("rollback to {what} since {:.0}: waits for {waits}; {}", back.since, back.id))?;
    }
    Ok(())
}

fn runs(runs: &Runs) -> String {
    let what = describe::release(&runs.release);
    // A verdict is of its moment.
    let as_of = runs.since.map(|at| format!(" as of {at:.0}")).unwrap_or_default();
    match runs.health {
        Health::Healthy => format!("healthy{as_of} with {what}"),
        Health::Unhealthy => format!("UNHEALTHY{as_of} with {what}"),
        Health::WasHealthy => format!("was healthy, before what is on its way, with {what}"),
        Health::Unknown => "no verdict yet".to_owned(),
    }
}
