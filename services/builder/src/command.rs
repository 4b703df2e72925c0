//! The driver `command`: any program, which builds and pushes by itself.

use proto::Digest;
use runtime::exec::{Ended, ExecError, Program};

use crate::driver::{Job, NotBuilt};

/// Runs it; that the image is there and of this commit, the caller sees for itself.
pub(crate) async fn build(job: &Job<'_>, argv: &[String]) -> Result<(), NotBuilt> {
    match program(job, argv).run().await {
        Ok(finished) if finished.succeeded() => Ok(()),
        Ok(finished) => {
            let how = match finished.ended {
                Ended::TimedOut => format!("did not end within {:?}", job.component.timeout),
                ended => ended.to_string(),
            };
            Err(NotBuilt::of_commit(format!("the build command {how}"), finished.tail))
        }
        Err(error @ (ExecError::NotFound { .. } | ExecError::Start { .. })) if is_in_checkout(argv) => {
            Err(NotBuilt::of_commit(error.to_string(), ""))
        }
        Err(error) => Err(error.into()),
    }
}

fn program(job: &Job<'_>, argv: &[String]) -> Program {
    let labels: Vec<_> = job.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    job.program(&words)
        .timeout(job.component.timeout)
        .env("WINDLASS_IMAGE", job.component.image.as_str())
        // One a line; the branch's tag is set later, when this one is there.
        .env("WINDLASS_TAGS", job.change.commit.as_str())
        .env("WINDLASS_CONTEXT", &job.context)
        .env("WINDLASS_DOCKERFILE", &job.dockerfile)
        .env("WINDLASS_LABELS", labels.join("\n"))
        .leave_nothing()
}

fn is_in_checkout(argv: &[String]) -> bool {
    argv.first().is_some_and(|program| program.contains('/') && !program.starts_with('/'))
}

/// What to say of a command that ended well and left no image, or another commit's.
pub(crate) fn nothing_pushed(job: &Job<'_>, found: Option<&Digest>) -> NotBuilt {
    let reference = job.reference();
    NotBuilt::of_commit(
        match found {
            None => format!("the build command ended well, but {reference} is not in the registry"),
            Some(digest) => {
                format!(
                    "{reference} is {}, without this commit in the label {}",
                    digest.short(),
                    runtime::oci::REVISION
                )
            }
        },
        "",
    )
}
