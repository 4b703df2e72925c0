//! What the registry has already: a commit's image is built once, and a branch's tag does not go back.

use proto::{Change, Digest, ImageName};
use runtime::{
    Context, Failure,
    config::Component,
    oci::{OciError, Resolved},
};
use tracing::info;

use crate::branch;

/// How many later pushes are asked for their images; one of those that were built is among them.
const LATER: usize = 100;

/// The commit's image, if it is there with the commit in its label.
pub(crate) async fn existing(
    context: &Context,
    image: &ImageName,
    change: &Change,
) -> Result<Option<Resolved>, Failure> {
    let found = resolve(context, image, change.commit.as_str()).await?;
    Ok(found.filter(|found| found.revision.as_ref() == Some(&change.commit)))
}

/// What a tag stands for.
pub(crate) async fn resolve(context: &Context, image: &ImageName, tag: &str) -> Result<Option<Resolved>, Failure> {
    context.registries.resolve(image, tag).await.map_err(failure)
}

/// The later commit the branch's tag stands for already, if it does.
pub(crate) async fn overtaken(
    context: &Context,
    component: &Component,
    change: &Change,
) -> Result<Option<String>, Failure> {
    let image = &component.image;
    if let Some(tagged) = resolve(context, image, &change.branch.as_tag()).await?
        && let Some(other) = tagged.revision.filter(|other| *other != change.commit)
        && branch::is_later(&context.ledger, change, &other).await?
    {
        return Ok(Some(other.short().to_owned()));
    }
    // What the branch's tag says may be an earlier commit that the image stands for as well; a commit's own does not lie.
    if !component.paths.is_empty() {
        for later in branch::later(&context.ledger, change).await?.iter().take(LATER) {
            if resolve(context, image, later.as_str()).await?.is_some() {
                return Ok(Some(later.short().to_owned()));
            }
        }
    }
    Ok(None)
}

/// Points the branch's tag to this image, unless it stands for a later commit; whether it stands for this image now.
pub(crate) async fn tag_branch(
    context: &Context,
    component: &Component,
    change: &Change,
    digest: &Digest,
) -> Result<bool, Failure> {
    let (image, tag) = (&component.image, change.branch.as_tag());
    if resolve(context, image, &tag).await?.is_some_and(|tagged| tagged.digest == *digest) {
        return Ok(true);
    }
    if let Some(later) = overtaken(context, component, change).await? {
        info!(%image, tag, "leaves {image}:{tag} at the later commit {later}");
        return Ok(false);
    }
    context.registries.tag(image, digest, &tag).await.map_err(failure)?;
    Ok(true)
}

/// Points the commit's tag to an earlier commit's image.
pub(crate) async fn tag_commit(
    context: &Context,
    image: &ImageName,
    change: &Change,
    digest: &Digest,
) -> Result<(), Failure> {
    let tag = change.commit.as_str();
    let is_there = resolve(context, image, tag).await?.is_some_and(|tagged| tagged.digest == *digest);
    if is_there { Ok(()) } else { context.registries.tag(image, digest, tag).await.map_err(failure) }
}

pub(crate) fn failure(error: OciError) -> Failure {
    if error.is_transient() { Failure::Transient(error.into()) } else { Failure::Permanent(error.into()) }
}
