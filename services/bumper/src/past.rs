//! What the history says of an environment.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use ledger::{Chain, EventFilter, Ledger, LedgerError};
use proto::{AppName, ComponentName, Data, Deployment, Digest, EnvironmentName, Event, EventType, Release, Timestamp};
use runtime::Failure;

use crate::{Bumper, chain::choose};

/// How many verdicts of an app are looked back at.
const HISTORY: u32 = 1000;

impl Bumper {
    /// What was healthy in an environment, the last first.
    pub(crate) async fn healthy_before(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        chain: &Chain,
    ) -> Result<Vec<Deployment>, Failure> {
        Ok(healthy(&self.ledger, app, environment, chain).await.context("asking for the history")?)
    }
}

/// Why a rollback to what is named so would restore nothing, if it would not: what the bumper would answer to it.
pub async fn why_not_restored(
    ledger: &Ledger,
    app: &AppName,
    environment: &EnvironmentName,
    to: &str,
) -> Result<Option<String>, LedgerError> {
    let (_, chain) = ledger.chain(app).await?;
    let healthy = healthy(ledger, app, environment, &chain).await?;
    let now = chain.place(environment).and_then(|place| place.asked.as_ref()).map(|asked| &asked.deployment);
    Ok(choose(&healthy, now, Some(to)).err())
}

/// A release that was healthy in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Restorable {
    /// When it was found so, the last time.
    pub at: Timestamp,
    /// As it was deployed.
    pub deployment: Deployment,
    /// Why it cannot be restored as things are, if it cannot.
    pub barred: Option<String>,
}

/// What a rollback may name: every release that was healthy in an environment and is not what it is asked for now, the
/// last first.
pub async fn restorable(
    ledger: &Ledger,
    app: &AppName,
    environment: &EnvironmentName,
) -> Result<Vec<Restorable>, LedgerError> {
    let (_, chain) = ledger.chain(app).await?;
    let now = chain.place(environment).and_then(|place| place.asked.as_ref()).map(|asked| &asked.deployment.release);
    let mut seen: BTreeSet<_> = now.map(digests).into_iter().collect();
    let mut found = found_healthy(ledger, app, environment).await?;
    found.retain(|(_, good)| seen.insert(digests(&good.release)));
    let restorable = |(at, deployment): (Timestamp, Deployment)| {
        let barred = chain.why_barred(&deployment.release);
        Restorable { at, deployment, barred }
    };
    Ok(found.into_iter().map(restorable).collect())
}

fn digests(release: &Release) -> BTreeMap<ComponentName, Digest> {
    release.iter().map(|(name, image)| (name.clone(), image.digest.clone())).collect()
}

async fn healthy(
    ledger: &Ledger,
    app: &AppName,
    environment: &EnvironmentName,
    chain: &Chain,
) -> Result<Vec<Deployment>, LedgerError> {
    let last = chain.place(environment).and_then(|place| place.healthy.clone());
    let last = last.into_iter().filter(|good| good.environment == *environment);
    let found = found_healthy(ledger, app, environment).await?;
    Ok(last.chain(found.into_iter().map(|(_, good)| good)).collect())
}

/// Every deployment of the last verdicts that was healthy there, the last first, and when it was found so.
async fn found_healthy(
    ledger: &Ledger,
    app: &AppName,
    environment: &EnvironmentName,
) -> Result<Vec<(Timestamp, Deployment)>, LedgerError> {
    let kind = Some(EventType::HealthReported);
    let filter = EventFilter { kind, app: Some(app.clone()), limit: HISTORY, ..EventFilter::default() };
    let recorded = ledger.events(&filter).await?;
    let events = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
    let healthy = events.filter_map(|event| match event.data {
        Data::HealthReported(report) if report.healthy => Some((event.time, report.deployment)),
        _ => None,
    });
    Ok(healthy.filter(|(_, good)| good.environment == *environment).collect())
}
