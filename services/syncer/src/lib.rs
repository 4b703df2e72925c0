//! Brings environments to the revisions their manifests were bumped to: through Argo CD, or by a command.
//!
//! It says how the sync ended, in the deployer's own words, and judges nothing beyond that: whether the deployment is
//! good is the prober's verdict. It never writes to the GitOps repository, and never goes back behind a revision that
//! the environment has been asked for later.

mod application;
mod argocd;
mod cluster;
mod command;
mod sources;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use proto::{AppName, Data, Deployment, EnvironmentName, Event, SyncFinished, WorkerName};
use runtime::{Config, Context, Failure, Outcomes, Worker, config, order, programs::Needed, workspace};
use tokio::{
    sync::{Mutex as AsyncMutex, OnceCell, OwnedMutexGuard},
    time::timeout,
};

pub use argocd::Patience;

use argocd::{ArgoCd, Ended};
use cluster::Cluster;
use sources::Written;

/// How Argo CD's Application of a name looks from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// There is none.
    Missing,
    /// It follows what is written, as far as can be told.
    Follows,
    /// It does not, and what it follows instead.
    Elsewhere(String),
}

/// How the Application of this name looks to the configured account, if this is what is written for it.
pub async fn look(settings: &config::Kubernetes, name: &str, written: &config::Gitops) -> Result<Look, Failure> {
    let Some(object) = Cluster::connect(settings).await?.read(name).await? else { return Ok(Look::Missing) };
    let written = Written { repository: &written.repository, branch: &written.branch };
    let unseen = written.unseen(argocd::read(&object)?.sources());
    Ok(unseen.map_or(Look::Follows, Look::Elsewhere))
}

/// One at a time in each environment.
type Turns = HashMap<(AppName, EnvironmentName), Arc<AsyncMutex<()>>>;

/// The worker.
pub struct Syncer {
    ctx: Context,
    patience: Patience,
    cluster: OnceCell<Cluster>,
    turns: Mutex<Turns>,
}

impl Syncer {
    /// A syncer with the usual patience.
    pub fn new(ctx: &Context) -> anyhow::Result<Self> {
        Self::with_patience(ctx, Patience::default())
    }

    /// A syncer that waits so long for Argo CD.
    pub fn with_patience(ctx: &Context, patience: Patience) -> anyhow::Result<Self> {
        workspace::clean(&ctx.folder("workspaces")?)?;
        Ok(Self { ctx: ctx.clone(), patience, cluster: OnceCell::new(), turns: Mutex::default() })
    }

    fn environment(&self, deployment: &Deployment) -> Option<&config::Environment> {
        self.ctx.config.apps.get(&deployment.app)?.environments.get(&deployment.environment)
    }

    /// Waits until the environment is free; the newer revision it has been asked for meanwhile, if it has. One that
    /// is superseded does not wait on: those who wait would take the places of other environments.
    async fn turn(
        &self,
        event: &Event,
        deployment: &Deployment,
    ) -> Result<Result<OwnedMutexGuard<()>, String>, Failure> {
        let key = (deployment.app.clone(), deployment.environment.clone());
        let turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let mut free = pin!(turn.lock_owned());
        loop {
            let mine = timeout(self.patience.tick, &mut free).await.ok();
            match (self.newer(event, deployment).await?, mine) {
                (Some(newer), _) => return Ok(Err(newer)),
                (None, Some(mine)) => return Ok(Ok(mine)),
                (None, None) => {}
            }
        }
    }

    /// The revision the environment has been asked for after this event, if it has.
    async fn newer(&self, event: &Event, deployment: &Deployment) -> Result<Option<String>, Failure> {
        let newer = order::newer_revision(&self.ctx.ledger, deployment, event.time).await?;
        Ok(newer.map(String::from))
    }

    async fn sync(&self, event: &Event, deployment: &Deployment, how: &config::Sync) -> Result<Ended, Failure> {
        match how {
            config::Sync::Argocd(name) => {
                let settings = &self.ctx.config.kubernetes;
                let cluster = self.cluster.get_or_try_init(|| Cluster::connect(settings)).await?;
                let argocd = ArgoCd { cluster, name, event, deployment, patience: &self.patience };
                argocd.sync(|| self.newer(event, deployment)).await
            }
            config::Sync::Command(argv) => command::run(&self.ctx, argv, deployment).await,
        }
    }
}

impl Worker for Syncer {
    const NAME: WorkerName = WorkerName::Syncer;

    fn programs(config: &Config) -> Vec<Needed> {
        let mut needed = Vec::new();
        for (name, app) in &config.apps {
            for (environment, configured) in &app.environments {
                let config::Sync::Command(argv) = &configured.sync else { continue };
                let key = format!("apps.{name}.environments.{environment}.sync.command");
                needed.extend(app.gitops.iter().flat_map(|gitops| Needed::for_repository(&gitops.repository, &key)));
                needed.extend(Needed::of(argv, key));
            }
        }
        needed
    }

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let Data::ManifestBumped(bumped) = &event.data else {
            return Ok(Outcomes::ignored(format!("the syncer knows nothing of {}", event.kind())));
        };
        let deployment = &bumped.deployment;
        let (app, name) = (&deployment.app, &deployment.environment);
        let Some(environment) = self.environment(deployment) else {
            return Ok(Outcomes::ignored(format!(
                "`apps.{app}.environments.{name}` is not in the configuration any more"
            )));
        };
        let _turn = match self.turn(event, deployment).await? {
            Ok(turn) => turn,
            Err(newer) => return Ok(superseded(deployment, &newer)),
        };
        let began = Instant::now();
        let (succeeded, message) = match self.sync(event, deployment, &environment.sync).await? {
            Ended::Succeeded(message) => (true, message),
            Ended::Failed(message) => (false, message),
            Ended::Superseded(newer) => return Ok(superseded(deployment, &newer)),
        };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let finished = SyncFinished { deployment: deployment.clone(), succeeded, message, duration_ms };
        Ok(Outcomes::one(name.as_str(), finished))
    }
}

fn superseded(deployment: &Deployment, newer: &str) -> Outcomes {
    let Deployment { app, environment, revision, .. } = deployment;
    Outcomes::ignored(format!("{app}/{environment}: revision {revision} is superseded by revision {newer}"))
}
