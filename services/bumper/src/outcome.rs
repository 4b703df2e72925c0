//! From what the GitOps repository answered to a deployment.

use proto::{AppName, Deployment, EnvironmentName, ImageName, Release, ReleasedImage};
use runtime::{
    Failure,
    config::{App, Gitops},
    oci::OciError,
};

use crate::{Bumper, edit::Ask, image::Reference, repo::Landed};

/// An app and where it is deployed from.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'a AppName,
    pub(crate) app: &'a App,
    pub(crate) gitops: &'a Gitops,
}

impl Target<'_> {
    /// The repository, with the branch that an environment is written to.
    pub(crate) fn written(&self, environment: &EnvironmentName) -> Gitops {
        self.app.gitops_of(environment).unwrap_or_else(|| self.gitops.clone())
    }
}

impl Bumper {
    pub(crate) async fn deployment(&self, target: Target<'_>, ask: Ask, landed: Landed) -> Deployment {
        let mut release = Release::new();
        for (name, value) in landed.values {
            let Some(slot) = ask.slots.get(&name) else { continue };
            let wanted = ask.wanted.get(&name).filter(|wanted| slot.asks_for(&value, wanted));
            let released = match wanted {
                Some(wanted) => Some(wanted.clone()),
                None => self.read_back(&slot.image, &value).await,
            };
            release.extend(released.map(|released| (name, released)));
        }
        let written = target.written(&ask.environment);
        Deployment {
            app: ask.app,
            environment: ask.environment,
            repository: runtime::git::without_userinfo(&written.repository),
            branch: written.branch,
            path: ask.path,
            revision: landed.revision,
            release,
            commit: landed.commit,
            changed: landed.changed,
            reason: ask.reason,
            previous: landed.previous,
            note: landed.note,
        }
    }

    /// What a value somebody else wrote stands for, as far as it says so itself or the registry knows.
    pub(crate) async fn read_back(&self, image: &ImageName, value: &str) -> Option<ReleasedImage> {
        let reference = Reference::parse(value);
        let tag = reference.tag.map(ToOwned::to_owned);
        if let (Some(digest), Some(commit)) = (reference.proper_digest(), reference.commit()) {
            return Some(ReleasedImage { image: image.clone(), tag, digest, commit: Some(commit) });
        }
        let asked = reference.digest.or(reference.tag).unwrap_or("latest");
        let resolved = match self.registries.resolve(image, asked).await {
            Ok(resolved) => resolved,
            Err(why) => {
                tracing::info!(value, %why, "the release is told without what the registry knows of this image");
                None
            }
        };
        let commit = resolved.as_ref().and_then(|r| r.revision.clone()).or(reference.commit());
        let digest = reference.proper_digest().or(resolved.map(|r| r.digest))?;
        Some(ReleasedImage { image: image.clone(), tag, digest, commit })
    }
}

/// What a registry's error means for the delivery.
pub(crate) fn failure(error: OciError) -> Failure {
    match error {
        OciError::RateLimited { retry_after: Some(after), .. } => {
            Failure::NotYet { after: after.min(std::time::Duration::from_mins(10)), reason: error.to_string() }
        }
        error if error.is_transient() => Failure::Transient(error.into()),
        error => Failure::Permanent(error.into()),
    }
}
