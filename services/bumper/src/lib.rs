//! The bumper: decides what an environment is to run, and has its GitOps repository ask for it.
//!
//! A new image comes to the first environments; what is healthy goes on to the environments after; what is not is
//! taken back and remembered. All of that is decided in [`chain`], as pure functions. It talks to registries (what a
//! tag stands for), to source repositories (which of two commits is older) and to GitOps repositories, never to a
//! cluster. It believes no payload: a digest is what the registry says now, and whether something is already there, or
//! still there, is decided on the repository's state at the moment of the edit.

mod behind;
mod carry;
pub mod chain;
mod clones;
mod commit;
mod edit;
mod follow;
#[cfg(test)]
mod fuzz;
mod image;
mod outcome;
mod past;
#[cfg(test)]
mod property;
mod propose;
mod recall;
mod release;
mod repo;
mod run;
mod source;
mod stood;
mod tree;
mod whole;
mod write;
mod yaml;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use ledger::Ledger;
pub use past::{Restorable, restorable, why_not_restored};
use propose::Hosts;
use proto::{AppName, Data, Event, WorkerName};
use recall::Looks;
use repo::{Repositories, Style};
use run::Input;
use runtime::{
    Config, Context, Failure, Outcomes, Worker,
    config::{self, App},
    oci::Registries,
    programs::Needed,
    workspace,
};
use source::Sources;

/// Who holds it, decides and has it written.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// The worker.
pub struct Bumper {
    config: Arc<Config>,
    ledger: Ledger,
    registries: Registries,
    repositories: Repositories,
    sources: Sources,
    hosts: Hosts,
    /// Steps of one app's chain are taken one after the other: each builds on what the one before left.
    turns: Mutex<HashMap<AppName, Turn>>,
    looks: Looks,
}

impl Bumper {
    /// Clones are kept in `gitops` and `sources` below the data folder.
    pub fn new(context: &Context) -> anyhow::Result<Self> {
        let config::Git { author, message, .. } = &context.config.git;
        let style = Style { author: author.clone(), first: message.clone() };
        let (sources, workspaces) = (context.folder("sources")?, context.folder("compared")?);
        workspace::clean(&workspaces).context("removing old workspaces")?;
        Ok(Self {
            config: Arc::clone(&context.config),
            ledger: context.ledger.clone(),
            registries: context.registries.clone(),
            hosts: Hosts::new(&context.config, &context.http, &context.git)?,
            repositories: Repositories::new(context.git.clone(), style, context.folder("gitops")?),
            sources: Sources::new(context.git.clone(), sources, workspaces),
            turns: Mutex::default(),
            looks: Looks::default(),
        })
    }

    fn turn(&self, app: &AppName) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(app.clone()).or_default())
    }
}

impl Worker for Bumper {
    const NAME: WorkerName = WorkerName::Bumper;

    fn programs(config: &Config) -> Vec<Needed> {
        let of_app = |(name, app): (&AppName, &App)| {
            let Some(gitops) = &app.gitops else { return Vec::new() };
            let (source, keys) =
                (app.clone_url(), [format!("apps.{name}.gitops.repository"), format!("apps.{name}.repository")]);
            let written = Needed::for_repository(&gitops.repository, &keys[0]);
            written.chain(Needed::for_repository(&source, &keys[1])).collect::<Vec<_>>()
        };
        config.apps.iter().flat_map(of_app).chain(Needed::for_signing(&config.git)).collect()
    }

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        match &event.data {
            Data::ImagePushed(pushed) => self.image_pushed(event, pushed).await,
            Data::ImageBuilt(built) => self.image_built(event, built).await,
            Data::HealthReported(report) => self.step(event, Input::Verdict(report)).await,
            Data::ReleaseWaiting(waiting) => self.step(event, Input::Waiting(waiting)).await,
            Data::ApprovalGranted(granted) => self.step(event, Input::Granted(granted)).await,
            Data::ApprovalRejected(rejected) => self.step(event, Input::Rejected(rejected)).await,
            Data::HoldChanged(change) => self.step(event, Input::Hold(change)).await,
            Data::RollbackRequested(asked) => self.step(event, Input::Rollback(asked)).await,
            Data::QuarantineReleased(released) => self.step(event, Input::Released(released)).await,
            Data::FixSettled(settled) => self.step(event, Input::Settled(settled)).await,
            other => Ok(Outcomes::ignored(format!("the bumper does not act on {}", other.kind()))),
        }
    }
}
