//! Test steps: the exact commit, in a checkout of its own, step after step until one fails.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use proto::{AppName, Change, Event, StepReport, TestsFinished, Verdict};
use runtime::{
    Failure, Outcomes, Secret,
    config::{App, Skip, Step},
    exec::{Ended, ExecError, Finished, Program},
    git::GitError,
    logs,
    workspace::Workspace,
};
use tracing::info;

use crate::{Builder, branch, inside, worth};

/// Tests what was pushed, unless something newer was, or it is not worth a run.
pub(crate) async fn test(builder: &Builder, event: &Event, change: &Change) -> Result<Outcomes, Failure> {
    let Some(app) = builder.context.config.apps.get(&change.app) else {
        return Ok(Outcomes::ignored(format!("there is no app `{}` in the configuration", change.app)));
    };
    if let Some(newer) = branch::newer_push(&builder.context.ledger, event, change).await? {
        let (old, new) = (change.commit.short(), newer.short());
        return Ok(Outcomes::ignored(format!("superseded: {new} was pushed to `{}` after {old}", change.branch)));
    }
    if let Some(why) = worth::filtered(builder, app, event, change).await? {
        return Ok(Outcomes::ignored(why));
    }
    let workspace = Workspace::new(&builder.folders.workspaces)?;
    let url = app.clone_url();
    let steps = match builder.context.git.checkout(&url, &change.commit, workspace.path()).await {
        Ok(()) => Run { builder, app, change, checkout: workspace.path() }.all().await?,
        Err(error @ GitError::NoSuchCommit { .. }) => vec![failed("checkout", error.to_string(), None)],
        Err(error) => return Err(error.into()),
    };
    let passed = !steps.iter().any(is_red);
    let verdict = if passed { "passed" } else { "failed" };
    info!(commit = %change.commit, passed, "tests of {} {verdict}", change.commit.short());
    let data = TestsFinished { change: change.clone(), passed, steps };
    Ok(Outcomes::one(change.commit.as_str(), data))
}

/// A commit's steps under way.
struct Run<'a> {
    builder: &'a Builder,
    app: &'a App,
    change: &'a Change,
    checkout: &'a Path,
}

impl Run<'_> {
    async fn all(&self) -> Result<Vec<StepReport>, Failure> {
        let mut reports: Vec<StepReport> = Vec::new();
        for step in &self.app.test {
            let left_out = self.app.skip_of_test(self.change.lane, step);
            reports.push(match left_out {
                Some(skip) => skipped(&step.name, left_out_by(&self.change.app, &skip)),
                None if reports.iter().any(is_red) => skipped(&step.name, String::new()),
                None => self.one(step).await?,
            });
        }
        Ok(reports)
    }

    async fn one(&self, step: &Step) -> Result<StepReport, Failure> {
        let dir = match inside::resolve(self.checkout, step.dir.as_ref().map_or("", |dir| dir.as_str())) {
            Ok(dir) if dir.is_dir() => dir,
            Ok(_) => return Ok(failed(&step.name, "the folder it runs in is a file in this commit".to_owned(), None)),
            Err(why) => return Ok(failed(&step.name, why, None)),
        };
        let log = logs::of(&self.builder.folders.logs, self.change, &step.name);
        info!(step = step.name, commit = %self.change.commit, "runs step {}", step.name);
        let program = self.program(step, &dir)?.log(log.path.clone()).label(&step.name);
        match program.run().await {
            Ok(finished) => Ok(report(step, finished, log.relative)),
            Err(error) if is_of_the_commit(step, &error) => Ok(failed(&step.name, error.to_string(), None)),
            Err(error) => {
                let what = format!("step `{}` of app `{}`", step.name, self.change.app);
                Err(match Failure::from(error) {
                    Failure::Permanent(error) => Failure::Permanent(error.context(what)),
                    Failure::Transient(error) => Failure::Transient(error.context(what)),
                    other @ Failure::NotYet { .. } => other,
                })
            }
        }
    }

    fn program(&self, step: &Step, dir: &Path) -> Result<Program, Failure> {
        let mut secrets: Vec<(&String, Secret)> = Vec::new();
        for (name, secret) in &step.secrets {
            let at = || format!("`apps.{}.test`: step `{}`, secret `{name}`", self.change.app, step.name);
            secrets.push((name, secret.read().with_context(at).map_err(Failure::Permanent)?));
        }
        let Change { app, branch, commit, .. } = self.change;
        let own = [("WINDLASS_APP", app.as_str()), ("WINDLASS_BRANCH", branch.as_str()), ("CI", "true")];
        Ok(Program::new(&step.run)
            .dir(dir)
            .timeout(step.timeout)
            .env("HOME", self.home()?)
            .envs(own)
            .env("WINDLASS_COMMIT", commit.as_str())
            .envs(&step.env)
            .envs(secrets.iter().map(|(name, secret)| (name, secret.expose())))
            .mask(secrets.iter().map(|(_, secret)| secret.clone()).collect())
            .leave_nothing())
    }

    /// A home for the app's tools: their caches stay, and this process's own home stays out of their reach.
    fn home(&self) -> Result<PathBuf, Failure> {
        let home = self.builder.folders.homes.join(self.change.app.as_str());
        let made = std::fs::create_dir_all(&home).with_context(|| format!("making the folder {}", home.display()));
        made.map(|()| home).map_err(Failure::Transient)
    }
}

/// Whether a program that cannot be started is a file of the commit's, and not of this machine's.
fn is_of_the_commit(step: &Step, error: &ExecError) -> bool {
    let is_path = step.run.first().is_some_and(|program| program.contains('/') && !program.starts_with('/'));
    is_path && matches!(error, ExecError::NotFound { .. } | ExecError::Start { .. })
}

fn report(step: &Step, finished: Finished, log: String) -> StepReport {
    let verdict = match finished.ended {
        Ended::Exited(0) => Verdict::Passed,
        Ended::Exited(_) | Ended::Signalled(_) => Verdict::Failed,
        Ended::TimedOut => Verdict::TimedOut,
    };
    let (duration_ms, exit_code) = (finished.millis(), finished.exit_code());
    let output_tail = match finished.ended {
        Ended::Exited(0) => String::new(),
        Ended::Exited(_) => finished.tail,
        Ended::TimedOut => with_note(&finished.tail, &format!("it did not end within {:?}", step.timeout)),
        Ended::Signalled(_) => with_note(&finished.tail, &format!("it {}", finished.ended)),
    };
    StepReport { name: step.name.clone(), verdict, exit_code, duration_ms, output_tail, log: Some(log) }
}

fn with_note(tail: &str, note: &str) -> String {
    if tail.is_empty() { format!("[{note}]") } else { format!("{tail}\n[{note}]") }
}

fn failed(name: &str, why: String, log: Option<String>) -> StepReport {
    let verdict = Verdict::Failed;
    StepReport { name: name.to_owned(), verdict, exit_code: None, duration_ms: 0, output_tail: why, log }
}

/// A step that is not run; `why`, where it would have been.
fn skipped(name: &str, why: String) -> StepReport {
    StepReport { verdict: Verdict::Skipped, ..failed(name, why, None) }
}

fn left_out_by(app: &AppName, skip: &Skip) -> String {
    format!("left out: `apps.{app}.fast_path.skip` has `{skip}`")
}

fn is_red(report: &StepReport) -> bool {
    !matches!(report.verdict, Verdict::Passed | Verdict::Skipped)
}
