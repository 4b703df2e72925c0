//! What the history says of an environment.

use anyhow::Context as _;
use ledger::{Chain, EventFilter, Ledger, LedgerError};
use proto::{AppName, Data, Deployment, EnvironmentName, Event, EventType};
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

async fn healthy(
    ledger: &Ledger,
    app: &AppName,
    environment: &EnvironmentName,
    chain: &Chain,
) -> Result<Vec<Deployment>, LedgerError> {
    let last = chain.place(environment).and_then(|place| place.healthy.clone());
    let kind = Some(EventType::HealthReported);
    let filter = EventFilter { kind, app: Some(app.clone()), limit: HISTORY, ..EventFilter::default() };
    let recorded = ledger.events(&filter).await?;
    let events = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
    let healthy = events.filter_map(|event| match event.data {
        Data::HealthReported(report) if report.healthy => Some(report.deployment),
        _ => None,
    });
    Ok(last.into_iter().chain(healthy).filter(|good| good.environment == *environment).collect())
}
