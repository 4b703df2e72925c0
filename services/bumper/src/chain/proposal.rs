//! Releases that wait for the merge of their pull request. It is opened once every gate has let the release in; from then
//! on it is people who decide, or the checks.

use std::time::Duration;

use ledger::{Offer, Place, Proposed, Waiting};
use proto::{BumpReason, EventId, EventType, ReleaseWaiting};
use runtime::config::Environment;

use super::{
    gate::{Gate, Wait},
    step::{Step, Wish, is_same},
    waits::{end_of, slot},
};

/// How often a pull request is looked at: a few requests each time, of some thousands an hour.
pub(crate) const LOOK: Duration = Duration::from_secs(15);

impl Wish {
    /// What was offered, to be offered once more.
    pub(super) fn offer(&self) -> Offer {
        let Self { wanted: release, commit, reason, lane, author, note, verified, healthy_in, .. } = self.clone();
        Offer { release, commit, reason, lane, verified, healthy_in, author, note }
    }

    /// What waits where this would.
    pub(crate) fn slot_in<'p>(&self, place: &'p Place) -> Option<&'p Waiting> {
        if self.reason == BumpReason::Rollback { place.back.as_ref() } else { place.waiting(self.lane) }
    }
}

impl Step<'_> {
    /// A release whose pull request is open asks again. The gates keep Windlass from merging it, and people from nothing.
    pub(super) fn asks_on(&mut self, name: &proto::EnvironmentName, config: &Environment, waiting: Waiting) {
        let is_rollback = waiting.offer.reason == BumpReason::Rollback;
        let gate = match self.chain.why_barred(&waiting.offer.release) {
            Some(why) => Gate::Never(format!("{name} does not get it: {why}")),
            None if is_rollback => self.way_back_is_open(name, config, &waiting),
            None => self.gates(name, config).ask(&waiting.offer, Some(&waiting)),
        };
        if let Gate::Closed(wait) = &gate
            && !is_rollback
            && self.gates(name, config).is_to_ask_by(&waiting).is_some()
        {
            let wait = wait.clone();
            return self.waits_on(name, config, waiting, wait);
        }
        let instead_of = waiting.proposed.as_ref().and_then(|proposed| proposed.instead_of.clone());
        let wish = Wish::of(name, waiting.offer);
        let wish = Wish { instead_of, proposed: waiting.proposed, may_merge: matches!(gate, Gate::Open), ..wish };
        match gate {
            Gate::Never(why) => self.closed(&wish, &why),
            // The environment is pushed to by now, and a push asks nobody any more.
            Gate::Closed(wait) if self.app.merge(name).is_none() => self.told.comes_again = Some(wait),
            Gate::Open | Gate::Closed(_) => self.wish_for(wish),
        }
    }

    /// What is taken back waits for no gate. Nobody ordered it, though, where it is for exactly what was found bad: then a
    /// hold keeps Windlass from it, as it would have kept it from beginning.
    fn way_back_is_open(&self, name: &proto::EnvironmentName, config: &Environment, waiting: &Waiting) -> Gate {
        let is_automatic = waiting.proposed.as_ref().is_some_and(|proposed| proposed.instead_of.is_some());
        let held = self.gates(name, config).hold(&waiting.offer).filter(|_| is_automatic);
        held.map_or(Gate::Open, Gate::Closed)
    }

    /// A pull request asks for it; whoever merges it goes on. The wait for that is told once for each state it is in, and
    /// people once for each pull request, whichever release is in it.
    pub(crate) fn proposed(&mut self, wish: &Wish, proposed: Proposed) {
        let name = &wish.environment;
        let known = self.slot_of(wish).take();
        let same = |waiting: &Waiting| is_same(&waiting.offer.release, &wish.wanted);
        if let Some(waiting) = known.as_ref().filter(|w| same(w) && w.proposed.as_ref() == Some(&proposed)) {
            if waiting.id == self.cause.id {
                self.told.comes_again = Some(Wait { waits_for: proposed.waits_for, at_least: LOOK });
            }
            *self.slot_of(wish) = known;
            return;
        }
        let subject = self.subject(EventType::ReleaseWaiting, name, wish.lane);
        let id = EventId::of_outcome(self.cause.id, EventType::ReleaseWaiting, Some(self.name), &subject);
        let waited = known.as_ref().filter(|w| same(w));
        let since = waited.map_or(self.cause.now, |w| w.since);
        let granted = waited.map(|w| w.granted.clone()).unwrap_or_default();
        let requested = waited.and_then(|w| w.requested.clone());
        let (app, environment, release) = (self.name.clone(), name.clone(), wish.wanted.clone());
        let (reason, lane, waits_for) = (wish.reason, wish.lane, proposed.waits_for.clone());
        let tell = proposed.for_people && self.is_news(name, &proposed.url);
        let pull_request = Some(proposed.url.clone());
        let waits = ReleaseWaiting { app, environment, release, reason, lane, waits_for, pull_request, tell };
        self.tell(subject, waits);
        if let Some(other) = known.filter(|w| !same(w)) {
            end_of(
                self.place(name),
                Some(other),
                &format!("superseded: a newer release came for {name} while it waited"),
            );
        }
        let offer = wish.offer();
        *self.slot_of(wish) = Some(Waiting { id, offer, since, requested, granted, proposed: Some(proposed) });
    }

    /// Whether people have not been told of this pull request. From now on they have.
    fn is_news(&mut self, name: &proto::EnvironmentName, url: &str) -> bool {
        /// One for each lane and the way back may be open at once.
        const KEPT: usize = 8;
        let told = &mut self.place(name).told;
        let is_news = !told.iter().any(|known| known == url);
        if is_news {
            told.push(url.to_owned());
            let surplus = told.len().saturating_sub(KEPT);
            told.drain(..surplus);
        }
        is_news
    }

    /// Nothing will come of its pull request.
    pub(crate) fn closed(&mut self, wish: &Wish, why: &str) {
        let waited = self.slot_of(wish).take();
        end_of(self.place(&wish.environment), waited, why);
        self.told.reasons.push(why.to_owned());
    }

    /// The pull request that stands for a wish already.
    pub(crate) fn standing(&self, wish: &Wish) -> Option<Proposed> {
        let slot = wish.slot_in(self.chain.place(&wish.environment)?);
        slot.filter(|waiting| is_same(&waiting.offer.release, &wish.wanted))
            .and_then(|waiting| waiting.proposed.clone())
    }

    fn slot_of(&mut self, wish: &Wish) -> &mut Option<Waiting> {
        let place = self.place(&wish.environment);
        if wish.reason == BumpReason::Rollback { &mut place.back } else { slot(place, wish.lane) }
    }
}
