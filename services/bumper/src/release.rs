//! New images: whether one is to be deployed, where, and with which others.

use proto::{BumpReason, ComponentName, Digest, EnvironmentName, Event, ImageBuilt, ImageName, ImagePushed, Release};
use runtime::{
    Failure, Outcomes,
    config::{Environment, ReleaseMode},
    oci::Resolved,
};

use crate::{
    Bumper, follow,
    follow::Follower,
    outcome::{Target, Told, Wish, failure},
    whole,
};

/// An image that may be deployed.
pub(crate) struct Candidate<'a> {
    app: &'a proto::AppName,
    pub(crate) component: &'a ComponentName,
    pub(crate) image: &'a ImageName,
    pub(crate) tag: &'a str,
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

/// What makes images go together: their branch and commit, or the tag they share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Branch,
    Tag,
}

impl Bumper {
    pub(crate) async fn image_pushed(&self, event: &Event, pushed: &ImagePushed) -> Result<Outcomes, Failure> {
        let Some(tag) = &pushed.tag else {
            return Ok(Outcomes::ignored("it was pushed without a tag, and tags are what is followed"));
        };
        let (app, component, image) = (&pushed.app, &pushed.component, &pushed.image);
        let candidate = Candidate { app, component, image, tag, claimed: pushed.digest.as_ref(), title: None };
        self.consider(event, candidate).await
    }

    pub(crate) async fn image_built(&self, event: &Event, built: &ImageBuilt) -> Result<Outcomes, Failure> {
        let app = &built.change.app;
        let apart = self.config.apps.get(app).is_some_and(|app| app.release == ReleaseMode::Apart);
        if let (true, Some(since)) = (apart, &built.unchanged_since) {
            let (component, since) = (&built.component, since.short());
            return Ok(Outcomes::ignored(format!(
                "{component} is what it was at {since}; with `release: apart` only what is new is deployed"
            )));
        }
        let tag = built.change.branch.as_tag();
        let candidate = Candidate {
            app,
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
        let target = Target { name: candidate.app, app, gitops };
        let mut told = Told::default();
        let (followers, refusals) = follow::followers(candidate.app, app, candidate.component, candidate.tag);
        for why in refusals {
            told.ignored(why);
        }
        if !followers.is_empty() {
            let turn = self.turn_of_images(candidate.app);
            let _turn = turn.lock().await;
            self.deploy(event, target, &candidate, &followers, &mut told).await?;
        }
        Ok(told.outcomes())
    }

    /// Has the environments ask for it that follow its tag.
    async fn deploy(
        &self,
        event: &Event,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        followers: &[Follower<'_>],
        told: &mut Told,
    ) -> Result<(), Failure> {
        let (reason, note) = (BumpReason::Deploy, candidate.title.map(ToOwned::to_owned));
        let late = Wish { event: event.id, reason, wanted: Release::new(), instead_of: None, note };
        let all = followers.iter().map(|follower| (follower.name, follower.config)).collect();
        let left = self.tell_late(event, target, all, &late, told).await?;
        let mut left = told.unheld(left);
        for follower in followers {
            if let Some(why) = self.pushed_before(event, candidate, follower).await? {
                told.ignored(why);
                left.retain(|(name, _)| *name != follower.name);
            }
        }
        let has_rule = |name: &EnvironmentName| followers.iter().any(|f| f.name == name && f.rule.is_some());
        let (by_tag, by_branch): (Vec<_>, Vec<_>) = left.into_iter().partition(|(name, _)| has_rule(name));
        for (by, environments) in [(By::Branch, by_branch), (By::Tag, by_tag)] {
            self.deploy_by(by, target, candidate, environments, &late, told).await?;
        }
        Ok(())
    }

    async fn deploy_by(
        &self,
        by: By,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        environments: Vec<(&EnvironmentName, &Environment)>,
        late: &Wish,
        told: &mut Told,
    ) -> Result<(), Failure> {
        if environments.is_empty() {
            return Ok(());
        }
        match self.choose(by, target, candidate).await? {
            Choice::Deploy { wanted, note } => {
                let wish = Wish { event: late.event, reason: late.reason, wanted, instead_of: None, note };
                self.bump(target, environments, &wish, told).await?;
            }
            Choice::Leave(reason) => told.ignored(reason),
        }
        Ok(())
    }

    async fn choose(&self, by: By, target: Target<'_>, candidate: &Candidate<'_>) -> Result<Choice, Failure> {
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
        let (whole, note) = self.with_others(by, target, candidate, &resolved).await?;
        let wanted = match whole {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Choice::Leave(why)),
        };
        let barred = self.barred(target.name, &wanted).await?;
        Ok(barred.map_or(Choice::Deploy { wanted, note }, Choice::Leave))
    }

    /// The release the image belongs to, and what people are told of it.
    async fn with_others(
        &self,
        by: By,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        resolved: &Resolved,
    ) -> Result<(Result<Release, String>, Option<String>), Failure> {
        let title = candidate.title.map(ToOwned::to_owned);
        let apart = target.app.release == ReleaseMode::Apart || target.app.components.len() < 2;
        let partly = target.app.components.values().any(|component| !component.paths.is_empty());
        let whole = match (by, &resolved.revision) {
            (By::Tag, _) if apart => Ok(whole::alone_by_tag(candidate, resolved)),
            (By::Tag, _) => self.of_tag(target, candidate, resolved).await?,
            (By::Branch, _) if apart => Ok(whole::alone(candidate, resolved)),
            (By::Branch, Some(_)) if partly => self.of_branch(target, candidate, resolved).await?,
            (By::Branch, Some(commit)) => self.of_commit(target, candidate, resolved, commit).await?,
            (By::Branch, None) => {
                let component = candidate.component;
                let alone =
                    format!("{component} names no source commit, so it is deployed without the other components");
                return Ok((Ok(whole::alone(candidate, resolved)), title.or(Some(alone))));
            }
        };
        Ok((whole, title))
    }
}
