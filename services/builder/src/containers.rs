//! The drivers `buildah` and `docker`, and what their words mean when they fail.

#[cfg(test)]
mod fuzz;

use std::{path::Path, time::Duration};

use anyhow::anyhow;
use proto::Digest;
use runtime::{
    Failure,
    exec::{Ended, Finished, Program},
};
use tracing::debug;

use crate::driver::{Job, NotBuilt};

/// How long a push may take: gigabytes over a slow line.
const PUSH: Duration = Duration::from_mins(30);
/// How long tidying up may take; nothing depends on it.
const TIDY: Duration = Duration::from_mins(1);

/// Words in a tool's last error that blame the network, a registry or a full disk. From containers/image, moby's
/// client and Go's net package.
const DISTURBED: &[&str] = &[
    "dial tcp",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "tls handshake timeout",
    "no such host",
    "server misbehaving",
    "unexpected eof",
    "toomanyrequests",
    "too many requests",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway",
    "cannot connect to the docker daemon",
    "error during connect",
    "no space left on device",
];
/// Words that blame how the tool is set up on this machine.
const UNFIT: &[&str] = &[
    "newuidmap",
    "newgidmap",
    "storage driver",
    "overlay",
    "user namespace",
    "unshare",
    "unknown flag",
    "docker.sock",
];
/// Words that blame our credentials.
const REFUSED: &[&str] =
    &["unauthorized", "authentication required", "denied", "403 (forbidden)", "401 (unauthorized)"];

/// Builds with buildah and pushes; what it pushed. No image keeps a name in the local storage, so builds that run at
/// once cannot take each other's for theirs.
pub(crate) async fn buildah(job: &Job<'_>, global: &[String], build: &[String]) -> Result<Digest, NotBuilt> {
    let id_file = job.scratch.join("image");
    let base = || job.program(&["buildah"]).args(global);
    let program = base().arg("build").args(build).arg("--iidfile").arg(&id_file);
    judged(job, arguments(job, program).arg("--").arg(&job.context)).await?;
    let id = written(&id_file)?;
    let pushed = push_by_buildah(job, base(), &id).await;
    let removed = base().args(["rmi", "--force", &id]).timeout(TIDY).run().await;
    debug!(?removed, "removed the local image {id}");
    pushed
}

async fn push_by_buildah(job: &Job<'_>, base: Program, id: &str) -> Result<Digest, NotBuilt> {
    let digest_file = job.scratch.join("digest");
    let mut push = base.arg("push").arg("--digestfile").arg(&digest_file).timeout(PUSH);
    if job.plain_http {
        push = push.arg("--tls-verify=false");
    }
    pushed(job, &push.args(["--", id, &format!("docker://{}", job.reference())]).run().await?)?;
    let digest = written(&digest_file)?;
    Digest::new(digest).map_err(|error| Failure::transient(format!("buildah says that it pushed {error}")).into())
}

/// Builds with docker and pushes.
pub(crate) async fn docker(job: &Job<'_>) -> Result<(), NotBuilt> {
    let reference = job.reference();
    let build = arguments(job, job.program(&["docker", "build"])).args(["--tag", &reference]);
    judged(job, build.arg("--").arg(&job.context)).await?;
    let push = job.program(&["docker", "push", "--", &reference]).timeout(PUSH).run().await?;
    let removed = job.program(&["docker", "rmi", "--", &reference]).timeout(TIDY).run().await;
    debug!(?removed, "removed the local image {reference}");
    pushed(job, &push)
}

/// What both have in common.
fn arguments(job: &Job<'_>, program: Program) -> Program {
    let component = job.component;
    let mut program = program.arg("--file").arg(&job.dockerfile).timeout(component.timeout);
    for (name, value) in &job.labels {
        program = program.arg("--label").arg(format!("{name}={value}"));
    }
    for (name, value) in &component.build_args {
        let value = value.replace("{commit}", job.change.commit.as_str());
        program = program.arg("--build-arg").arg(format!("{name}={value}"));
    }
    match &component.target {
        Some(target) => program.arg(format!("--target={target}")),
        None => program,
    }
}

async fn judged(job: &Job<'_>, build: Program) -> Result<(), NotBuilt> {
    let finished = build.run().await?;
    if finished.succeeded() { Ok(()) } else { Err(judge(job, finished)) }
}

/// Whose fault a build's end is: the commit's, unless the tool itself blames the network or this machine.
fn judge(job: &Job<'_>, finished: Finished) -> NotBuilt {
    let name = job.name;
    match finished.ended {
        Ended::TimedOut => {
            let timeout = job.component.timeout;
            NotBuilt::of_commit(format!("the build of `{name}` did not end within {timeout:?}"), finished.tail)
        }
        // Nothing in a Dockerfile kills the tool that reads it; the kernel does, when memory runs out.
        Ended::Signalled(_) => Failure::transient(format!("the build of `{name}` {}", finished.ended)).into(),
        Ended::Exited(_) => match verdict(&finished.tail) {
            Blame::Commit => {
                let reason = last_error(&finished.tail).unwrap_or_else(|| format!("the build {}", finished.ended));
                NotBuilt::of_commit(reason, finished.tail)
            }
            Blame::Network(why) => Failure::transient(format!("the build of `{name}` was disturbed: {why}")).into(),
            Blame::Machine(why) => {
                let hint = "set up the build tool on this machine, or give it arguments in `build`";
                Failure::permanent(format!("the build of `{name}` cannot be done here: {why}; {hint}")).into()
            }
        },
    }
}

#[derive(Debug, PartialEq)]
enum Blame {
    Commit,
    Network(String),
    Machine(String),
}

fn verdict(tail: &str) -> Blame {
    let Some(line) = last_error(tail) else { return Blame::Commit };
    let lower = line.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // A RUN's own words may be anything, and stand in quotes in the tool's.
    let is_run = lower.contains("step \"run") || lower.contains("process \"");
    if !is_run && says(DISTURBED) {
        return Blame::Network(line);
    }
    let in_step = lower.contains("building at step") || lower.contains("failed to solve");
    if !in_step && says(UNFIT) { Blame::Machine(line) } else { Blame::Commit }
}

/// The tool's own last word: buildah writes `Error:` before it, docker `ERROR:`.
fn last_error(tail: &str) -> Option<String> {
    let marked = |line: &&str| line.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("error:"));
    let daemon = |line: &&str| line.starts_with("Cannot connect to the Docker daemon");
    tail.lines().rev().map(str::trim).find(|line| marked(line) || daemon(line)).map(ToOwned::to_owned)
}

/// A push that fails is never the commit's fault.
fn pushed(job: &Job<'_>, finished: &Finished) -> Result<(), NotBuilt> {
    if finished.succeeded() {
        return Ok(());
    }
    let why = last_error(&finished.tail).unwrap_or_else(|| finished.ended.to_string());
    let lower = why.to_lowercase();
    let registry = job.component.image.registry();
    if REFUSED.iter().any(|word| lower.contains(word)) {
        let hint = format!("check `registries.{registry}`");
        return Err(
            Failure::Permanent(anyhow!("{registry} does not let us push {}: {why}; {hint}", job.reference())).into()
        );
    }
    Err(Failure::transient(format!("cannot push {}: {why}", job.reference())).into())
}

fn written(file: &Path) -> Result<String, NotBuilt> {
    let text = std::fs::read_to_string(file).map_err(|why| Failure::transient(format!("{}: {why}", file.display())))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_build_is_the_commits_fault_unless_the_tool_blames_others() {
        let commit = [
            "STEP 3/3: RUN false\nError: building at STEP \"RUN /bin/busybox false\": exit status 1",
            "Error: no FROM statement found",
            "Error: building at STEP \"COPY nope /\": checking on sources: copier: stat: \"/nope\": no such file or directory",
            "Error: building at STEP \"RUN curl x\": connection refused: exit status 7",
            "ERROR: failed to solve: process \"/bin/sh -c curl x; echo i/o timeout\" did not complete successfully: exit code: 7",
            "Error: creating build container: initializing source docker://x/y: reading manifest latest: manifest unknown",
            "no error line at all",
        ];
        for tail in commit {
            assert_eq!(verdict(tail), Blame::Commit, "{tail}");
        }
        for tail in [
            "Error: creating build container: pinging container registry 127.0.0.1:1: Get \"https://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ] {
            assert!(matches!(verdict(tail), Blame::Network(_)), "{tail}");
        }
        let tail = "Error: kernel does not support overlay fs: 'overlay' is not supported over overlayfs";
        assert!(matches!(verdict(tail), Blame::Machine(_)));
    }
}
