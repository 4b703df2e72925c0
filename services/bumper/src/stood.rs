//! What stood in an environment's files where the last healthy deployment does not say it.

use ledger::Chain;
use proto::{BumpReason, Deployment, Event, Lane, Release};
use runtime::Failure;

use crate::{
    Bumper,
    carry::ask,
    chain::{Wish, nothing},
    image::Reference,
    outcome::Target,
};

impl Bumper {
    /// Of the components that a bad deployment has and the last healthy one does not name, as they are new in the
    /// configuration or nobody could tell: what they had in the files when those were healthy; where they were not in
    /// them, what the bad one replaced. What the registry cannot tell now is left out, so that it does not keep the others
    /// from being taken back.
    pub(crate) async fn stood(
        &self,
        target: Target<'_>,
        event: &Event,
        bad: &Deployment,
        chain: &Chain,
    ) -> Result<Release, Failure> {
        let mut stood = Release::new();
        let good = chain.place(&bad.environment).and_then(|place| place.healthy.as_ref());
        let Some(good) = good.filter(|good| bad.release.keys().any(|name| !good.release.contains_key(name))) else {
            return Ok(stood);
        };
        let Some(ask) = ask(target, event.id, &going_back(bad)) else { return Ok(stood) };
        let slots = ask.slots.clone();
        let mut values = bad.previous.clone();
        let written = target.written(&bad.environment);
        values.extend(self.repositories.values(&written, ask, good.revision.clone()).await?.unwrap_or_default());
        for (name, value) in values.into_iter().filter(|(name, _)| !good.release.contains_key(name)) {
            let Some(slot) = slots.get(&name).filter(|slot| Reference::parse(&value).is_of(&slot.image)) else {
                continue;
            };
            stood.extend(self.read_back(&slot.image, &value).await.map(|image| (name, image)));
        }
        Ok(stood)
    }
}

/// What asks for nothing, and so only for where everything stands.
fn going_back(from: &Deployment) -> Wish {
    Wish::of(&from.environment, nothing(BumpReason::Rollback, Lane::Deploy, None))
}
