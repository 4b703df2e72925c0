//! New images: whether one is to be deployed, and with which others.

use proto::{
    BumpReason, CommitSha, ComponentName, Digest, Event, ImageBuilt, ImageName, ImagePushed, Release, ReleasedImage,
};
use runtime::{
    Failure, Outcomes,
    config::{App, ReleaseMode},
    oci::Resolved,
};

use crate::{
    Bumper,
    outcome::{Target, Told, Wish, failure},
};

/// An image that may be deployed.
struct Candidate<'a> {
    app: &'a proto::AppName,
    component: &'a ComponentName,
    image: &'a ImageName,
    tag: &'a str,
    /// What the event says it is.
    claimed: Option<&'a Digest>,
    /// The source commit's title.
    title: Option<&'a str>,
}

/// What is to be deployed, or why nothing is.
enum Choice {
    Deploy { wanted: Release, note: Option<String> },
    Leave(String),
}

impl Bumper {
    pub(crate) async fn image_pushed(&self, event: &Event, pushed: &ImagePushed) -> Result<Outcomes, Failure> {
        let Some(tag) = &pushed.tag else {
            return Ok(Outcomes::ignored(
                "it was pushed without a tag; the tags of deploy and hotfix branches are followed",
            ));
        };
        let (app, component, image) = (&pushed.app, &pushed.component, &pushed.image);
        let candidate = Candidate { app, component, image, tag, claimed: pushed.digest.as_ref(), title: None };
        self.consider(event, candidate).await
    }

    pub(crate) async fn image_built(&self, event: &Event, built: &ImageBuilt) -> Result<Outcomes, Failure> {
        let tag = built.change.branch.as_tag();
        let candidate = Candidate {
            app: &built.change.app,
            component: &built.component,
            image: &built.image,
            tag: &tag,
            claimed: Some(&built.digest),
            title: built.change.title.as_deref(),
        };
        self.consider(event, candidate).await
    }

    async fn consider(&self, event: &Event, candidate: Candidate<'_>) -> Result<Outcomes, Failure> {
        let Some(app) = self.config.apps.get(candidate.app) else {
            return Ok(Outcomes::ignored(format!("there is no app `{}` in the configuration", candidate.app)));
        };
        let configured = app.components.get(candidate.component).map(|c| &c.image);
        if configured != Some(candidate.image) {
            let (component, image) = (candidate.component, candidate.image);
            return Ok(Outcomes::ignored(format!("{image} is not the image of `{component}` in the configuration")));
        }
        let Some(gitops) = app.gitops.as_ref().filter(|_| app.first_environments().next().is_some()) else {
            return Ok(Outcomes::ignored(format!("the app `{}` has no environment to deploy to", candidate.app)));
        };
        if let Some(why) = not_followed(app, candidate.tag) {
            return Ok(Outcomes::ignored(why));
        }
        let target = Target { name: candidate.app, app, gitops };
        let turn = self.turn_of_images(candidate.app);
        let _turn = turn.lock().await;
        let (mut told, title) = (Told::default(), candidate.title.map(ToOwned::to_owned));
        let late =
            Wish { event: event.id, reason: BumpReason::Deploy, wanted: Release::new(), instead_of: None, note: title };
        let left = self.tell_late(event, target, app.first_environments().collect(), &late, &mut told).await?;
        let left = told.unheld(left);
        if left.is_empty() {
            return Ok(told.outcomes());
        }
        match self.choose(target, &candidate).await? {
            Choice::Deploy { wanted, note } => {
                let wish = Wish { wanted, note, ..late };
                self.bump(target, left, &wish, &mut told).await?;
            }
            Choice::Leave(reason) => told.ignored(reason),
        }
        Ok(told.outcomes())
    }

    async fn choose(&self, target: Target<'_>, candidate: &Candidate<'_>) -> Result<Choice, Failure> {
        let tag = candidate.tag;
        let resolved = self.registries.resolve(candidate.image, tag).await.map_err(failure)?;
        let Some(resolved) = resolved else {
            return Ok(Choice::Leave(format!("{}:{tag} is not in the registry, or no more", candidate.image)));
        };
        if let Some(claimed) = candidate.claimed.filter(|claimed| **claimed != resolved.digest) {
            let (is, said) = (resolved.digest.short(), claimed.short());
            return Ok(Choice::Leave(format!(
                "{}:{tag} is {is} at the registry; the notification said {said}",
                candidate.image
            )));
        }
        let title = candidate.title.map(ToOwned::to_owned);
        let alone = |note| {
            let released = released(candidate.image, tag, &resolved);
            Choice::Deploy { wanted: Release::from([(candidate.component.clone(), released)]), note }
        };
        let apart = target.app.release == ReleaseMode::Apart || target.app.components.len() < 2;
        let choice = match &resolved.revision {
            _ if apart => alone(title),
            Some(commit) => self.together(target, candidate, &resolved, commit, title).await?,
            None => alone(Some(title.unwrap_or_else(|| {
                format!(
                    "{} names no source commit, so it is deployed without the other components",
                    candidate.component
                )
            }))),
        };
        let Choice::Deploy { wanted, note } = choice else { return Ok(choice) };
        let barred = self.barred(target.name, &wanted).await?;
        Ok(barred.map_or(Choice::Deploy { wanted, note }, Choice::Leave))
    }

    /// Every component's image of the commit, once all are there.
    async fn together(
        &self,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        resolved: &Resolved,
        commit: &CommitSha,
        note: Option<String>,
    ) -> Result<Choice, Failure> {
        let own = released(candidate.image, candidate.tag, resolved);
        let mut wanted = Release::from([(candidate.component.clone(), own)]);
        for (name, component) in target.app.components.iter().filter(|(name, _)| *name != candidate.component) {
            let there = self.registries.resolve(&component.image, commit.as_str()).await.map_err(failure)?;
            let seen = match &there {
                Some(other) if other.revision.as_ref() == Some(commit) => {
                    wanted.insert(name.clone(), released(&component.image, commit.as_str(), other));
                    continue;
                }
                Some(other) => match &other.revision {
                    Some(revision) => format!(", whose tag is there but says revision {}", revision.short()),
                    None => ", whose tag is there but names no revision".to_owned(),
                },
                None => String::new(),
            };
            let waits = format!("waits for the image of {name} at {}{seen}", commit.short());
            let hint = "set `release: apart` if not every commit builds every component";
            return Ok(Choice::Leave(format!("{waits}; {hint}")));
        }
        Ok(Choice::Deploy { wanted, note })
    }
}

/// Why images with this tag are not deployed, if they are not.
fn not_followed(app: &App, tag: &str) -> Option<String> {
    if app.lane_of_tag(tag).is_deployed() {
        return None;
    }
    let is_commit = CommitSha::new(tag).is_ok();
    let why =
        if is_commit { "is a commit's; its branch's tag is followed" } else { "belongs to no deploy or hotfix branch" };
    Some(format!("the tag `{tag}` {why}"))
}

/// The image as it will stand in manifests: under its commit where it names one, so that people see what runs.
fn released(image: &ImageName, tag: &str, resolved: &Resolved) -> ReleasedImage {
    let commit = resolved.revision.clone();
    let tag = commit.as_ref().map_or_else(|| tag.to_owned(), ToString::to_string);
    ReleasedImage { image: image.clone(), tag: Some(tag), digest: resolved.digest.clone(), commit }
}
