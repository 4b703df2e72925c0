//! What people order: an environment taken back to what was healthy there, and a quarantine lifted.
//!
//! An order goes before what events would do, but not past the gates: only what was healthy in the same environment is
//! restored, nothing quarantined is, and the verdict comes after it as after any deployment.

use anyhow::Context as _;
use ledger::{EventFilter, Quarantined};
use proto::{
    AppName, BumpReason, Data, Deployment, EnvironmentName, Event, EventType, QuarantineReleased, Release,
    ReleasedImage, RollbackRequested,
};
use runtime::{Failure, Outcomes};

use crate::{
    Bumper,
    outcome::{Target, Told, Wish},
};

/// How many events of a type and app are looked back at.
const HISTORY: u32 = 1000;
/// The shortest beginning of a revision, commit or digest that names one, as Git has it.
const SHORTEST: usize = 4;

impl Bumper {
    pub(crate) async fn rollback_requested(
        &self,
        event: &Event,
        asked: &RollbackRequested,
    ) -> Result<Outcomes, Failure> {
        let RollbackRequested { app: name, environment, .. } = asked;
        let configured = self.config.apps.get(name).and_then(|app| {
            Some((Target { name, app, gitops: app.gitops.as_ref()? }, app.environments.get(environment)?))
        });
        let Some((target, config)) = configured else {
            return Ok(Outcomes::ignored(format!("the configuration has no environment {environment} of {name}")));
        };
        let turn = self.turn(name, environment);
        let _turn = turn.lock().await;
        let note = Some(format!("{} asked for it: {}", asked.by, asked.reason));
        let (reason, wanted) = (BumpReason::Rollback, Release::new());
        let late = Wish { event: event.id, reason, wanted, instead_of: None, note };
        let mut told = Told::default();
        let left = self.tell_late(event, target, vec![(environment, config)], &late, &mut told).await?;
        if left.is_empty() {
            return Ok(told.outcomes());
        }
        let healthy = self.healthy_before(name, environment).await?;
        let now = self.asked_last(name, environment).await?;
        let mut wanted = match choose(&healthy, now.as_ref(), asked.to.as_deref()) {
            Ok(good) => good.release.clone(),
            Err(why) => return Ok(Outcomes::ignored(format!("{environment} is not taken back: {why}"))),
        };
        wanted.retain(|component, _| target.app.components.contains_key(component));
        if let Some(why) = self.barred(name, &wanted).await? {
            let hint = "see `windlass quarantine release`";
            return Ok(Outcomes::ignored(format!("{environment} is not taken back: {why}; {hint}")));
        }
        if let Some(now) = &now {
            self.bar_what_goes(event, asked, now, &wanted).await?;
        }
        self.bump(target, left, &Wish { wanted, ..late }, &mut told).await?;
        Ok(told.outcomes())
    }

    pub(crate) async fn quarantine_released(
        &self,
        event: &Event,
        released: &QuarantineReleased,
    ) -> Result<Outcomes, Failure> {
        let (app, digest) = (&released.app, &released.digest);
        let entry = self.ledger.quarantined(app, digest).await.context("asking for quarantined digests")?;
        // What was barred after the word was given is not what it was given for.
        let Some(entry) = entry.filter(|entry| entry.at <= event.time) else {
            return Ok(Outcomes::ignored(format!("{} was not in quarantine", digest.short())));
        };
        self.ledger.pardon(&entry).await.context("lifting a quarantine")?;
        Ok(Outcomes::none())
    }

    /// What was healthy in an environment, the last first.
    async fn healthy_before(&self, app: &AppName, environment: &EnvironmentName) -> Result<Vec<Deployment>, Failure> {
        let known = self.ledger.environment(app, environment).await.context("asking for the environment")?;
        let mut healthy: Vec<_> = known.and_then(|known| known.last_healthy).into_iter().collect();
        healthy.extend(self.past(EventType::HealthReported, app).await?.into_iter().filter_map(|data| match data {
            Data::HealthReported(report) if report.healthy => Some(report.deployment),
            _ => None,
        }));
        healthy.retain(|deployment| deployment.environment == *environment);
        Ok(healthy)
    }

    /// What the environment was last asked to run.
    async fn asked_last(&self, app: &AppName, environment: &EnvironmentName) -> Result<Option<Deployment>, Failure> {
        let bumps = self.past(EventType::ManifestBumped, app).await?;
        let mut deployments = bumps.into_iter().filter_map(|data| match data {
            Data::ManifestBumped(bumped) => Some(bumped.deployment),
            _ => None,
        });
        if let Some(last) = deployments.find(|deployment| deployment.environment == *environment) {
            return Ok(Some(last));
        }
        let known = self.ledger.environment(app, environment).await.context("asking for the environment")?;
        Ok(known.map(|known| known.current))
    }

    async fn past(&self, kind: EventType, app: &AppName) -> Result<Vec<Data>, Failure> {
        let filter = EventFilter { kind: Some(kind), app: Some(app.clone()), limit: HISTORY, ..EventFilter::default() };
        let recorded = self.ledger.events(&filter).await.context("asking for the history")?;
        let events = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
        Ok(events.map(|event| event.data).collect())
    }

    /// Bars what is taken back from every environment, or the next event would bring it again.
    async fn bar_what_goes(
        &self,
        event: &Event,
        asked: &RollbackRequested,
        now: &Deployment,
        wanted: &Release,
    ) -> Result<(), Failure> {
        let goes = |name, released: &ReleasedImage| {
            wanted.get(name).is_some_and(|stays: &ReleasedImage| stays.digest != released.digest)
        };
        for (_, released) in now.release.iter().filter(|(name, released)| goes(name, released)) {
            let entry = Quarantined {
                app: asked.app.clone(),
                digest: released.digest.clone(),
                reason: format!("taken back from {} by {}: {}", asked.environment, asked.by, asked.reason),
                event: event.id,
                at: event.time,
            };
            self.ledger.quarantine(&entry).await.context("noting a digest that is taken back")?;
        }
        Ok(())
    }
}

/// What to restore, of what was healthy, the last first: what is named, or the last that is not what is asked for now.
fn choose<'a>(healthy: &'a [Deployment], now: Option<&Deployment>, to: Option<&str>) -> Result<&'a Deployment, String> {
    if healthy.is_empty() {
        return Err("nothing is known to have been healthy there; deploy a good version by hand".to_owned());
    }
    let Some(to) = to else {
        let other = |good: &&Deployment| now.is_none_or(|now| !same(&good.release, &now.release));
        return healthy.iter().find(other).ok_or_else(|| {
            "nothing else than what it runs is known to have been healthy there; name one by `--to`".to_owned()
        });
    };
    if to.len() < SHORTEST {
        return Err(format!("`{to}` is too short to name anything; write at least {SHORTEST} characters"));
    }
    healthy.iter().find(|good| is_named(good, to)).ok_or_else(|| {
        let known: Vec<_> = healthy.iter().take(5).map(|good| good.revision.short()).collect();
        format!("`{to}` names nothing that was healthy there; the last that were: {}", known.join(", "))
    })
}

fn same(one: &Release, other: &Release) -> bool {
    one.iter().all(|(name, released)| other.get(name).is_none_or(|o| o.digest == released.digest))
}

/// Whether a GitOps revision, a source commit or a digest of it begins so.
fn is_named(deployment: &Deployment, to: &str) -> bool {
    let digest = to.strip_prefix("sha256:").unwrap_or(to);
    deployment.revision.as_str().starts_with(to)
        || deployment.release.values().any(|released| {
            released.commit.as_ref().is_some_and(|commit| commit.as_str().starts_with(to))
                || released.digest.as_str().strip_prefix("sha256:").is_some_and(|hex| hex.starts_with(digest))
        })
}
