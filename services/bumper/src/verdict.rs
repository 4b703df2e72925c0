//! Verdicts: what is healthy goes on to the environments after, what is not is taken back and not deployed again.

use anyhow::Context as _;
use ledger::{EnvironmentState, Quarantined};
use proto::{BumpReason, ComponentName, Data, Deployment, EnvironmentName, Event, EventId, HealthReported, Release};
use runtime::{
    Failure, Outcomes,
    config::{Environment, Promotion, Rollback},
};

use crate::{
    Bumper,
    outcome::{Target, Told, Wish},
};

impl Bumper {
    pub(crate) async fn health_reported(&self, event: &Event, report: &HealthReported) -> Result<Outcomes, Failure> {
        let deployment = &report.deployment;
        let (name, environment) = (&deployment.app, &deployment.environment);
        let configured = self.config.apps.get(name).and_then(|app| {
            Some((Target { name, app, gitops: app.gitops.as_ref()? }, app.environments.get(environment)?))
        });
        let Some((target, config)) = configured else {
            return Ok(Outcomes::ignored(format!(
                "the configuration has no environment {environment} of {name} any more"
            )));
        };
        let turn = self.turn(name, environment);
        let _turn = turn.lock().await;
        let mut told = Told::default();
        let asked = if report.healthy {
            target.app.environments_after(environment).collect()
        } else {
            vec![(environment, config)]
        };
        let left = self.tell_late(event, target, asked, &late(event, report), &mut told).await?;
        if told.has_bumps() && left.is_empty() {
            return Ok(told.outcomes());
        }
        let known = self.ledger.environment(name, environment).await.context("asking for the environment")?;
        if let Some(later) = self.superseded(target, deployment, known.as_ref()).await? {
            told.ignored(later);
            return Ok(told.outcomes());
        }
        let last_healthy = known.and_then(|known| known.last_healthy);
        self.note(event, report, last_healthy.clone()).await?;
        if report.healthy {
            self.pardon(event, deployment).await?;
            self.promote(event, target, deployment, left, told).await
        } else {
            self.take_back(event, target, config, report, last_healthy).await
        }
    }

    /// Reports may overtake each other; a verdict over what has already been replaced and judged says nothing about now.
    async fn superseded(
        &self,
        target: Target<'_>,
        deployment: &Deployment,
        known: Option<&EnvironmentState>,
    ) -> Result<Option<String>, Failure> {
        let Some(current) = known.map(|known| &known.current).filter(|c| c.revision != deployment.revision) else {
            return Ok(None);
        };
        let (mine, theirs) = (deployment.revision.clone(), current.revision.clone());
        let is_older = self.repositories.is_before(target.gitops, mine, theirs).await?;
        // A revision the repository does not know any more was rewritten away: the order of arrival is all there is.
        Ok((is_older == Some(true)).then(|| {
            let (old, new) = (deployment.revision.short(), current.revision.short());
            format!("superseded: {} has a verdict over {new} already, which came after {old}", deployment.environment)
        }))
    }

    async fn note(&self, event: &Event, report: &HealthReported, before: Option<Deployment>) -> Result<(), Failure> {
        let current = report.deployment.clone();
        let state = EnvironmentState {
            app: current.app.clone(),
            environment: current.environment.clone(),
            healthy: report.healthy,
            last_healthy: if report.healthy { Some(current.clone()) } else { before },
            current,
            updated_at: event.time,
        };
        Ok(self.ledger.put_environment(&state).await.context("noting the environment's state")?)
    }

    async fn promote(
        &self,
        event: &Event,
        target: Target<'_>,
        verified: &Deployment,
        after: Vec<(&EnvironmentName, &Environment)>,
        mut told: Told,
    ) -> Result<Outcomes, Failure> {
        let from = &verified.environment;
        if verified.reason == BumpReason::Rollback {
            return Ok(Outcomes::ignored(format!(
                "{from} is healthy again after a rollback; a rollback is not promoted"
            )));
        }
        let mut release = verified.release.clone();
        release.retain(|name, _| target.app.components.contains_key(name));
        let barred = self.barred(target.name, &release).await?;
        let mut next = Vec::new();
        for (name, environment) in told.unheld(after) {
            if environment.promotion == Promotion::Manual {
                told.ignored(format!("{name} waits for a person (`promotion: manual`)"));
            } else if let Some(why) = &barred {
                told.ignored(format!("{name} does not get it: {why}"));
            } else {
                next.push((name, environment));
            }
        }
        let (reason, note) = (BumpReason::Promotion, verified.note.clone());
        let wish = Wish { event: event.id, reason, wanted: release, instead_of: None, note };
        self.bump(target, next, &wish, &mut told).await?;
        Ok(told.outcomes())
    }

    async fn take_back(
        &self,
        event: &Event,
        target: Target<'_>,
        config: &Environment,
        report: &HealthReported,
        last_healthy: Option<Deployment>,
    ) -> Result<Outcomes, Failure> {
        let (bad, summary) = (&report.deployment, &report.summary);
        let name = &bad.environment;
        let left = |why: String| Ok(Outcomes::ignored(format!("{name} is unhealthy ({summary}): {why}")));
        if bad.reason == BumpReason::Rollback {
            return left("this was the rollback itself, so nothing is tried on; a human is needed".to_owned());
        }
        self.quarantine(event, report, last_healthy.as_ref()).await?;
        if let Some(why) = &config.hold {
            return left(format!("it is held ({why}), so a person decides; what is bad is not deployed again"));
        }
        if config.rollback == Rollback::Manual {
            return left("`rollback: manual`, so a person decides; what is bad is not deployed again".to_owned());
        }
        let Some(good) = last_healthy else {
            return left(format!("nothing healthy is known to restore in {name}; deploy a good version by hand"));
        };
        let wanted = differing(&good.release, &bad.release);
        if wanted.is_empty() {
            return left(
                "it runs what was last healthy here, so the images are not to blame; a human is needed".to_owned(),
            );
        }
        if let Some(why) = self.barred(target.name, &wanted).await? {
            return left(format!("what was last healthy is no way back: {why}; a human is needed"));
        }
        let instead_of = wanted.keys().filter_map(|name| Some((name.clone(), bad.release.get(name)?.digest.clone())));
        let wish = Wish {
            event: event.id,
            reason: BumpReason::Rollback,
            instead_of: Some(instead_of.collect()),
            wanted,
            note: Some(summary.clone()),
        };
        let mut told = Told::default();
        self.bump(target, vec![(name, config)], &wish, &mut told).await?;
        Ok(told.outcomes())
    }

    /// Lifts what an earlier verdict over the same environment laid on these digests: whatever was wrong there, an
    /// operator mended it and had the deployment judged again.
    async fn pardon(&self, event: &Event, verified: &Deployment) -> Result<(), Failure> {
        for released in verified.release.values() {
            let asked = self.ledger.quarantined(&verified.app, &released.digest).await;
            let Some(entry) = asked.context("asking for quarantined digests")? else { continue };
            if entry.event == event.id || self.judged(entry.event).await?.as_ref() == Some(&verified.environment) {
                self.ledger.pardon(&entry).await.context("lifting a quarantine")?;
            }
        }
        Ok(())
    }

    /// The environment a verdict was over, if the history has it.
    async fn judged(&self, verdict: EventId) -> Result<Option<EnvironmentName>, Failure> {
        let recorded = self.ledger.event(verdict).await.context("asking for an earlier verdict")?;
        let event = recorded.and_then(|recorded| Event::from_message(&recorded.message).ok());
        Ok(event.and_then(|event| match event.data {
            Data::HealthReported(report) => Some(report.deployment.environment),
            _ => None,
        }))
    }

    /// Bars what this deployment brought and what was not healthy here before.
    async fn quarantine(
        &self,
        event: &Event,
        report: &HealthReported,
        last_healthy: Option<&Deployment>,
    ) -> Result<(), Failure> {
        let bad = &report.deployment;
        let was_healthy =
            |name: &ComponentName| last_healthy.and_then(|good| good.release.get(name)).map(|r| &r.digest);
        for (name, released) in bad.release.iter().filter(|(name, _)| bad.changed.contains(name)) {
            if was_healthy(name) == Some(&released.digest) {
                continue;
            }
            let entry = Quarantined {
                app: bad.app.clone(),
                digest: released.digest.clone(),
                reason: format!("unhealthy in {}: {}", bad.environment, report.summary),
                event: event.id,
                at: event.time,
            };
            self.ledger.quarantine(&entry).await.context("noting a bad digest")?;
        }
        Ok(())
    }
}

/// What an earlier run of this verdict's event wished, as far as it is needed to tell of it.
fn late(event: &Event, report: &HealthReported) -> Wish {
    let (reason, note) = if report.healthy {
        (BumpReason::Promotion, report.deployment.note.clone())
    } else {
        (BumpReason::Rollback, Some(report.summary.clone()))
    };
    Wish { event: event.id, reason, wanted: Release::new(), instead_of: None, note }
}

/// What of the good release is not what the bad one has.
fn differing(good: &Release, bad: &Release) -> Release {
    let differs = |name: &ComponentName, digest| bad.get(name).is_some_and(|released| released.digest != digest);
    let parts = good.iter().filter(|(name, released)| differs(name, released.digest.clone()));
    parts.map(|(name, released)| (name.clone(), released.clone())).collect()
}
