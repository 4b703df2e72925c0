//! Carries out what a step wishes: the GitOps repository is asked, and its answers are put back into the step.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use ledger::Chain;
use proto::{BumpReason, ComponentName, Event, EventId};
use runtime::{
    Failure,
    config::{App, ReleaseMode, TagRule},
};

use crate::{
    Bumper,
    chain::{Order, Question, Step, Wish},
    edit::{Ask, Over},
    image::Reference,
    outcome::Target,
    propose::waits_for_others,
    repo::Answer,
};

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
                None => self.repositories.bump(target.gitops, ask.clone()).await?,
            };
            let found = match answer {
                Answer::Unforeseen(found) => found,
                answer => return Ok((ask, answer)),
            };
            for (component, value) in found {
                let Some(why) = self.behind_file(target, wish, &component, &value).await? else {
                    if let Some(over) = &mut ask.over {
                        over.values.insert(value);
                    }
                    continue;
                };
                ask.wanted.remove(&component);
                let alone = target.app.release == ReleaseMode::Apart && wish.reason == BumpReason::Deploy;
                if !alone || ask.wanted.is_empty() {
                    return Ok((ask, Answer::Older(why)));
                }
                let others = ask.note.take().map(|note| format!("{note}; ")).unwrap_or_default();
                ask.note = Some(format!("{others}{component} is left as it is: {why}"));
            }
        }
    }

    /// Why what a file asks for is not replaced: its source is newer than what is wanted.
    async fn behind_file(
        &self,
        target: Target<'_>,
        wish: &Wish,
        component: &ComponentName,
        value: &str,
    ) -> Result<Option<String>, Failure> {
        let Some(wanted) = wish.wanted.get(component) else { return Ok(None) };
        let rule = target.app.tag_rule(&wish.environment, component);
        let whole = wish.commit.as_ref().filter(|_| target.app.release == ReleaseMode::Together);
        let tags = wanted.tag.as_deref().zip(Reference::parse(value).tag);
        let is_decided = rule.zip(tags).is_some_and(|(nearest, (wanted, now))| nearest.rule.decides(wanted, now));
        let Some(new) = whole.or(wanted.commit.as_ref()).filter(|_| !is_decided) else { return Ok(None) };
        // A tag that is a commit says which one was meant, whatever the image was built from.
        let old = match Reference::parse(value).commit() {
            Some(named) => Some(named),
            None => self.read_back(&wanted.image, value).await.and_then(|image| image.commit),
        };
        let Some(old) = old.filter(|old| old != new) else { return Ok(None) };
        let question = Question::Order(new.clone(), old.clone());
        let is_older = self.sources.answer(target.app, &question).await? == Order::Before;
        let (new, old) = (new.short(), old.short());
        Ok(is_older.then(|| format!("{new} is older than {old}, which the manifest asks for")))
    }

    /// Has the files of all environments changed at once, so that they share a push. One that fails does not hold up the
    /// others; the event then fails, and is handled again. `before` is the chain as it was before the step.
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
        let answers = asked.map(async |(wish, ask)| {
            let (ask, answer) = self.bump(target, chain, wish, ask).await?;
            Ok::<_, Failure>(match answer {
                Answer::Landed(landed) => (wish, Ok(self.deployment(target, ask, landed).await)),
                other => (wish, Err(other)),
            })
        });
        for answer in join_all(answers).await {
            match answer? {
                (wish, Ok(deployment)) => step.landed(deployment, wish),
                (wish, Err(Answer::Same(head))) => step.same(wish, &head),
                (wish, Err(Answer::MovedOn(now))) => step.moved_on(wish, &now),
                (wish, Err(Answer::Older(why))) => step.older(wish, &why),
                (wish, Err(Answer::Proposed(proposed))) => step.proposed(wish, *proposed),
                (wish, Err(Answer::Closed(why))) => step.closed(wish, &why),
                (wish, Err(Answer::OfOthers(why))) => return Err(waits_for_others(before, wish, why)),
                (_, Err(Answer::Landed(_) | Answer::Unforeseen(_))) => {}
            }
        }
        Ok(())
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
