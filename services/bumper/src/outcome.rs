//! From what became of an ask to what is told of it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures_util::future::join_all;
use proto::{
    AppName, BumpReason, ComponentName, Deployment, Digest, EnvironmentName, Event, EventId, ImageName, ManifestBumped,
    Release, ReleasedImage, WorkerName,
};
use runtime::{
    Failure, Outcomes,
    config::{App, Environment, Gitops, TagRule},
    oci::OciError,
};

use crate::{
    Bumper,
    edit::Ask,
    image::Reference,
    repo::{Answer, Landed},
};

/// An app and where it is deployed from.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'a AppName,
    pub(crate) app: &'a App,
    pub(crate) gitops: &'a Gitops,
}

/// What one environment is to run, and why.
pub(crate) struct Wish {
    pub(crate) event: EventId,
    pub(crate) reason: BumpReason,
    pub(crate) wanted: Release,
    pub(crate) instead_of: Option<BTreeMap<ComponentName, Digest>>,
    pub(crate) note: Option<String>,
}

/// Bumps and no-ops of several environments, told as one answer.
#[derive(Default)]
pub(crate) struct Told {
    bumps: Outcomes,
    reasons: Vec<String>,
}

impl Told {
    pub(crate) fn ignored(&mut self, reason: String) {
        self.reasons.push(reason);
    }

    pub(crate) fn has_bumps(&self) -> bool {
        self.bumps.iter().next().is_some()
    }

    /// Those that nobody holds; of the others it is said who does not get it, and what then.
    pub(crate) fn unheld<'e>(
        &mut self,
        environments: Vec<(&'e EnvironmentName, &'e Environment)>,
    ) -> Vec<(&'e EnvironmentName, &'e Environment)> {
        let (held, free): (Vec<_>, _) = environments.into_iter().partition(|(_, config)| config.hold.is_some());
        for (name, why) in held.into_iter().filter_map(|(name, config)| Some((name, config.hold.as_ref()?))) {
            let hint = "once `hold` is taken away, `windlass events replay` the event this came of";
            self.ignored(format!("{name} is held ({why}) and left as it is; {hint}"));
        }
        free
    }

    fn bumped(&mut self, deployment: Deployment) {
        let subject = deployment.environment.to_string();
        self.bumps = std::mem::take(&mut self.bumps).and(subject, ManifestBumped { deployment });
    }

    /// An event has one `event.ignored` at most, so the reasons share it.
    pub(crate) fn outcomes(self) -> Outcomes {
        if self.reasons.is_empty() { self.bumps } else { self.bumps.with(Outcomes::ignored(self.reasons.join("; "))) }
    }
}

impl Bumper {
    /// Has these environments' files ask for what is wished, all at once, so that they share a push. One that fails
    /// does not hold up the others; the event then fails, and is handled again.
    pub(crate) async fn bump(
        &self,
        target: Target<'_>,
        environments: Vec<(&EnvironmentName, &Environment)>,
        wish: &Wish,
        told: &mut Told,
    ) -> Result<(), Failure> {
        let all = environments.into_iter().map(|environment| self.bump_one(target, environment, wish));
        for answer in join_all(all).await {
            match answer? {
                Ok(deployment) => told.bumped(deployment),
                Err(reason) => told.ignored(reason),
            }
        }
        Ok(())
    }

    /// What an earlier run of this event changed, and died before it could tell, is told now: whatever has come since
    /// then, the commit is there. Returns the environments it did not come to.
    pub(crate) async fn tell_late<'e>(
        &self,
        event: &Event,
        target: Target<'_>,
        environments: Vec<(&'e EnvironmentName, &'e Environment)>,
        wish: &Wish,
        told: &mut Told,
    ) -> Result<Vec<(&'e EnvironmentName, &'e Environment)>, Failure> {
        if !self.was_begun(event).await? {
            return Ok(environments);
        }
        let mut left = Vec::new();
        for (name, config) in environments {
            let ask = ask(target, (name, config), wish);
            match self.repositories.landed(target.gitops, ask.clone()).await? {
                Some(landed) => told.bumped(self.deployment(target, ask, landed).await),
                None => left.push((name, config)),
            }
        }
        Ok(left)
    }

    /// Whether an earlier run of this event may have got halfway. A replay is no such run: what an earlier one did
    /// has been told, and is asked for once more.
    async fn was_begun(&self, event: &Event) -> Result<bool, Failure> {
        let runs = self.ledger.runs(event.id).await.context("asking for earlier runs")?;
        let again = |run: &ledger::Run| run.worker == WorkerName::Bumper && run.replay == 0 && run.attempts > 1;
        Ok(event.replay == 0 && runs.iter().any(again))
    }

    /// The deployment, or why there is rightly none.
    async fn bump_one(
        &self,
        target: Target<'_>,
        environment: (&EnvironmentName, &Environment),
        wish: &Wish,
    ) -> Result<Result<Deployment, String>, Failure> {
        let (name, ask) = (environment.0, ask(target, environment, wish));
        Ok(match self.repositories.bump(target.gitops, ask.clone()).await? {
            Answer::Landed(landed) => Ok(self.deployment(target, ask, landed).await),
            Answer::Same(head) => Err(format!("{name} already asks for it, as of {}", head.short())),
            Answer::MovedOn(now) => Err(format!("the manifest of {name} has moved on to {now}; it is left as it is")),
            Answer::Older(why) => Err(format!("{name} is left as it is: {why}")),
        })
    }

    async fn deployment(&self, target: Target<'_>, ask: Ask, landed: Landed) -> Deployment {
        let mut release = Release::new();
        for (name, value) in landed.values {
            let Some(image) = ask.components.get(&name) else { continue };
            let wanted =
                ask.wanted.get(&name).filter(|w| Reference::parse(&value).proper_digest().as_ref() == Some(&w.digest));
            let released = match wanted {
                Some(wanted) => Some(wanted.clone()),
                None => self.read_back(image, &value).await,
            };
            release.extend(released.map(|released| (name, released)));
        }
        Deployment {
            app: ask.app,
            environment: ask.environment,
            repository: runtime::git::without_userinfo(&target.gitops.repository),
            branch: target.gitops.branch.clone(),
            path: ask.path,
            revision: landed.revision,
            release,
            changed: landed.changed,
            reason: ask.reason,
            previous: landed.previous,
            note: ask.note,
        }
    }

    /// What a value somebody else wrote stands for, as far as it says so itself or the registry knows.
    async fn read_back(&self, image: &ImageName, value: &str) -> Option<ReleasedImage> {
        let reference = Reference::parse(value);
        let tag = reference.tag.map(ToOwned::to_owned);
        if let (Some(digest), Some(commit)) = (reference.proper_digest(), reference.commit()) {
            return Some(ReleasedImage { image: image.clone(), tag, digest, commit: Some(commit) });
        }
        let asked = reference.digest.or(reference.tag).unwrap_or("latest");
        let resolved = match self.registries.resolve(image, asked).await {
            Ok(resolved) => resolved,
            Err(why) => {
                tracing::info!(value, %why, "the release is told without what the registry knows of this image");
                None
            }
        };
        let commit = resolved.as_ref().and_then(|r| r.revision.clone()).or(reference.commit());
        let digest = reference.proper_digest().or(resolved.map(|r| r.digest))?;
        Some(ReleasedImage { image: image.clone(), tag, digest, commit })
    }

    /// Why this release must not be deployed, if one of its digests is barred.
    pub(crate) async fn barred(&self, app: &AppName, release: &Release) -> Result<Option<String>, Failure> {
        for (name, released) in release {
            let entry =
                self.ledger.quarantined(app, &released.digest).await.context("asking for quarantined digests")?;
            if let Some(entry) = entry {
                let (digest, at, reason) = (released.digest.short(), entry.at, entry.reason);
                return Ok(Some(format!("{name}@{digest} is quarantined since {at}: {reason}")));
            }
        }
        Ok(None)
    }
}

/// What is asked of one environment's files.
fn ask(target: Target<'_>, (name, config): (&EnvironmentName, &Environment), wish: &Wish) -> Ask {
    Ask {
        app: target.name.clone(),
        environment: name.clone(),
        path: config.path.as_str().to_owned(),
        event: wish.event,
        reason: wish.reason,
        components: target.app.components.iter().map(|(name, c)| (name.clone(), c.image.clone())).collect(),
        wanted: wish.wanted.clone(),
        instead_of: wish.instead_of.clone(),
        rules: rules(target.app, name, wish),
        note: wish.note.clone(),
    }
}

/// New images do not come over newer ones; what is promoted or restored was chosen by its health.
fn rules(app: &App, environment: &EnvironmentName, wish: &Wish) -> BTreeMap<ComponentName, TagRule> {
    let components = wish.wanted.keys().filter(|_| wish.reason == BumpReason::Deploy);
    let rule = |component: &ComponentName| app.tag_rule(environment, component).map(|nearest| nearest.rule.clone());
    components.filter_map(|component| Some((component.clone(), rule(component)?))).collect()
}

/// What a registry's error means for the delivery.
pub(crate) fn failure(error: OciError) -> Failure {
    match error {
        OciError::RateLimited { retry_after: Some(after), .. } => {
            Failure::NotYet { after: after.min(std::time::Duration::from_mins(10)), reason: error.to_string() }
        }
        error if error.is_transient() => Failure::Transient(error.into()),
        error => Failure::Permanent(error.into()),
    }
}
