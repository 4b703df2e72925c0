//! Pull requests of environments that are pushed to by now: each is asked after before anything is pushed instead of it.

use forge::{Pull, State};
use ledger::Chain;
use proto::{Deployment, Event};
use runtime::Failure;

use super::{branch, failure, over, proposed, standing};
use crate::{
    Bumper,
    carry::ask,
    chain::Wish,
    edit::Ask,
    outcome::Target,
    repo::{Answer, Onto, Proposing},
    run::Input,
};

impl Bumper {
    /// Pushes what a wish asks for, unless its pull request is over by now: what was merged is there, and whoever closed it
    /// wants it no more.
    pub(crate) async fn push(&self, target: Target<'_>, wish: &Wish, ask: &Ask) -> Result<Answer, Failure> {
        let Some(proposed) = &wish.proposed else {
            return Ok(self.repositories.bump(&target.written(&wish.environment), ask.clone()).await?);
        };
        // Before the branch is: what is merged meanwhile is then seen there. Without a `forge` nobody can be asked any more.
        let pull = match self.hosts.of(target.name) {
            Ok(host) => host.get(proposed.number, &proposed.url).await.map_err(failure)?,
            Err(_) => None,
        };
        if let Some(landed) = self.merged(target, wish, ask).await? {
            return Ok(landed);
        }
        let is_here = |pull: &Pull| pull.into == target.written(&wish.environment).branch.as_str();
        if let Some(pull) = pull.filter(|pull| pull.state != State::Open && is_here(pull)) {
            return Ok(Answer::Closed(over(&pull, &wish.environment)));
        }
        match self.repositories.bump(&target.written(&wish.environment), ask.clone()).await? {
            // It was merged the moment before.
            same @ Answer::Same(_) => Ok(self.merged(target, wish, ask).await?.unwrap_or(same)),
            answer => Ok(answer),
        }
    }

    /// What was merged since anybody looked, as far as the files say.
    pub(crate) async fn merged_meanwhile(
        &self,
        target: Target<'_>,
        event: &Event,
        before: &Chain,
    ) -> Result<Vec<(Deployment, Wish)>, Failure> {
        let mut merged = Vec::new();
        for wish in standing(before) {
            let Some(ask) = ask(target, event.id, &wish) else { continue };
            let there = match self.merged(target, &wish, &ask).await {
                // What cannot be read there is told where that environment itself is looked at, and keeps no other waiting.
                Err(Failure::Permanent(why)) => {
                    tracing::info!(environment = %wish.environment, "whether it was merged is not known: {why:#}");
                    None
                }
                there => there?,
            };
            if let Some(Answer::Landed(landed)) = there {
                merged.push((self.deployment(target, ask, landed).await, wish));
            }
        }
        Ok(merged)
    }

    /// The answer that what a wish's pull request asks for is there, if it is.
    async fn merged(&self, target: Target<'_>, wish: &Wish, ask: &Ask) -> Result<Option<Answer>, Failure> {
        let known = wish.proposed.as_ref().map(|proposed| proposed.head.clone());
        let onto = Onto { branch: branch(target.name, wish), known, over: None, fresh: false, push: false };
        let written = target.written(&wish.environment);
        Ok(match self.repositories.propose(&written, ask.clone(), onto).await? {
            Proposing::Decided(landed @ Answer::Landed(_)) => Some(landed),
            _ => None,
        })
    }
}

/// Whether what asks again waits with a pull request where pushes are wanted meanwhile. A gate may keep Windlass from
/// pushing, and nobody from merging.
pub(crate) fn is_pushed_to_by_now(target: Target<'_>, input: &Input<'_>, chain: &Chain) -> bool {
    let Input::Waiting(waiting) = input else { return false };
    target.app.merge(&waiting.environment).is_none()
        && chain.place(&waiting.environment).is_some_and(|place| proposed(place).next().is_some())
}
