//! The command driver: a program of the user's brings the environment to the revision.
//!
//! It runs in a checkout of the GitOps repository at that very revision, which is removed afterwards; a program named
//! by a relative path with a `/` is looked for there. What it does
//! must bear being done twice: a run is repeated when this process died before its end was noted.

use std::time::Duration;

use proto::Deployment;
use runtime::{
    Context, Failure,
    exec::{ExecError, Program},
    workspace::Workspace,
};

use crate::argocd::Ended;

/// When the program is ended. An environment that needs longer is better served by a deployer that can be watched.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Runs the program.
pub(crate) async fn run(ctx: &Context, argv: &[String], deployment: &Deployment) -> Result<Ended, Failure> {
    let Deployment { app, environment, .. } = deployment;
    let workspace = Workspace::new(&ctx.folder("workspaces")?)?;
    let checkout = workspace.path();
    ctx.git.checkout(&deployment.repository, &deployment.revision, checkout).await?;
    let label = format!("sync {app}/{environment}");
    let program = Program::new(argv).dir(checkout).envs(deployment.variables()).timeout(TIMEOUT).label(&label);
    let program = program.env("WINDLASS_CHECKOUT", checkout);
    let finished = program.run().await.map_err(|error| blamed(error, deployment))?;
    let name = argv.first().map_or("", String::as_str);
    let words = format!("`{name}` {}\n{}", finished.ended, finished.tail);
    let words = words.trim_end().to_owned();
    Ok(if finished.succeeded() { Ended::Succeeded(words) } else { Ended::Failed(words) })
}

/// A program that is not there is a mistake in the configuration; the error says in which key.
fn blamed(error: ExecError, deployment: &Deployment) -> Failure {
    let key = format!("`apps.{}.environments.{}.sync.command`", deployment.app, deployment.environment);
    if error.is_transient() {
        return Failure::Transient(anyhow::Error::from(error).context(key));
    }
    Failure::Permanent(anyhow::Error::from(error).context(key))
}
