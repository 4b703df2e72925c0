//! What the files ask for that nobody was told of: a person's commit, which nothing older comes over.

use proto::{CommitSha, ComponentName, Digest, ImageName, Lane};
use runtime::{Failure, config::ReleaseMode};

use crate::{
    Bumper,
    chain::{Order, Question, Wish},
    image::Reference,
    outcome::{Target, failure},
};

/// How what is wanted stands to what a file asks for.
pub(crate) enum Standing {
    /// It comes over it.
    Newer,
    /// It does not, and why.
    Older(String),
    /// Nothing tells, and why. It comes over it, and people are told.
    Untold(String),
}

impl Bumper {
    /// Whether what is wanted of a component is newer than what a file asks for. Whoever could tell another time is asked
    /// again then: the error is for that.
    pub(crate) async fn against_file(
        &self,
        target: Target<'_>,
        wish: &Wish,
        component: &ComponentName,
        value: &str,
    ) -> Result<Standing, Failure> {
        let Some(wanted) = wish.wanted.get(component) else { return Ok(Standing::Newer) };
        let there = Reference::parse(value);
        let rule = target.app.tag_rule(&wish.environment, component);
        let tags = wanted.tag.as_deref().zip(there.tag);
        if rule.zip(tags).is_some_and(|(nearest, (wanted, now))| nearest.rule.decides(wanted, now)) {
            return Ok(Standing::Newer);
        }
        let untold = |new: &str, why: &str| {
            let there = shown(&there);
            Standing::Untold(format!("whether {new} is newer than `{there}` of the manifest is not known: {why}"))
        };
        let whole = wish.commit.as_ref().filter(|_| target.app.release == ReleaseMode::Together);
        let Some(new) = whole.or(wanted.commit.as_ref()) else {
            return Ok(untold(wanted.digest.short(), "its image names no source commit"));
        };
        let old = match self.source_of(&wanted.image, &there).await? {
            Ok(old) => old,
            Err(why) => return Ok(untold(new.short(), &why)),
        };
        if old == *new {
            return Ok(Standing::Newer);
        }
        let order = self.sources.answer(target.app, &Question::Order(new.clone(), old.clone())).await?;
        let (new, old) = (new.short(), old.short());
        Ok(match order {
            Order::Before => Standing::Older(format!("{new} is older than {old}, which the manifest asks for")),
            // A fix and what its branch left behind are apart by nature.
            Order::Apart if wish.lane == Lane::Hotfix => Standing::Newer,
            order => order.doubt(new, old).map_or(Standing::Newer, Standing::Untold),
        })
    }

    /// The source commit of what a file asks for; the inner error says why that cannot be told.
    async fn source_of(&self, image: &ImageName, there: &Reference<'_>) -> Result<Result<CommitSha, String>, Failure> {
        // A tag that is a commit says which one was meant, whatever the image was built from.
        if let Some(named) = there.commit() {
            return Ok(Ok(named));
        }
        // A digest is the same image under any name.
        if there.digest.is_none() && !there.is_of(image) {
            return Ok(Err(format!("it is another image than {image}")));
        }
        let asked = there.digest.or(there.tag).unwrap_or("latest");
        match self.registries.resolve(image, asked).await {
            Ok(Some(resolved)) => Ok(resolved.revision.ok_or_else(|| "its image names no source commit".to_owned())),
            Ok(None) => Ok(Err("it is not in the registry, or no more".to_owned())),
            Err(error) if error.is_transient() => Err(failure(error)),
            // It would be no other another time. One that refuses us must not keep everything newer out until somebody has
            // mended that, as a source that does so must not.
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

/// By what people know it: its tag, or else its digest.
fn shown(there: &Reference<'_>) -> String {
    let digest =
        || there.digest.map(|digest| Digest::new(digest).map_or(digest.to_owned(), |it| it.short().to_owned()));
    there.tag.map(ToOwned::to_owned).or_else(digest).unwrap_or_else(|| "latest".to_owned()).escape_debug().to_string()
}
