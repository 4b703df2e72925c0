//! A commit's images: each component's, built once, pushed under the commit's tag and then the branch's.

use proto::{Change, ComponentName, Event, ImageBuilt, ImageFailed};
use runtime::{
    Failure, Outcomes,
    config::{App, BuildDriver, Component},
    git::{GitError, without_userinfo},
    logs,
    oci::REVISION,
    workspace::Workspace,
};
use tracing::info;

use crate::{
    Builder, auth, command,
    driver::{self, Job, NotBuilt},
    inside, reuse,
};

/// Builds what is missing.
pub(crate) async fn build(builder: &Builder, event: &Event, change: &Change) -> Result<Outcomes, Failure> {
    let Some(app) = builder.context.config.apps.get(&change.app) else {
        return Ok(Outcomes::ignored(format!("there is no app `{}` in the configuration", change.app)));
    };
    if app.components.is_empty() {
        return Ok(Outcomes::ignored(format!("app `{}` has no components, so nothing is built", change.app)));
    }
    // All of a commit's images or none: the release may need them together. A replay was asked for by somebody.
    for component in app.components.values().filter(|_| event.replay == 0) {
        if let Some(later) = reuse::overtaken(&builder.context, &component.image, change).await? {
            let (commit, branch) = (change.commit.short(), &change.branch);
            return Ok(Outcomes::ignored(format!("superseded: `{branch}` is at {later} already, later than {commit}")));
        }
    }
    let mut images = Images { builder, app, change, checkout: None };
    let mut outcomes = Outcomes::none();
    for (name, component) in &app.components {
        outcomes = outcomes.with(images.one(name, component).await?);
    }
    Ok(outcomes)
}

/// A commit's images under way.
struct Images<'a> {
    builder: &'a Builder,
    app: &'a App,
    change: &'a Change,
    /// Made when the first image is found missing.
    checkout: Option<Workspace>,
}

impl<'a> Images<'a> {
    async fn one(&mut self, name: &'a ComponentName, component: &'a Component) -> Result<Outcomes, Failure> {
        let (context, change) = (&self.builder.context, self.change);
        if let Some(there) = reuse::existing(context, &component.image, change).await? {
            info!(commit = %change.commit, component = %name, "{}:{} is there already", component.image, change.commit);
            return self.built(name, component, there.digest, true).await;
        }
        let log = logs::of(&self.builder.folders.logs, change, &format!("image-{name}"));
        let made = match self.job(name, component, log.path).await {
            Ok((job, _scratch)) => self.made(&job).await,
            Err(not) => Err(not),
        };
        match made {
            Ok(digest) => self.built(name, component, digest, false).await,
            Err(NotBuilt::OfOurs(failure)) => Err(failure),
            Err(NotBuilt::OfCommit { reason, tail }) => {
                info!(commit = %change.commit, component = %name, "no image of `{name}`: {reason}");
                let (change, component) = (change.clone(), name.clone());
                let log = self.builder.folders.logs.join(&log.relative).exists().then_some(log.relative);
                Ok(Outcomes::one(name.as_str(), ImageFailed { change, component, reason, output_tail: tail, log }))
            }
        }
    }

    /// Builds and pushes, and sees for itself what is in the registry then.
    async fn made(&self, job: &Job<'_>) -> Result<proto::Digest, NotBuilt> {
        let pushed = driver::build(&self.app.build, job).await?;
        let image = &job.component.image;
        let found = reuse::resolve(&self.builder.context, image, self.change.commit.as_str()).await?;
        let digest = found.as_ref().map(|found| &found.digest);
        match (&found, &pushed) {
            (Some(found), Some(pushed)) if found.digest != *pushed => {
                let both = format!("{} was pushed, and the registry has {}", pushed, found.digest);
                Err(Failure::transient(format!("{}: {both}", job.reference())).into())
            }
            (Some(found), _) if found.revision.as_ref() == Some(&self.change.commit) => Ok(found.digest.clone()),
            _ if matches!(self.app.build, BuildDriver::Command(_)) => Err(command::nothing_pushed(job, digest)),
            _ => {
                let what = format!("{} was pushed, and the registry does not have it so", job.reference());
                Err(Failure::transient(what).into())
            }
        }
    }

    async fn built(
        &self,
        name: &ComponentName,
        component: &Component,
        digest: proto::Digest,
        reused: bool,
    ) -> Result<Outcomes, Failure> {
        let (change, image) = (self.change.clone(), component.image.clone());
        let mut tags = vec![change.commit.to_string()];
        let _tagging = self.builder.tagging.lock().await;
        if reuse::tag_branch(&self.builder.context, &image, &change, &digest).await? {
            tags.push(change.branch.as_tag());
        }
        let built = ImageBuilt { change, component: name.clone(), image, tags, digest, reused };
        Ok(Outcomes::one(name.as_str(), built))
    }

    async fn job(
        &mut self,
        name: &'a ComponentName,
        component: &'a Component,
        log: std::path::PathBuf,
    ) -> Result<(Job<'a>, Workspace), NotBuilt> {
        let checkout = self.checked_out().await?;
        let inside = |path| inside::resolve(&checkout, path).map_err(|why| NotBuilt::of_commit(why, ""));
        let (builder, change) = (self.builder, self.change);
        let config = &builder.context.config;
        let scratch = Workspace::new(&builder.folders.workspaces).map_err(Failure::Transient)?;
        let job = Job {
            change,
            name,
            component,
            dockerfile: inside(component.dockerfile.as_str())?,
            context: inside(component.context.as_ref().map_or("", |path| path.as_str()))?,
            labels: labels(self.app, change, name),
            log,
            auth: auth::write(config, scratch.path()).map_err(Failure::Permanent)?,
            scratch: scratch.path().to_owned(),
            plain_http: config.registries.get(component.image.registry()).is_some_and(|r| r.plain_http),
            checkout,
        };
        Ok((job, scratch))
    }

    async fn checked_out(&mut self) -> Result<std::path::PathBuf, NotBuilt> {
        if let Some(checkout) = &self.checkout {
            return Ok(checkout.path().to_owned());
        }
        let workspace = Workspace::new(&self.builder.folders.workspaces).map_err(Failure::Transient)?;
        let git = &self.builder.context.git;
        match git.checkout(&self.app.clone_url(), &self.change.commit, workspace.path()).await {
            Ok(()) => Ok(self.checkout.insert(workspace).path().to_owned()),
            Err(error @ GitError::NoSuchCommit { .. }) => Err(NotBuilt::of_commit(error.to_string(), "")),
            Err(error) => Err(Failure::from(error).into()),
        }
    }
}

/// What says where an image is from (OCI image specification, annotations). No time of building: the same commit
/// is to give the same image.
fn labels(app: &App, change: &Change, name: &ComponentName) -> Vec<(String, String)> {
    let source = without_userinfo(&app.clone_url());
    let source = source.strip_suffix(".git").unwrap_or(&source);
    [
        ("org.opencontainers.image.source", source),
        (REVISION, change.commit.as_str()),
        ("io.windlass.app", change.app.as_str()),
        ("io.windlass.component", name.as_str()),
        ("io.windlass.branch", change.branch.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
