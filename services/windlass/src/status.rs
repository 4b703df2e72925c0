//! `windlass status`: for each environment what runs, since when, how it fares, what is on its way and what waits, and
//! for what; and what is barred or still owed.

use anyhow::{Result, ensure};
use bumper::chain;
use clap::Args;
use ledger::{Chain, Place};
use proto::{AppName, EnvironmentName, Lane, Timestamp};
use runtime::{
    Config,
    config::{App, Environment},
};

use crate::{describe, open, out};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this app.
    app: Option<AppName>,
}

pub(crate) async fn run(asked: Status, config: Config) -> Result<()> {
    let wanted = |app: &AppName| asked.app.as_ref().is_none_or(|only| only == app);
    if let Some(app) = &asked.app {
        ensure!(config.apps.contains_key(app), "no app `{app}` is configured");
    }
    let chains = open::ledger(&config).await?.chains().await?;
    let unknown = Chain::default();
    for (name, app) in config.apps.iter().filter(|(name, _)| wanted(name)) {
        let chain = chains.get(name).unwrap_or(&unknown);
        out::line(name)?;
        for (environment, configured) in &app.environments {
            show(chain, app, environment, configured)?;
        }
        for (digest, entry) in &chain.barred {
            out::line(format_args!("  quarantined  {} since {:.0}: {}", digest.short(), entry.at, entry.reason))?;
        }
        for owed in &chain.owed {
            let title = owed.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let commit = owed.commit.short();
            out::line(format_args!("  owed         {commit}{title} is in no deploy branch since {:.0}", owed.at))?;
        }
    }
    Ok(())
}

fn show(chain: &Chain, app: &App, name: &EnvironmentName, config: &Environment) -> Result<()> {
    let known = Place::default();
    let place = chain.place(name).unwrap_or(&known);
    out::line(format_args!("  {:<12} {}", name.as_str(), runs(place)))?;
    let more = |words: std::fmt::Arguments<'_>| out::line(format_args!("               {words}"));
    if let Some(asked) = place.asked.as_ref().filter(|asked| asked.verdict.is_none()) {
        more(format_args!("on its way since {:.0}: {}", asked.at, describe::deployed(&asked.deployment)))?;
    }
    if let Some(why) = &config.hold {
        more(format_args!("held by the config: {why}"))?;
    }
    if let Some(hold) = &place.hold {
        more(format_args!("held by {} since {:.0}: {}", hold.by, hold.at, hold.reason))?;
    }
    for lane in [Lane::Hotfix, Lane::Deploy] {
        let Some(waiting) = place.waiting(lane) else { continue };
        let waits = chain::waits_for(chain, app, name, lane, Timestamp::now());
        let waits = waits.map_or_else(|| "about to go".to_owned(), |what| format!("waits for {what}"));
        let fix = if lane == Lane::Hotfix { "fix " } else { "" };
        let what = describe::release(&waiting.offer.release);
        more(format_args!("{fix}{what} since {:.0}: {waits}; {}", waiting.since, waiting.id))?;
    }
    if let Some((back, proposed)) = place.back.as_ref().and_then(|back| Some((back, back.proposed.as_ref()?))) {
        let (what, waits) = (describe::release(&back.offer.release), &proposed.waits_for);
        more(format_args!("rollback to {what} since {:.0}: waits for {waits}; {}", back.since, back.id))?;
    }
    Ok(())
}

/// The newest that has a verdict: what was asked for last, or what was healthy before it.
fn runs(place: &Place) -> String {
    let judged = place.asked.as_ref().and_then(|asked| Some((&asked.deployment, asked.verdict.as_ref()?)));
    match (judged, &place.healthy) {
        (Some((deployment, verdict)), _) => {
            let how = if verdict.healthy { "healthy" } else { "UNHEALTHY" };
            format!("{how} since {:.0} with {}", verdict.at, describe::release(&deployment.release))
        }
        (None, Some(healthy)) => format!("was healthy with {}", describe::release(&healthy.release)),
        (None, None) => "no verdict yet".to_owned(),
    }
}
