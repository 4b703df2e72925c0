//! New images: whether one is to be deployed, where, and with which others.

use std::collections::BTreeMap;

use anyhow::Context as _;
use ledger::{Chain, Offer};
use proto::{
    BumpReason, CommitSha, ComponentName, Digest, EnvironmentName, Event, EventType, ImageBuilt, ImageName,
    ImagePushed, Lane,
};
use runtime::{Failure, Outcomes, config::ReleaseMode, oci::Resolved};

use crate::{
    Bumper, follow,
    outcome::{Target, failure},
    run::Input,
    whole::{self, Found, Whole},
};

/// An image that may be deployed.
pub(crate) struct Candidate<'a> {
    pub(crate) app: &'a proto::AppName,
    pub(crate) component: &'a ComponentName,
    pub(crate) image: &'a ImageName,
    pub(crate) tag: &'a str,
    /// The source commit whose image was announced, where the event says so. The image may name an earlier one.
    pub(crate) commit: Option<&'a CommitSha>,
    /// What the event says it is.
    claimed: Option<&'a Digest>,
    /// Whether it takes the fast path.
    pub(crate) lane: Lane,
    /// Who wrote the source commit.
    pub(crate) author: Option<&'a str>,
    /// The source commit's title.
    pub(crate) title: Option<&'a str>,
}

/// What comes of a new image: releases and the environments they are for, and why others get none.
#[derive(Default)]
pub(crate) struct Released {
    pub(crate) offers: Vec<(Offer, Vec<EnvironmentName>)>,
    pub(crate) reasons: Vec<String>,
}

/// What is to be deployed, or why nothing is.
enum Choice {
    Deploy(Offer),
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
        // A tag that is followed by a rule belongs to no lane of its own.
        let lane = self.config.apps.get(app).map_or(Lane::Check, |app| app.lane_of_tag(tag));
        let (claimed, lane) = (pushed.digest.as_ref(), if lane.is_deployed() { lane } else { Lane::Deploy });
        let commit = None;
        let candidate = Candidate { app, component, image, tag, commit, claimed, lane, author: None, title: None };
        self.step(event, Input::Image(candidate)).await
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
            commit: Some(&built.change.commit),
            claimed: Some(&built.digest),
            lane: built.change.lane,
            author: built.change.author.as_deref(),
            title: built.change.title.as_deref(),
        };
        self.step(event, Input::Image(candidate)).await
    }

    /// The release it belongs to, for the environments that follow its tag.
    pub(crate) async fn release(
        &self,
        event: &Event,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        chain: &Chain,
    ) -> Result<Released, Failure> {
        let configured = target.app.components.get(candidate.component).map(|c| &c.image);
        if configured != Some(candidate.image) {
            let (component, image) = (candidate.component, candidate.image);
            let why = format!("{image} is not the image of `{component}` in the configuration");
            return Ok(Released { offers: Vec::new(), reasons: vec![why] });
        }
        let (followers, reasons) = follow::followers(target, candidate);
        let mut released = Released { offers: Vec::new(), reasons };
        let (mut by_branch, mut by_tag) = (Vec::new(), Vec::new());
        for follower in &followers {
            match self.pushed_before(event, candidate, follower).await? {
                Some(why) => released.reasons.push(why),
                None if follower.rule.is_some() => by_tag.push(follower.name.clone()),
                None => by_branch.push(follower.name.clone()),
            }
        }
        for (by, environments) in [(By::Branch, by_branch), (By::Tag, by_tag)] {
            if environments.is_empty() {
                continue;
            }
            match self.choose(by, target, candidate).await? {
                Choice::Deploy(offer) => {
                    released.reasons.extend(self.how_to_build_anew(target, chain, &offer).await?);
                    released.offers.push((offer, environments));
                }
                Choice::Leave(reason) => released.reasons.push(reason),
            }
        }
        Ok(released)
    }

    /// What to do for a release that is barred by an image it kept from an earlier commit: the builder kept it before
    /// it was found bad, and builds one for this commit when it looks again.
    async fn how_to_build_anew(
        &self,
        target: Target<'_>,
        chain: &Chain,
        offer: &Offer,
    ) -> Result<Option<String>, Failure> {
        let Some(commit) = &offer.commit else { return Ok(None) };
        let kept = offer.release.iter().find(|(_, image)| {
            chain.barred.contains_key(&image.digest) && image.commit.as_ref().is_some_and(|own| own != commit)
        });
        let Some((component, image)) = kept else { return Ok(None) };
        let scanned = self.ledger.newest(EventType::ScanFinished, target.name, commit.as_str()).await;
        let Some(scanned) = scanned.context("asking for the commit's scan")? else { return Ok(None) };
        let since = image.commit.as_ref().map_or("an earlier commit", CommitSha::short);
        let id = scanned.message.attribute("id");
        Ok(Some(format!(
            "{} kept the image of {component} from {since} before that was found bad; `windlass events replay {id} \
             --worker builder` has it built anew",
            commit.short()
        )))
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
        let Found { release, commit } = match whole {
            Ok(found) => found,
            Err(why) => return Ok(Choice::Leave(why)),
        };
        let (reason, lane) = (BumpReason::Deploy, candidate.lane);
        let author = self.author(target, candidate, commit.as_ref()).await?;
        Ok(Choice::Deploy(Offer {
            release,
            commit,
            reason,
            lane,
            verified: None,
            healthy_in: BTreeMap::new(),
            author,
            note,
        }))
    }

    /// Who wrote the source commit, where that matters to who may approve it: as the commit itself says, or else the event.
    async fn author(
        &self,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        commit: Option<&CommitSha>,
    ) -> Result<Option<String>, Failure> {
        let rules = target.app.environments.values().filter_map(|environment| environment.approval.as_ref());
        let matters = rules.into_iter().any(|rules| rules.not_author);
        let known = match commit.filter(|_| matters) {
            Some(commit) => self.sources.author(target.app, commit).await?,
            None => None,
        };
        Ok(known.or_else(|| candidate.author.map(ToOwned::to_owned)))
    }

    /// The release the image belongs to, and what people are told of it.
    async fn with_others(
        &self,
        by: By,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        resolved: &Resolved,
    ) -> Result<(Whole, Option<String>), Failure> {
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
