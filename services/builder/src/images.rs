//! A commit's images: each component's, built once, pushed under the commit's tag and then the branch's. What has not
//! changed since an earlier commit gets that one's image, under the tags of this one.

use proto::{Change, CommitSha, ComponentName, Event, ImageBuilt, ImageFailed};
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
    inside, reuse, unchanged,
};

/// Builds what is missing.
pub(crate) async fn build(builder: &Builder, event: &Event, change: &Change) -> Result<Outcomes, Failure> {
    let Some(app) = builder.context.config.apps.get(&change.app) else {
        return Ok(Outcomes::ignored(format!("there is no app `{}` in the configuration", change.app)));
    };
    if app.components.is_empty() {
        return Ok(Outcomes::ignored(format!("app `{}` has no components, so nothing is built", change.app)));
    }
    let (components, mut left_out) = of_branch(app, change);
    // All of a commit's images or none: the release may need them together. A replay was asked for by somebody.
    for (_, component) in components.iter().filter(|_| event.replay == 0) {
        if let Some(later) = reuse::overtaken(&builder.context, component, change).await? {
            let (commit, branch) = (change.commit.short(), &change.branch);
            return Ok(Outcomes::ignored(format!("superseded: `{branch}` is at {later} already, later than {commit}")));
        }
    }
    let mut images = Images { builder, app, change, checkout: None };
    let mut outcomes = Outcomes::none();
    for (name, component) in components {
        let (made, why) = images.one(name, component).await?;
        outcomes = outcomes.with(made);
        left_out.extend(why);
    }
    // An event has one `event.ignored` at most.
    Ok(if left_out.is_empty() { outcomes } else { outcomes.with(Outcomes::ignored(left_out.join("; "))) })
}

/// The components that are built from the branch, and why others are not.
fn of_branch<'a>(app: &'a App, change: &'a Change) -> (Vec<(&'a ComponentName, &'a Component)>, Vec<String>) {
    let built: Vec<_> = app.components_of(&change.branch).collect();
    let others = app.components.keys().filter(|name| !built.iter().any(|(built, _)| built == name));
    let why = |name: &ComponentName| {
        let key = format!("apps.{}.components.{name}.branches", change.app);
        format!("{name} is not built: the branch `{}` is not among `{key}`", change.branch)
    };
    let left_out = others.map(why).collect();
    (built, left_out)
}

/// A commit's images under way.
struct Images<'a> {
    builder: &'a Builder,
    app: &'a App,
    change: &'a Change,
    /// Made when the first image is found missing.
    checkout: Option<Workspace>,
}

/// Where an image is from.
enum Origin {
    Built,
    There,
    Since(CommitSha),
}

impl<'a> Images<'a> {
    /// What became of one image, and why it was not built, if for a reason of the configuration's.
    async fn one(
        &mut self,
        name: &'a ComponentName,
        component: &'a Component,
    ) -> Result<(Outcomes, Option<String>), Failure> {
        let (context, change) = (&self.builder.context, self.change);
        if let Some(there) = reuse::existing(context, &component.image, change).await? {
            info!(commit = %change.commit, component = %name, "{}:{} is there already", component.image, change.commit);
            return Ok((self.built(name, component, there.digest, Origin::There).await?, None));
        }
        if let Some(same) = unchanged::find(self.builder, self.app, change, (name, component)).await? {
            reuse::tag_commit(context, &component.image, change, &same.digest).await?;
            let built = self.built(name, component, same.digest, Origin::Since(same.since)).await?;
            return Ok((built, Some(same.reason)));
        }
        Ok((self.anew(name, component).await?, None))
    }

    async fn anew(&mut self, name: &'a ComponentName, component: &'a Component) -> Result<Outcomes, Failure> {
        let change = self.change;
        let log = logs::of(&self.builder.folders.logs, change, &format!("image-{name}"));
        let made = match self.job(name, component, log.path).await {
            Ok((job, _scratch)) => self.made(&job).await,
            Err(not) => Err(not),
        };
        match made {
            Ok(digest) => self.built(name, component, digest, Origin::Built).await,
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
        origin: Origin,
    ) -> Result<Outcomes, Failure> {
        let (change, image) = (self.change.clone(), component.image.clone());
        let mut tags = vec![change.commit.to_string()];
        let _tagging = self.builder.tagging.lock().await;
        if reuse::tag_branch(&self.builder.context, component, &change, &digest).await? {
            tags.push(change.branch.as_tag());
        }
        let reused = !matches!(origin, Origin::Built);
        let unchanged_since = match origin {
            Origin::Since(commit) => Some(commit).filter(|commit| *commit != change.commit),
            Origin::Built | Origin::There => None,
        };
        let built = ImageBuilt { change, component: name.clone(), image, tags, digest, reused, unchanged_since };
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
            labels: labels(self.app, change, (name, component)),
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
fn labels(app: &App, change: &Change, (name, component): (&ComponentName, &Component)) -> Vec<(String, String)> {
    let source = without_userinfo(&app.clone_url());
    let source = source.strip_suffix(".git").unwrap_or(&source);
    let recipe = unchanged::recipe(app, component);
    [
        ("org.opencontainers.image.source", source),
        (REVISION, change.commit.as_str()),
        ("io.windlass.app", change.app.as_str()),
        ("io.windlass.component", name.as_str()),
        ("io.windlass.branch", change.branch.as_str()),
        (unchanged::RECIPE, &recipe),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
