//! Carries out what a step wishes: the GitOps repository is asked, and its answers are put back into the step.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use ledger::Chain;
use proto::{BumpReason, ComponentName, Data, Deployment, Event, EventId};
use runtime::{
    Failure,
    config::{App, ReleaseMode, TagRule},
};

use crate::{
    Bumper,
    behind::Standing,
    chain::{Step, Wish, noted},
    edit::{Ask, Over},
    outcome::Target,
    propose::waits_for_others,
    repo::Answer,
};

/// What became of a wish.
enum Became {
    /// A commit of the event asks for it.
    Ours(Deployment),
    /// It was asked for already.
    There(Deployment),
    Else(Answer),
}

impl Bumper {
    /// Has the files of one environment changed, unless that would take it back: what stands there may be a person's
    /// commit, which nobody was told of.
    async fn bump(
        &self,
        target: Target<'_>,
        chain: &Chain,
        wish: &Wish,
        mut ask: Ask,
    ) -> Result<(Ask, Answer), Failure> {
        let asked = chain.place(&wish.environment).and_then(|place| place.asked.as_ref());
        let release = asked.map(|asked| asked.deployment.release.clone()).unwrap_or_default();
        ask.over = (wish.reason != BumpReason::Rollback).then(|| Over { release, values: BTreeSet::new() });
        loop {
            let answer = match target.app.merge(&wish.environment) {
                Some(merge) => self.propose(target, wish, &ask, merge).await?,
                None => self.push(target, wish, &ask).await?,
            };
            let found = match answer {
                Answer::Unforeseen(found) => found,
                answer => return Ok((ask, answer)),
            };
            for (component, value) in found {
                match self.against_file(target, wish, &component, &value).await? {
                    Standing::Newer => {}
                    Standing::Untold(doubt) => ask.note = noted(ask.note.take(), Some(doubt)),
                    Standing::Older(why) => {
                        ask.wanted.remove(&component);
                        let alone = target.app.release == ReleaseMode::Apart && wish.reason == BumpReason::Deploy;
                        if !alone || ask.wanted.is_empty() {
                            return Ok((ask, Answer::Older(why)));
                        }
                        ask.note = noted(ask.note.take(), Some(format!("{component} is left as it is: {why}")));
                        continue;
                    }
                }
                if let Some(over) = &mut ask.over {
                    over.values.insert(value);
                }
            }
        }
    }

    /// Has the files of all environments changed at once, so that they share a push. One that fails does not hold up the
    /// others; the event then fails, and is handled again. One whose files somebody must mend waits by itself, or the others'
    /// commits would be told of by nobody. `before` is the chain as it was before the step.
    pub(crate) async fn carry_out(
        &self,
        target: Target<'_>,
        event: &Event,
        before: &Chain,
        step: &mut Step<'_>,
    ) -> Result<(), Failure> {
        let mut wishes = std::mem::take(&mut step.wishes);
        for wish in &mut wishes {
            wish.proposed = wish.proposed.take().or_else(|| step.standing(wish));
        }
        let chain = &step.chain;
        let asked = wishes.iter().filter_map(|wish| Some((wish, ask(target, event.id, wish)?)));
        let answers = asked.map(async |(wish, ask)| (wish, self.answered(target, chain, wish, ask).await));
        let answers = join_all(answers).await;
        // Where another has begun to wait, that is not to be lost either.
        let others_wait = step.told.events.iter().any(|(_, data)| matches!(data, Data::ReleaseWaiting(_)));
        let is_refused = |answer: &Result<_, Failure>| matches!(answer, Err(Failure::Permanent(_)));
        let has_others = others_wait || !answers.iter().all(|(_, answer)| is_refused(answer));
        let is_alone = !others_wait && answers.len() == 1;
        for (wish, answer) in answers {
            let (note, answer) = match answer {
                Err(Failure::Permanent(why)) if has_others => {
                    step.refused(wish, &format!("{why:#}"));
                    continue;
                }
                answer => answer?,
            };
            match answer {
                Became::Ours(deployment) => step.landed(deployment, wish),
                Became::There(deployment) => step.same(wish, deployment),
                Became::Else(Answer::MovedOn(now)) => step.moved_on(wish, &now),
                Became::Else(Answer::Older(why)) => step.older(wish, &why),
                // Its merge is told with whatever was found out before it was proposed.
                Became::Else(Answer::Proposed(proposed)) => step.proposed(&Wish { note, ..wish.clone() }, *proposed),
                Became::Else(Answer::Closed(why)) => step.closed(wish, &why),
                Became::Else(Answer::OfOthers(why)) => match waits_for_others(before, wish, why) {
                    Failure::Permanent(why) if !is_alone => step.refused(wish, &format!("{why:#}")),
                    failure => return Err(failure),
                },
                Became::Else(Answer::Landed(_) | Answer::Same(_) | Answer::Unforeseen(_)) => {}
            }
        }
        Ok(())
    }

    /// What becomes of a wish, and its note by then.
    async fn answered(
        &self,
        target: Target<'_>,
        chain: &Chain,
        wish: &Wish,
        ask: Ask,
    ) -> Result<(Option<String>, Became), Failure> {
        let (ask, answer) = self.bump(target, chain, wish, ask).await?;
        let note = ask.note.clone();
        Ok(match answer {
            Answer::Landed(landed) => (note, Became::Ours(self.deployment(target, ask, landed).await)),
            Answer::Same(there) => (note, Became::There(self.deployment(target, ask, there).await)),
            other => (note, Became::Else(other)),
        })
    }
}

/// What is asked of one environment's files; `None` where the config no longer has it.
pub(crate) fn ask(target: Target<'_>, event: EventId, wish: &Wish) -> Option<Ask> {
    let config = target.app.environments.get(&wish.environment)?;
    Some(Ask {
        app: target.name.clone(),
        environment: wish.environment.clone(),
        path: config.path.as_str().to_owned(),
        event,
        reason: wish.reason,
        slots: Ask::slots(target.app, &wish.environment),
        wanted: wish.wanted.clone(),
        commit: wish.commit.clone(),
        instead_of: wish.instead_of.clone(),
        over: None,
        rules: rules(target.app, wish),
        note: wish.note.clone(),
    })
}

/// No image comes over a newer one, be it new or promoted; what is restored is chosen by its health.
fn rules(app: &App, wish: &Wish) -> BTreeMap<ComponentName, TagRule> {
    let components = wish.wanted.keys().filter(|_| wish.reason != BumpReason::Rollback);
    let rule = |name: &ComponentName| app.tag_rule(&wish.environment, name).map(|nearest| nearest.rule.clone());
    components.filter_map(|component| Some((component.clone(), rule(component)?))).collect()
}
