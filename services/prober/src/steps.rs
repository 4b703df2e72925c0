//! Test commands: integration and end-to-end tests of the user's, against what was deployed.
//!
//! They run in a checkout of the source at the commit that was deployed, which is removed afterwards.

use std::path::Path;

use proto::{CheckReport, CommitSha, Deployment, Verdict};
use runtime::{
    Context, Failure, Secret,
    config::{App, Environment, Step},
    exec::{Ended, Program},
    workspace::Workspace,
};

/// Runs the steps in order until one fails; the rest are skipped.
pub(crate) async fn run(
    ctx: &Context,
    app: &App,
    environment: &Environment,
    deployment: &Deployment,
) -> Result<Vec<CheckReport>, Failure> {
    let commit = commit_of(deployment).ok_or_else(|| {
        let (app, environment) = (&deployment.app, &deployment.environment);
        let key = format!("apps.{app}.environments.{environment}.test");
        Failure::permanent(format!(
            "`{key}`: no image of revision {} says which commit it was built from; label images with `org.opencontainers.image.revision`",
            deployment.revision
        ))
    })?;
    let workspace = Workspace::new(&ctx.folder("workspaces")?)?;
    let checkout = workspace.path();
    ctx.git.checkout(&app.clone_url(), commit, checkout).await?;
    let mut reports: Vec<CheckReport> = Vec::new();
    for step in &environment.test {
        let red = reports.iter().any(|report| !report.verdict.passed());
        reports.push(if red { skipped(&step.name) } else { run_step(step, checkout, environment, deployment).await? });
    }
    Ok(reports)
}

/// A step that is not run because something before it failed.
pub(crate) fn skipped(name: &str) -> CheckReport {
    let evidence = "not run: something before it failed".to_owned();
    CheckReport { name: name.to_owned(), verdict: Verdict::Skipped, evidence, attempts: 0, duration_ms: 0 }
}

/// The release's own commit: of its images one that was kept may name an earlier one. Else that of what changed, or of
/// anything that says its commit.
fn commit_of(deployment: &Deployment) -> Option<&CommitSha> {
    let of = |component| deployment.release.get(component).and_then(|released| released.commit.as_ref());
    let own = deployment.commit.as_ref();
    own.or_else(|| deployment.changed.iter().find_map(of))
        .or_else(|| deployment.release.values().find_map(|released| released.commit.as_ref()))
}

async fn run_step(
    step: &Step,
    checkout: &Path,
    environment: &Environment,
    deployment: &Deployment,
) -> Result<CheckReport, Failure> {
    let Deployment { app, environment: name, .. } = deployment;
    let key = format!("`apps.{app}.environments.{name}.test`, step `{}`", step.name);
    let secrets = secrets_of(step).map_err(|why| Failure::Permanent(why.context(key.clone())))?;
    let dir = step.dir.as_ref().map_or(checkout.to_owned(), |dir| checkout.join(dir.as_str()));
    let program = Program::new(&step.run)
        .dir(&dir)
        .envs(deployment.variables())
        .envs(environment.url.iter().map(|url| ("TEST_BASE_URL", url)))
        .envs(&step.env)
        .envs(secrets.iter().map(|(name, secret)| (name, secret.expose())))
        .mask(secrets.iter().map(|(_, secret)| secret.clone()).collect())
        .timeout(step.timeout)
        .label(&format!("probe {app}/{name} {}", step.name))
        .leave_nothing();
    let finished = program.run().await.map_err(|error| match Failure::from(error) {
        Failure::Permanent(error) => Failure::Permanent(error.context(key)),
        other => other,
    })?;
    let verdict = match finished.ended {
        Ended::Exited(0) => Verdict::Passed,
        Ended::TimedOut => Verdict::TimedOut,
        Ended::Exited(_) | Ended::Signalled(_) => Verdict::Failed,
    };
    let tail = if verdict.passed() { "" } else { finished.tail.trim() };
    let evidence = format!("{}\n{tail}", finished.ended).trim_end().to_owned();
    Ok(CheckReport { name: step.name.clone(), verdict, evidence, attempts: 1, duration_ms: finished.millis() })
}

fn secrets_of(step: &Step) -> anyhow::Result<Vec<(String, Secret)>> {
    step.secrets.iter().map(|(name, secret)| Ok((name.clone(), secret.read()?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_release_s_commit_is_tested_and_not_that_of_an_image_it_kept() {
        let of = |digit: &str| digit.repeat(40);
        let image = |digit: &str| {
            let digest = format!("sha256:{}", "d".repeat(64));
            serde_json::json!({ "image": "ghcr.io/acme/web", "digest": digest, "commit": of(digit) })
        };
        let mut deployment: Deployment = serde_json::from_value(serde_json::json!({
            "app": "shop", "environment": "staging", "repository": "https://git.example/gitops.git", "branch": "main",
            "path": "staging", "revision": of("f"), "changed": ["api", "web"], "reason": "deploy", "commit": of("c"),
            "release": { "api": image("a"), "web": image("b") },
        }))
        .unwrap();
        assert_eq!(commit_of(&deployment).unwrap().as_str(), of("c"));
        // As earlier builds wrote it.
        deployment.commit = None;
        assert_eq!(commit_of(&deployment).unwrap().as_str(), of("a"));
    }
}
