//! What a driver is given, and what it may answer. Which program builds is the configuration's choice.

use std::path::PathBuf;

use proto::{Change, ComponentName, Digest};
use runtime::{
    Failure,
    config::{BuildDriver, Component},
    exec::{ExecError, Program},
    programs::Needed,
};

use crate::{auth::Auth, command, containers};

/// One image to build and push.
pub(crate) struct Job<'a> {
    pub(crate) change: &'a Change,
    pub(crate) name: &'a ComponentName,
    pub(crate) component: &'a Component,
    pub(crate) checkout: PathBuf,
    pub(crate) dockerfile: PathBuf,
    pub(crate) context: PathBuf,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) log: PathBuf,
    /// A folder for this job alone, besides the checkout.
    pub(crate) scratch: PathBuf,
    pub(crate) auth: Auth,
    pub(crate) plain_http: bool,
}

/// Why there is no image.
#[derive(Debug)]
pub(crate) enum NotBuilt {
    /// It cannot be built from what is in the commit.
    OfCommit { reason: String, tail: String },
    /// It could, were it not for us.
    OfOurs(Failure),
}

/// Builds and pushes under the commit's tag. The digest, where the driver says what it pushed.
pub(crate) async fn build(driver: &BuildDriver, job: &Job<'_>) -> Result<Option<Digest>, NotBuilt> {
    match driver {
        BuildDriver::Buildah => containers::buildah(job, &[], &[]).await.map(Some),
        BuildDriver::BuildahWith { global, build } => containers::buildah(job, global, build).await.map(Some),
        BuildDriver::Docker => containers::docker(job).await.map(|()| None),
        BuildDriver::Command(argv) => command::build(job, argv).await.map(|()| None),
    }
}

/// The program that a driver runs.
pub(crate) fn program(driver: &BuildDriver, key: &str) -> Option<Needed> {
    match driver {
        BuildDriver::Buildah | BuildDriver::BuildahWith { .. } => Needed::of(&["buildah".to_owned()], key),
        BuildDriver::Docker => Needed::of(&["docker".to_owned()], key),
        BuildDriver::Command(argv) => Needed::of(argv, key),
    }
}

impl Job<'_> {
    /// A program of this job: it writes to the job's log, and shows no credential.
    pub(crate) fn program(&self, argv: &[&str]) -> Program {
        let env = self.auth.env.iter().map(|(name, value)| (name, value));
        let program = Program::new(argv).dir(&self.checkout).envs(env).mask(self.auth.masks.clone());
        program.log(self.log.clone()).label(&format!("image {}", self.name))
    }

    /// Image and commit tag.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{}", self.component.image, self.change.commit)
    }
}

impl NotBuilt {
    pub(crate) fn of_commit(reason: impl Into<String>, tail: impl Into<String>) -> Self {
        Self::OfCommit { reason: reason.into(), tail: tail.into() }
    }
}

impl From<Failure> for NotBuilt {
    fn from(failure: Failure) -> Self {
        Self::OfOurs(failure)
    }
}

impl From<ExecError> for NotBuilt {
    fn from(error: ExecError) -> Self {
        Self::OfOurs(error.into())
    }
}
