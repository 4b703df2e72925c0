//! What waits: how it begins to, asks again, and ends.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Ended, Offer, Place, Waiting};
use proto::{BumpReason, CommitSha, EnvironmentName, EventId, EventType, Lane, Release, ReleaseWaiting, ReleasedImage};
use runtime::config::{Environment, ReleaseMode};

use super::{
    gate::{Gate, PEOPLE, Wait},
    step::{Step, Wish, has, left},
};

impl Step<'_> {
    /// A release begins to wait.
    pub(super) fn wait(&mut self, name: &EnvironmentName, config: &Environment, offer: Offer, wait: Wait) {
        let (lane, since) = (offer.lane, self.cause.now);
        let id = self.waits_under(name, &offer, wait, None);
        let rules = self.gates(name, config).asks_by(lane).cloned();
        let requested = rules.map(|rules| self.ask_people(id, name, &rules, &offer));
        let place = self.place(name);
        end(place, lane, &superseded(name, &offer.release));
        let granted = BTreeMap::new();
        *slot(place, lane) = Some(Waiting { id, offer, since, requested, granted, proposed: None });
    }

    /// Has a wait begin; the event that asks for it again from now on.
    fn waits_under(
        &mut self,
        name: &EnvironmentName,
        offer: &Offer,
        wait: Wait,
        pull_request: Option<String>,
    ) -> EventId {
        let subject = self.subject(EventType::ReleaseWaiting, name, offer.lane);
        let id = EventId::of_outcome(self.cause.id, EventType::ReleaseWaiting, Some(self.name), &subject);
        let waits = ReleaseWaiting {
            app: self.name.clone(),
            environment: name.clone(),
            release: offer.release.clone(),
            reason: offer.reason,
            lane: offer.lane,
            waits_for: wait.waits_for,
            pull_request,
            tell: false,
        };
        self.tell(subject, waits);
        id
    }

    /// It waits on. People whom it needs by now, and nobody has asked, are asked; what a run says goes with its end, so it
    /// asks by another event from then on.
    pub(super) fn waits_on(&mut self, name: &EnvironmentName, config: &Environment, waiting: Waiting, wait: Wait) {
        let Some(rules) = self.gates(name, config).is_to_ask_by(&waiting).cloned() else {
            return self.told.comes_again = Some(wait);
        };
        let page = waiting.proposed.as_ref().map(|proposed| proposed.url.clone());
        let id = self.waits_under(name, &waiting.offer, wait, page);
        let requested = Some(self.ask_people(waiting.approval(), name, &rules, &waiting.offer));
        let lane = waiting.offer.lane;
        *slot(self.place(name), lane) = Some(Waiting { id, requested, ..waiting });
    }

    /// A release that waits asks again.
    pub(crate) fn waited(&mut self, id: EventId, event: &ReleaseWaiting) {
        let (name, lane) = (&event.environment, event.lane);
        let Some(config) = self.app.environments.get(name) else {
            return self.gone(id, event);
        };
        if self.is_done(name) {
            return;
        }
        let place = self.chain.place(name);
        let Some(mut waiting) = place.and_then(|place| place.waiting_as(lane, id)).cloned() else {
            // Without a reason it went, and that was told.
            let why = place.and_then(|place| place.why_ended(id)).map(ToOwned::to_owned);
            self.told.reasons.extend(why);
            return;
        };
        if waiting.offer.release.is_empty() {
            return self.closed(&Wish::of(name, waiting.offer), &of_nothing(name));
        }
        if waiting.offer.reason == BumpReason::Rollback {
            return self.asks_on(name, config, waiting);
        }
        if let Some(why) = self.behind_deployed(name, &mut waiting.offer) {
            return self.end(name, lane, left(name, &why));
        }
        self.leave_barred(name, &mut waiting.offer);
        self.recount(name, config, &mut waiting);
        *slot(self.place(name), lane) = Some(waiting.clone());
        self.settle(&waiting.offer);
        if waiting.proposed.is_some() {
            return self.asks_on(name, config, waiting);
        }
        if let Some(why) = self.is_there_since(name, &waiting) {
            return self.end(name, lane, why);
        }
        match self.gates(name, config).ask(&waiting.offer, Some(&waiting)) {
            Gate::Open => self.wish(name, waiting.offer),
            Gate::Closed(wait) => self.waits_on(name, config, waiting, wait),
            Gate::Never(why) => self.end(name, lane, why),
        }
    }

    /// That the environment was asked for it while it waited, be it by the fast path, which had the same images. What was
    /// there before waits because somebody has it done again.
    pub(super) fn is_there_since(&self, name: &EnvironmentName, waiting: &Waiting) -> Option<String> {
        let asked = self.chain.place(name)?.asked.as_ref()?;
        let is_since = waiting.proposed.is_none() && self.cause.replay == 0 && asked.at >= waiting.since;
        self.is_there(name, &waiting.offer).filter(|_| is_since)
    }

    /// What waited for an environment that is no more does not wait on: nobody asks for it again, should there be one of
    /// that name some day.
    fn gone(&mut self, id: EventId, event: &ReleaseWaiting) {
        let why = self.not_there(&event.environment);
        if let Some(place) = self.chain.places.get_mut(&event.environment) {
            let is_it = |waiting: &mut Waiting| waiting.id == id;
            let waited = slot(place, event.lane).take_if(is_it).or_else(|| place.back.take_if(is_it));
            end_of(place, waited, &why);
        }
        self.told.reasons.push(why);
    }

    /// Where new images come one by one, what is barred by now keeps none of the others.
    pub(super) fn leave_barred(&mut self, name: &EnvironmentName, offer: &mut Offer) {
        let is_barred = |image: &ReleasedImage| self.chain.barred.contains_key(&image.digest);
        let alone = self.app.release == ReleaseMode::Apart && offer.reason == BumpReason::Deploy;
        if !alone || offer.release.values().all(is_barred) {
            return;
        }
        if let Some(why) = self.chain.why_barred(&offer.release) {
            self.told.reasons.push(format!("{name} does not get it: {why}"));
        }
        offer.release.retain(|_, image| !is_barred(image));
    }

    /// What comes waits together with what waits already, where components come one by one, but for what something newer is
    /// deployed of by now, and what is barred.
    pub(super) fn waits_with(&mut self, name: &EnvironmentName, lane: Lane) -> Release {
        let Some(mut waited) = self.waiting(name, lane).map(|waiting| waiting.offer.clone()) else {
            return Release::new();
        };
        waited.release.retain(|_, image| !self.chain.barred.contains_key(&image.digest));
        self.behind_deployed(name, &mut waited);
        waited.release
    }

    pub(super) fn waiting(&self, name: &EnvironmentName, lane: Lane) -> Option<&Waiting> {
        self.chain.place(name)?.waiting(lane)
    }

    /// The repository asks for something else than what was to be replaced.
    pub(crate) fn moved_on(&mut self, wish: &Wish, now: &str) {
        let name = &wish.environment;
        let why = format!("the manifest of {name} has moved on to {now}; it is left as it is");
        if wish.proposed.is_some() {
            self.went_for(wish, &why);
        }
        self.told.reasons.push(why);
    }

    /// What is wanted is older than what the files ask for.
    pub(crate) fn older(&mut self, wish: &Wish, why: &str) {
        let why = left(&wish.environment, why);
        self.went_for(wish, &why);
        self.told.reasons.push(why);
    }

    /// What stands in its files cannot be changed, while others' were: it waits by itself, so that what becomes of those does
    /// not hang on it.
    pub(crate) fn refused(&mut self, wish: &Wish, why: &str) {
        let app = self.app;
        let Some(config) = app.environments.get(&wish.environment) else { return };
        let wait = Wait { waits_for: format!("its files to be mended: {why}"), at_least: PEOPLE };
        self.wait(&wish.environment, config, wish.offer(), wait);
    }

    /// What went no longer waits. A rollback takes nothing from what does.
    pub(super) fn went(&mut self, wish: &Wish) -> Option<Waiting> {
        let place = self.place(&wish.environment);
        let slot = if wish.reason == BumpReason::Rollback { &mut place.back } else { slot(place, wish.lane) };
        slot.take_if(|waiting| has(&wish.wanted, &waiting.offer.release))
    }

    /// The same of what came to nothing; why is kept for whoever asks, such as the readers of its pull request.
    fn went_for(&mut self, wish: &Wish, why: &str) {
        let waited = self.went(wish);
        end_of(self.place(&wish.environment), waited, why);
    }

    pub(super) fn end(&mut self, name: &EnvironmentName, lane: Lane, why: String) {
        end(self.place(name), lane, &why);
        self.told.reasons.push(why);
    }
}

pub(super) fn slot(place: &mut Place, lane: Lane) -> &mut Option<Waiting> {
    if lane == Lane::Hotfix { &mut place.urgent } else { &mut place.waiting }
}

/// Ends a wait, and keeps why for whoever asks again.
pub(super) fn end(place: &mut Place, lane: Lane, why: &str) {
    let waited = slot(place, lane).take();
    end_of(place, waited, why);
}

/// The same of what waited.
pub(super) fn end_of(place: &mut Place, waited: Option<Waiting>, why: &str) {
    /// Each is asked for within ten minutes; new images come and end waits every few seconds where much is built.
    const KEPT: usize = 128;
    if let Some(waiting) = waited {
        let ids = BTreeSet::from([waiting.id, waiting.approval()]);
        place.ended.extend(ids.into_iter().map(|id| Ended { id, why: why.to_owned() }));
        let surplus = place.ended.len().saturating_sub(KEPT);
        place.ended.drain(..surplus);
    }
}

/// Why what waited ends when the configuration has none of its components any more.
pub(super) fn of_nothing(name: &EnvironmentName) -> String {
    left(name, "the configuration has none of its components any more")
}

pub(super) fn superseded(name: &EnvironmentName, by: &Release) -> String {
    let newer = by.values().find_map(|released| released.commit.as_ref());
    let newer = newer.map_or("a newer release", CommitSha::short);
    format!("superseded: {newer} came for {name} while it waited")
}
