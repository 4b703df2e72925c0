//! The builder: runs a commit's test steps when it is pushed, and builds its images once it is scanned.
//!
//! A red step and a Dockerfile that fails are outcomes; a registry that is down, or a program that is not installed,
//! is a failure. Each run has a checkout of its own that is gone afterwards. Nothing here decides what is deployed.

mod auth;
mod branch;
mod changed;
mod command;
mod containers;
mod driver;
mod images;
mod inside;
mod reuse;
mod steps;
mod unchanged;
mod worth;

use anyhow::Context as _;
use proto::{Data, Event, ScanFinished, WorkerName};
use runtime::{Config, Context, Failure, Outcomes, Worker, config::App, programs::Needed, workspace};

/// The builder.
pub struct Builder {
    context: Context,
    folders: Folders,
    /// Held from asking what a branch's tag stands for until it is set: of two builds that end together, the older
    /// must not set it last.
    tagging: tokio::sync::Mutex<()>,
}

/// Where it works, below the data folder.
struct Folders {
    workspaces: std::path::PathBuf,
    logs: std::path::PathBuf,
    homes: std::path::PathBuf,
}

impl Builder {
    /// A builder; it removes what earlier ones left when they were killed.
    pub fn new(context: &Context) -> anyhow::Result<Self> {
        let folders = Folders {
            workspaces: context.folder("workspaces")?,
            logs: context.folder("logs")?,
            homes: context.folder("homes")?,
        };
        workspace::clean(&folders.workspaces).context("removing old workspaces")?;
        Ok(Self { context: context.clone(), folders, tagging: tokio::sync::Mutex::default() })
    }

    async fn scanned(&self, event: &Event, scan: &ScanFinished) -> Result<Outcomes, Failure> {
        let change = &scan.change;
        if !scan.passed {
            return Ok(Outcomes::ignored(format!("no image of {}: its scans failed", change.commit.short())));
        }
        if !change.lane.is_deployed() {
            let reason = format!("no image of {}: `{}` is not a deployed branch", change.commit.short(), change.branch);
            return Ok(Outcomes::ignored(reason));
        }
        images::build(self, event, change).await
    }
}

impl Worker for Builder {
    const NAME: WorkerName = WorkerName::Builder;

    fn programs(config: &Config) -> Vec<Needed> {
        let of_app = |(name, app): (&proto::AppName, &App)| {
            let mut needed: Vec<_> =
                Needed::for_repository(&app.clone_url(), &format!("apps.{name}.repository")).collect();
            needed.extend(app.test.iter().filter_map(|step| Needed::of(&step.run, format!("apps.{name}.test"))));
            let builds = !app.components.is_empty();
            needed.extend(driver::program(&app.build, &format!("apps.{name}.build")).filter(|_| builds));
            needed
        };
        config.apps.iter().flat_map(of_app).collect()
    }

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        match &event.data {
            Data::PushReceived(push) => steps::test(self, event, &push.change).await,
            Data::ScanFinished(scan) => self.scanned(event, scan).await,
            other => Ok(Outcomes::ignored(format!("the builder does not act on {}", other.kind()))),
        }
    }
}
