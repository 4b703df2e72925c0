//! What the registry has already: a commit's image is built once, and a branch's tag does not go back.

use proto::{Change, Digest, ImageName};
use runtime::{
    Context, Failure,
    oci::{OciError, Resolved},
};
use tracing::info;

use crate::branch;

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
    image: &ImageName,
    change: &Change,
) -> Result<Option<String>, Failure> {
    let Some(tagged) = resolve(context, image, &change.branch.as_tag()).await? else { return Ok(None) };
    let Some(other) = tagged.revision.filter(|other| *other != change.commit) else { return Ok(None) };
    let is_later = branch::is_later(&context.ledger, change, &other).await?;
    Ok(is_later.then(|| other.short().to_owned()))
}

/// Points the branch's tag to this image, unless it stands for a later commit; whether it stands for this image now.
pub(crate) async fn tag_branch(
    context: &Context,
    image: &ImageName,
    change: &Change,
    digest: &Digest,
) -> Result<bool, Failure> {
    let tag = change.branch.as_tag();
    if resolve(context, image, &tag).await?.is_some_and(|tagged| tagged.digest == *digest) {
        return Ok(true);
    }
    if let Some(later) = overtaken(context, image, change).await? {
        info!(%image, tag, "leaves {image}:{tag} at the later commit {later}");
        return Ok(false);
    }
    context.registries.tag(image, digest, &tag).await.map_err(failure)?;
    Ok(true)
}

pub(crate) fn failure(error: OciError) -> Failure {
    if error.is_transient() { Failure::Transient(error.into()) } else { Failure::Permanent(error.into()) }
}
