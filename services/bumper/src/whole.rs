//! Whole releases: which images go together with a new one, and whether all of them are there.

use std::collections::{BTreeMap, BTreeSet};

use proto::{CommitSha, ComponentName, ImageName, Release, ReleasedImage};
use runtime::{Failure, config::Component, oci::Resolved};

use crate::{
    Bumper,
    outcome::{Target, failure},
    release::Candidate,
};

/// How to have one image deployed without the others.
const HINT: &str = "set `release: apart` if not every commit brings every component";

/// All of a release.
pub(crate) struct Found {
    pub(crate) release: Release,
    /// The source commit it is of as a whole; `None` where its images name none, or several and nothing tells.
    pub(crate) commit: Option<CommitSha>,
}

/// What is found of a release: all of it, or why it is not whole.
pub(crate) type Whole = Result<Found, String>;

impl Bumper {
    /// Every component's image of the commit, once all are there.
    pub(crate) async fn of_commit(
        &self,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        resolved: &Resolved,
        commit: &CommitSha,
    ) -> Result<Whole, Failure> {
        let mut wanted = alone(candidate, resolved).release;
        for (name, component) in others(target, candidate) {
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
            return Ok(Err(format!("waits for the image of {name} at {}{seen}; {HINT}", commit.short())));
        }
        Ok(Ok(Found { release: wanted, commit: Some(commit.clone()) }))
    }

    /// What the branch's tags stand for, once some commit has just these images under its own tag.
    ///
    /// A component with `paths` is not built at every commit: its image may name an earlier commit than the one it
    /// stands for, so what the images name need not be the commit that is to be deployed. The one whose image was
    /// announced comes first: it may have nothing but earlier commits' images.
    pub(crate) async fn of_branch(
        &self,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        resolved: &Resolved,
    ) -> Result<Whole, Failure> {
        let own = target.app.components.get(candidate.component).map(|c| (candidate.component, (c, resolved.clone())));
        let mut tagged: BTreeMap<&ComponentName, (&Component, Resolved)> = own.into_iter().collect();
        for (name, component) in others(target, candidate) {
            let there = self.registries.resolve(&component.image, candidate.tag).await.map_err(failure)?;
            let Some(there) = there else {
                return Ok(Err(format!("waits for the image of {name} under `{}`; {HINT}", candidate.tag)));
            };
            tagged.insert(name, (component, there));
        }
        let named: BTreeSet<_> = tagged.values().filter_map(|(_, there)| there.revision.as_ref()).collect();
        let announced = candidate.commit;
        for commit in announced.into_iter().chain(named.into_iter().filter(|named| Some(*named) != announced)) {
            if self.is_whole(&tagged, commit).await? {
                let image = |(name, (component, there)): (&&ComponentName, &(&Component, Resolved))| {
                    ((*name).clone(), released(&component.image, candidate.tag, there))
                };
                let release = tagged.iter().map(image).collect();
                return Ok(Ok(Found { release, commit: Some(commit.clone()) }));
            }
        }
        let shown = |(name, (_, there)): (&&ComponentName, &(&Component, Resolved))| {
            format!("{name} {}", there.revision.as_ref().map_or_else(|| there.digest.short(), CommitSha::short))
        };
        let shown: Vec<_> = tagged.iter().map(shown).collect();
        let (tag, shown) = (candidate.tag, shown.join(", "));
        Ok(Err(format!("waits until one commit has all that `{tag}` stands for, which is {shown}; {HINT}")))
    }

    /// Whether these are the images of this commit: built from it, or found by the builder to be the same for it.
    async fn is_whole(
        &self,
        tagged: &BTreeMap<&ComponentName, (&Component, Resolved)>,
        commit: &CommitSha,
    ) -> Result<bool, Failure> {
        for (component, there) in tagged.values().filter(|(_, there)| there.revision.as_ref() != Some(commit)) {
            if component.paths.is_empty() {
                return Ok(false);
            }
            let of_commit = self.registries.resolve(&component.image, commit.as_str()).await.map_err(failure)?;
            if of_commit.is_none_or(|image| image.digest != there.digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every component's image under the same tag, once all are there and of one commit, as far as they say.
    pub(crate) async fn of_tag(
        &self,
        target: Target<'_>,
        candidate: &Candidate<'_>,
        resolved: &Resolved,
    ) -> Result<Whole, Failure> {
        let tag = candidate.tag;
        let Found { release: mut wanted, mut commit } = alone_by_tag(candidate, resolved);
        // Whoever builds only what changed gives the rest the new tag as it is.
        let partly = target.app.components.values().any(|component| !component.paths.is_empty());
        for (name, component) in target.app.components.iter().filter(|(name, _)| *name != candidate.component) {
            let Some(there) = self.registries.resolve(&component.image, tag).await.map_err(failure)? else {
                return Ok(Err(format!("waits for the image of {name} under `{tag}`; {HINT}")));
            };
            if let (Some(one), Some(other)) = (&resolved.revision, &there.revision)
                && one != other
                && !partly
            {
                let (one, other) = (one.short(), other.short());
                return Ok(Err(format!(
                    "waits for the image of {name} at {one}: under `{tag}` it is still of {other}; {HINT}"
                )));
            }
            // Images of several commits: nothing here says which of them the tag is of.
            commit = commit.filter(|one| there.revision.as_ref().is_none_or(|other| other == one));
            wanted.insert(name.clone(), by_tag(&component.image, tag, &there));
        }
        Ok(Ok(Found { release: wanted, commit }))
    }
}

/// The components that are built from the branch of the candidate's tag, without its own.
fn others<'a>(
    target: Target<'a>,
    candidate: &'a Candidate<'_>,
) -> impl Iterator<Item = (&'a ComponentName, &'a Component)> {
    target.app.components_of_tag(candidate.tag).filter(|(name, _)| *name != candidate.component)
}

/// The candidate's own image, by its commit.
pub(crate) fn alone(candidate: &Candidate<'_>, resolved: &Resolved) -> Found {
    let release = Release::from([(candidate.component.clone(), released(candidate.image, candidate.tag, resolved))]);
    Found { release, commit: own_commit(candidate, resolved) }
}

/// The candidate's own image, by its tag.
pub(crate) fn alone_by_tag(candidate: &Candidate<'_>, resolved: &Resolved) -> Found {
    let release = Release::from([(candidate.component.clone(), by_tag(candidate.image, candidate.tag, resolved))]);
    Found { release, commit: own_commit(candidate, resolved) }
}

/// The commit it was announced for, or what it names itself: an image that was kept stands for a later one as well.
fn own_commit(candidate: &Candidate<'_>, resolved: &Resolved) -> Option<CommitSha> {
    candidate.commit.or(resolved.revision.as_ref()).cloned()
}

/// The image as it will stand in manifests: under its commit where it names one, so that people see what runs.
fn released(image: &ImageName, tag: &str, resolved: &Resolved) -> ReleasedImage {
    let tag = resolved.revision.as_ref().map_or(tag, CommitSha::as_str);
    by_tag(image, tag, resolved)
}

/// The same under the tag that is followed: by it the next one is known to be newer or not.
fn by_tag(image: &ImageName, tag: &str, resolved: &Resolved) -> ReleasedImage {
    let (tag, digest, commit) = (Some(tag.to_owned()), resolved.digest.clone(), resolved.revision.clone());
    ReleasedImage { image: image.clone(), tag, digest, commit }
}
