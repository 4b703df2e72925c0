//! The scanner: runs the configured scanners over a tested commit, and says whether what they found may pass.
//!
//! A scanner that crashes, writes nothing or writes what cannot be read has said nothing about the commit: that is a
//! failure, never a pass. Findings are an outcome. Nothing here mends or builds anything.

mod judge;
mod preset;
mod report;
mod scan;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use proto::{Change, Data, Event, ScanFinished, ScanReport, WorkerName};
use runtime::{
    Config, Context, Failure, Outcomes, Worker,
    config::{App, Scan, Skip},
    programs::Needed,
    workspace,
    workspace::Workspace,
};
use tracing::info;

use scan::Place;

/// The scanner.
pub struct Scanner {
    context: Context,
    workspaces: std::path::PathBuf,
    logs: std::path::PathBuf,
    homes: std::path::PathBuf,
}

impl Scanner {
    /// A scanner; it removes what earlier ones left when they were killed.
    pub fn new(context: &Context) -> anyhow::Result<Self> {
        check(&context.config)?;
        let workspaces = context.folder("workspaces")?;
        workspace::clean(&workspaces).context("removing old workspaces")?;
        let (logs, homes) = (context.folder("logs")?, context.folder("homes")?);
        Ok(Self { context: context.clone(), workspaces, logs, homes })
    }

    async fn scan(&self, change: &Change) -> Result<Outcomes, Failure> {
        let Some(app) = self.context.config.apps.get(&change.app) else {
            return Ok(Outcomes::ignored(format!("there is no app `{}` in the configuration", change.app)));
        };
        let left_out = |scan: &Scan| app.skip_of_scan(change.lane, scan);
        let mut scans = Vec::new();
        if app.scan.iter().all(|scan| left_out(scan).is_some()) {
            scans.extend(app.scan.iter().filter_map(|scan| Some(skipped(change, scan, &left_out(scan)?))));
        } else {
            let checkout = Workspace::new(&self.workspaces)?;
            self.context.git.checkout(&app.clone_url(), &change.commit, checkout.path()).await?;
            let home = self.homes.join(change.app.as_str());
            std::fs::create_dir_all(&home).with_context(|| format!("making the folder {}", home.display()))?;
            for scan in &app.scan {
                if let Some(skip) = left_out(scan) {
                    scans.push(skipped(change, scan, &skip));
                    continue;
                }
                let scratch = Workspace::new(&self.workspaces)?;
                let (checkout, scratch) = (checkout.path(), scratch.path());
                let place = Place { checkout, scratch, home: &home, logs: &self.logs, change };
                scans.push(scan::run(scan, &place).await?);
            }
        }
        let passed = scans.iter().all(|scan| scan.passed || scan.skipped.is_some());
        let verdict = if passed { "passed" } else { "failed" };
        info!(commit = %change.commit, passed, "scans of {} {verdict}", change.commit.short());
        Ok(Outcomes::one(change.commit.as_str(), ScanFinished { change: change.clone(), passed, scans }))
    }
}

impl Worker for Scanner {
    const NAME: WorkerName = WorkerName::Scanner;

    fn programs(config: &Config) -> Vec<Needed> {
        let scanned = config.apps.iter().filter(|(_, app)| !app.scan.is_empty());
        let of_app = |(name, app): (&proto::AppName, &App)| {
            let scanners =
                app.scan.iter().filter_map(|scan| Needed::of(&preset::run(scan), format!("apps.{name}.scan")));
            Needed::for_repository(&app.clone_url(), &format!("apps.{name}.repository"))
                .chain(scanners)
                .collect::<Vec<_>>()
        };
        scanned.flat_map(of_app).collect()
    }

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        match &event.data {
            Data::TestsFinished(tests) if tests.passed => self.scan(&tests.change).await,
            Data::TestsFinished(tests) => {
                Ok(Outcomes::ignored(format!("no scan of {}: its tests failed", tests.change.commit.short())))
            }
            other => Ok(Outcomes::ignored(format!("the scanner does not act on {}", other.kind()))),
        }
    }
}

/// A scan that the fast path leaves out: nobody knows whether it would have passed.
fn skipped(change: &Change, scan: &Scan, skip: &Skip) -> ScanReport {
    let why = format!("left out: `apps.{}.fast_path.skip` has `{skip}`", change.app);
    ScanReport {
        tool: scan.tool.clone(),
        passed: false,
        skipped: Some(why),
        fail_on: scan.fail_on,
        counts: BTreeMap::new(),
        findings: Vec::new(),
        omitted: 0,
        duration_ms: 0,
    }
}

/// What the configuration's own check does not know: whether each scan's report can be read.
fn check(config: &Config) -> anyhow::Result<()> {
    for (name, app) in &config.apps {
        for scan in &app.scan {
            if preset::format(scan).is_none() {
                bail!("`apps.{name}.scan`: `{}` is no preset; say in `format` what its report is in", scan.tool);
            }
        }
    }
    Ok(())
}
