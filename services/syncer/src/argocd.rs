//! The Argo CD driver: it asks an Application for one exact revision, and follows it until the answer can be trusted.
//!
//! An operation is begun by writing `.operation`, which Argo CD's controller takes up; there is no other door, and no
//! Argo CD account is needed. Natural key: Application and revision. A second run finds the first one's operation
//! and follows that.

use std::time::Duration;

use kube::api::DynamicObject;
use proto::{Deployment, Event, Timestamp};
use runtime::Failure;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    application::{Application, LastOperation, MARK, REFRESH, Standing, Target},
    cluster::{Change, Cluster},
    sources::Written,
};

/// How long to leave an Application alone that is in somebody else's operation.
const BUSY_AGAIN: Duration = Duration::from_secs(5);
/// When another operation is taken for stuck.
const BUSY_DEADLINE: Duration = Duration::from_hours(1);
/// How long to wait before Argo CD is told to look at the result: it looks by itself, but times are whole seconds, and
/// a look in the same second proves nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(1100);
/// Lost races for one write before the run is given back; the controller writes status several times a sync.
const WRITES: u32 = 10;

/// How long the driver waits for what.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For the operation to end; hooks can take long.
    pub operation: Duration,
    /// For a final health after that.
    pub health: Duration,
    /// How long an Application may be Degraded before that is final: it passes through it, too.
    pub degraded: Duration,
    /// Between two looks at the ledger and the clock while nothing happens.
    pub tick: Duration,
}

impl Default for Patience {
    /// Together below the queue's deadline of an hour.
    fn default() -> Self {
        Self {
            operation: Duration::from_mins(40),
            health: Duration::from_mins(15),
            degraded: Duration::from_secs(30),
            tick: Duration::from_secs(5),
        }
    }
}

/// How a sync ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As asked.
    Succeeded(String),
    /// Not as asked, in the deployer's words.
    Failed(String),
    /// Something newer took its place.
    Superseded(String),
}

/// One sync of one Application.
pub(crate) struct ArgoCd<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'a str,
    pub(crate) event: &'a Event,
    pub(crate) deployment: &'a Deployment,
    pub(crate) patience: &'a Patience,
}

#[derive(Debug, Default, PartialEq)]
enum Recheck {
    #[default]
    NotAsked,
    Asked,
    /// The annotation was seen; it goes away when the refresh is done.
    Seen,
    Done,
}

/// What is known while an operation is followed.
#[derive(Default)]
struct Progress {
    /// How far a hard refresh has come that was asked for after the revision was applied.
    recheck: Recheck,
    /// Since when the revision is applied.
    applied: Option<Instant>,
    /// When Argo CD was last told to look at the result.
    told: Option<Instant>,
    degraded: Option<Instant>,
}

impl ArgoCd<'_> {
    /// Brings the Application to the revision. `newer` says whether the environment has been asked for something
    /// newer meanwhile.
    pub(crate) async fn sync<F>(&self, newer: impl Fn() -> F) -> Result<Ended, Failure>
    where
        F: Future<Output = Result<Option<String>, Failure>>,
    {
        let Some(object) = self.cluster.read(self.name).await? else {
            return Err(self.missing());
        };
        let before = read(&object)?.last_operation();
        self.warn_of_other_sources(&read(&object)?);
        let asked = self.ask(object).await?;
        self.follow(asked, before.as_ref(), newer).await
    }

    fn target(&self) -> Target {
        let mark = format!("{}/{}", self.event.id, self.event.replay);
        Target { revision: self.deployment.revision.to_string(), mark }
    }

    /// No verdict over the revision: nothing was applied, and the images are not to blame.
    fn missing(&self) -> Failure {
        let (name, namespace) = (self.name, self.cluster.namespace());
        Failure::permanent(format!(
            "there is no Argo CD Application `{name}` in namespace `{namespace}`; create it, or mend `sync.argocd` or `kubernetes.argocd_namespace`"
        ))
    }

    fn written(&self) -> Written<'_> {
        Written { repository: &self.deployment.repository, branch: &self.deployment.branch }
    }

    /// An Application of another repository would never see the revision, which Argo CD says itself, only later; one of
    /// another branch goes back to that whenever it syncs by itself.
    fn warn_of_other_sources(&self, application: &Application) {
        if let Some(why) = self.written().unseen(application.sources()) {
            warn!(
                application = self.name,
                "the Application `{}` does not follow what Windlass writes: {why}", self.name
            );
        }
    }

    /// Begins the operation, unless one for the revision is there: the Application after that.
    async fn ask(&self, mut object: DynamicObject) -> Result<DynamicObject, Failure> {
        let target = self.target();
        for _ in 0..WRITES {
            let application = read(&object)?;
            match application.standing(&target, false) {
                Standing::Busy { revision, since } => return Err(self.busy(&revision, since)),
                // An operation that Argo CD itself could not do is asked for once more.
                Standing::Idle | Standing::Erred(_) => {}
                _ => return Ok(object),
            }
            let patch = self.operation(&application, &object, &target);
            if let Some(asked) = self.cluster.patch(self.name, &patch).await? {
                debug!(application = self.name, revision = target.revision, "the sync has been asked for");
                return Ok(asked);
            }
            let Some(newer) = self.cluster.read(self.name).await? else {
                return Err(self.missing());
            };
            object = newer;
        }
        Err(Failure::transient(format!("Application `{}`: {WRITES} writes in a row met a newer version", self.name)))
    }

    fn busy(&self, revision: &str, since: Option<Timestamp>) -> Failure {
        let stuck = since.filter(|since| Timestamp::now().duration_since(*since).unsigned_abs() > BUSY_DEADLINE);
        let name = self.name;
        match stuck {
            Some(since) => Failure::permanent(format!(
                "another operation of Application `{name}`, of revision {revision}, runs since {since}; end it with `argocd app terminate-op {name}`"
            )),
            None => Failure::NotYet {
                after: BUSY_AGAIN,
                reason: format!("Application `{name}` is in another operation, of revision {revision}"),
            },
        }
    }

    /// A hard refresh and the operation in one write, which fails when anybody wrote before it.
    fn operation(&self, application: &Application, object: &DynamicObject, target: &Target) -> Value {
        let policy = application.spec.sync_policy.as_ref();
        let mut sync = json!({ "revision": target.revision });
        if !application.spec.sources.is_empty() {
            sync = json!({ "revisions": self.written().revisions(&application.spec.sources, &target.revision) });
        }
        if policy.and_then(|p| p.automated.as_ref()).is_some_and(|a| a.prune) {
            sync["prune"] = json!(true);
        }
        if let Some(policy) = policy.filter(|p| !p.sync_options.is_empty()) {
            sync["syncOptions"] = json!(policy.sync_options);
        }
        let mut operation = json!({
            "initiatedBy": { "username": "windlass" },
            "info": [{ "name": MARK, "value": target.mark }],
            "sync": sync,
        });
        if let Some(retry) = policy.and_then(|p| p.retry.as_ref()) {
            operation["retry"] = retry.clone();
        }
        json!({
            "metadata": { "resourceVersion": object.metadata.resource_version, "annotations": { REFRESH: "hard" } },
            "operation": operation,
        })
    }

    async fn follow<F>(
        &self,
        mut object: DynamicObject,
        before: Option<&LastOperation>,
        newer: impl Fn() -> F,
    ) -> Result<Ended, Failure>
    where
        F: Future<Output = Result<Option<String>, Failure>>,
    {
        let began = Instant::now();
        let mut changes = self.cluster.follow(self.name, &object);
        let mut progress = Progress::default();
        loop {
            let application = read(&object)?;
            progress.observe(&application);
            let standing = application.standing(&self.target(), progress.recheck == Recheck::Done);
            if let Some(kind) = progress.look_again(&standing) {
                self.refresh(kind).await?;
            }
            let tick = if matches!(standing, Standing::Unseen | Standing::Elsewhere) {
                LOOK_AGAIN.min(self.patience.tick)
            } else {
                self.patience.tick
            };
            if let Some(ended) = self.ended(&application, standing, before, began, &mut progress)? {
                return match ended {
                    Ended::Failed(words) => Ok(newer().await?.map_or(Ended::Failed(words), Ended::Superseded)),
                    other => Ok(other),
                };
            }
            if progress.applied.is_some()
                && let Some(newer) = newer().await?
            {
                return Ok(Ended::Superseded(newer));
            }
            match changes.next(tick).await? {
                Change::Now(now) => object = *now,
                Change::Gone => {
                    return Err(Failure::permanent(format!("Application `{}` was deleted amid the sync", self.name)));
                }
                Change::Quiet => {}
            }
        }
    }

    /// Tells Argo CD to look again; the watch shows when it has.
    async fn refresh(&self, kind: &str) -> Result<(), Failure> {
        let patch = json!({ "metadata": { "annotations": { REFRESH: kind } } });
        self.cluster.patch(self.name, &patch).await.map(drop)
    }

    fn ended(
        &self,
        application: &Application,
        standing: Standing,
        before: Option<&LastOperation>,
        began: Instant,
        progress: &mut Progress,
    ) -> Result<Option<Ended>, Failure> {
        let patience = self.patience;
        if !matches!(standing, Standing::Degraded(_)) {
            progress.degraded = None;
        }
        let too_late =
            progress.applied.map_or(began.elapsed() > patience.operation, |at| at.elapsed() > patience.health);
        let ended = match standing {
            Standing::Healthy(words) => Some(Ended::Succeeded(words)),
            Standing::Failed(words) => Some(Ended::Failed(words)),
            // No verdict over the revision: the images are not to blame for what Argo CD cannot read or render.
            Standing::Erred(words) => {
                return Err(Failure::transient(format!("Argo CD could not sync Application `{}`: {words}", self.name)));
            }
            Standing::Degraded(words) => {
                let since = *progress.degraded.get_or_insert_with(Instant::now);
                (since.elapsed() >= patience.degraded).then(|| Ended::Failed(format!("synced but Degraded: {words}")))
            }
            // Its controller's fault and not the revision's; the next run takes it up from here.
            Standing::Unseen | Standing::Elsewhere if too_late => {
                let (name, seconds) = (self.name, patience.health.as_secs());
                return Err(Failure::transient(format!(
                    "Application `{name}` is synced, but Argo CD did not look at the result within {seconds} s; is its application controller well?"
                )));
            }
            Standing::Settling(words) if too_late => {
                let seconds = patience.health.as_secs();
                Some(Ended::Failed(format!("synced but not healthy within {seconds} s: {words}")))
            }
            Standing::Syncing if too_late => {
                let seconds = patience.operation.as_secs();
                Some(Ended::Failed(format!(
                    "the operation of Application `{}` still runs after {seconds} s",
                    self.name
                )))
            }
            Standing::Idle | Standing::Busy { .. } => Some(self.displaced(application, before)?),
            Standing::Settling(_) | Standing::Syncing | Standing::Unseen | Standing::Elsewhere => None,
        };
        Ok(ended)
    }

    /// Our operation is neither waiting nor the last one any more: another came over it, or it was withdrawn.
    fn displaced(&self, application: &Application, before: Option<&LastOperation>) -> Result<Ended, Failure> {
        if application.last_operation().as_ref() == before && application.operation.is_none() {
            return Err(Failure::transient(format!(
                "the operation written to Application `{}` was withdrawn",
                self.name
            )));
        }
        Ok(Ended::Superseded(application.operated_revision()))
    }
}

impl Progress {
    /// Follows the annotation through the watch, whose order is the order of what happened.
    fn observe(&mut self, application: &Application) {
        match (&self.recheck, application.is_refreshing()) {
            (Recheck::Asked, true) => self.recheck = Recheck::Seen,
            (Recheck::Seen, false) => self.recheck = Recheck::Done,
            _ => {}
        }
    }

    /// Which refresh to ask for now, if any: a hard one when Argo CD compares with another revision, for the one it
    /// keeps may be old; a plain one when it has not looked since.
    fn look_again(&mut self, standing: &Standing) -> Option<&'static str> {
        let applied = match standing {
            Standing::Unseen | Standing::Elsewhere | Standing::Settling(_) | Standing::Degraded(_) => {
                *self.applied.get_or_insert_with(Instant::now)
            }
            _ => return None,
        };
        let long_ago = |told: Option<Instant>| told.is_none_or(|told| told.elapsed() >= LOOK_AGAIN);
        let kind = match standing {
            Standing::Elsewhere if long_ago(self.told) => "hard",
            Standing::Unseen if long_ago(self.told.or(Some(applied))) => "normal",
            _ => return None,
        };
        if kind == "hard" {
            self.recheck = Recheck::Asked;
        }
        self.told = Some(Instant::now());
        Some(kind)
    }
}

pub(crate) fn read(object: &DynamicObject) -> Result<Application, Failure> {
    let value = serde_json::to_value(object).map_err(|e| Failure::permanent(format!("an Application: {e}")))?;
    let name = object.metadata.name.clone().unwrap_or_default();
    serde_json::from_value(value)
        .map_err(|e| Failure::permanent(format!("Application `{name}` has a form unknown here: {e}")))
}
