//! `windlass status`: for each environment what runs, since when, how it fares, what is on its way; and what is barred.

use anyhow::{Result, ensure};
use clap::Args;
use ledger::{EnvironmentState, EventFilter, Ledger};
use proto::{AppName, Data, Deployment, EnvironmentName, Event, EventType, Timestamp};
use runtime::Config;

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
    let ledger = open::ledger(&config).await?;
    let states = ledger.environments().await?;
    let barred = ledger.quarantines().await?;
    for (name, app) in config.apps.iter().filter(|(name, _)| wanted(name)) {
        out::line(name)?;
        for (environment, configured) in &app.environments {
            let state = states.iter().find(|state| state.app == *name && state.environment == *environment);
            out::line(format_args!("  {:<12} {}", environment.as_str(), runs(state)))?;
            if let Some(why) = &configured.hold {
                out::line(format_args!("               held: {why}"))?;
            }
            if let Some((coming, since)) = coming(&ledger, name, environment, state).await? {
                out::line(format_args!("               on its way since {since:.0}: {}", describe::deployed(&coming)))?;
            }
        }
        for entry in barred.iter().filter(|entry| entry.app == *name) {
            out::line(format_args!("  quarantined  {} since {:.0}: {}", entry.digest.short(), entry.at, entry.reason))?;
        }
    }
    Ok(())
}

fn runs(state: Option<&EnvironmentState>) -> String {
    let Some(state) = state else { return "no verdict yet".to_owned() };
    let how = if state.healthy { "healthy" } else { "UNHEALTHY" };
    let all: Vec<_> = state.current.release.keys().cloned().collect();
    let whole = Deployment { changed: all, ..state.current.clone() };
    format!("{how} since {:.0} with {}", state.updated_at, describe::deployed(&whole))
}

/// What was asked for after what was judged last.
async fn coming(
    ledger: &Ledger,
    app: &AppName,
    environment: &EnvironmentName,
    state: Option<&EnvironmentState>,
) -> Result<Option<(Deployment, Timestamp)>> {
    let (kind, app) = (Some(EventType::ManifestBumped), Some(app.clone()));
    let filter = EventFilter { kind, app, limit: 1000, ..EventFilter::default() };
    let recorded = ledger.events(&filter).await?;
    let mut bumps = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
    let newest = bumps.find_map(|event| match event.data {
        Data::ManifestBumped(bumped) if bumped.deployment.environment == *environment => {
            Some((bumped.deployment, event.time))
        }
        _ => None,
    });
    Ok(newest.filter(|(deployment, asked)| {
        state.is_none_or(|state| state.current.revision != deployment.revision && *asked > state.updated_at)
    }))
}
