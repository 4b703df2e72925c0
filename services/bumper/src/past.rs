//! What the history says of an environment.

use anyhow::Context as _;
use ledger::{Chain, EventFilter};
use proto::{AppName, Data, Deployment, EnvironmentName, Event, EventType};
use runtime::Failure;

use crate::Bumper;

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
        let last = chain.place(environment).and_then(|place| place.healthy.clone());
        let kind = Some(EventType::HealthReported);
        let filter = EventFilter { kind, app: Some(app.clone()), limit: HISTORY, ..EventFilter::default() };
        let recorded = self.ledger.events(&filter).await.context("asking for the history")?;
        let events = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
        let healthy = events.filter_map(|event| match event.data {
            Data::HealthReported(report) if report.healthy => Some(report.deployment),
            _ => None,
        });
        Ok(last.into_iter().chain(healthy).filter(|good| good.environment == *environment).collect())
    }
}
