//! What a release has shown in the environments before: that it is healthy there, and for how long without interruption.
//! That counts from the verdict that finds it so until the environment is asked for something in its place, or is found
//! unhealthy.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ledger::{Asked, Offer, Place};
use proto::{Deployment, EnvironmentName, Lane, Release, Timestamp};
use runtime::config::Environment;

use super::{
    gate::{Gates, PEOPLE, Wait, human, signed},
    step::{Step, has, is_bad, is_same},
};

impl Gates<'_> {
    /// Until it was healthy wherever it must be, be that since it waits: `after` may have grown.
    pub(super) fn after(&self, offer: &Offer) -> Option<Wait> {
        let was_healthy = |before: &EnvironmentName| {
            let now = self.chain.place(before);
            offer.healthy_in.contains_key(before) || now.is_some_and(|now| is_healthy(now, &offer.release))
        };
        let missing = self.before(offer).iter().find(|before| !was_healthy(before))?;
        Some(Wait { waits_for: format!("{missing} to be healthy with the same images"), at_least: PEOPLE })
    }

    /// Until it was so for long enough, wherever it must be. What was so once stays so.
    pub(super) fn soak(&self, offer: &Offer) -> Option<Wait> {
        let soak = signed(self.config.soak);
        let words = |until: String| format!("having been healthy for {} ({until})", human(self.config.soak));
        // What takes a fix's place in the environment before has it, so that the fix soaks on.
        if offer.lane == Lane::Hotfix {
            return self.until(offer.verified.as_ref()?.at.checked_add(soak).ok()?, words);
        }
        let mut last = None;
        let lasted = |before: &&EnvironmentName| offer.healthy_in.get(*before).is_some_and(|lasted| *lasted >= soak);
        for before in self.before(offer).iter().filter(|before| !soak.is_zero() && !lasted(before)) {
            let asked = self.chain.place(before).and_then(|place| place.asked.as_ref());
            let runs = asked.and_then(well).filter(|(runs, _)| has(runs, &offer.release));
            let Some((_, since)) = runs else {
                let waits_for =
                    format!("having been healthy for {} in {before}, where it is not now", human(self.config.soak));
                return Some(Wait { waits_for, at_least: PEOPLE });
            };
            last = last.max(since.checked_add(soak).ok());
        }
        self.until(last?, words)
    }

    /// Where a release must be healthy before it comes here.
    fn before(&self, offer: &Offer) -> &[EnvironmentName] {
        let is_straight = offer.lane == Lane::Hotfix && self.app.fast_path.to.contains(self.name);
        if is_straight { &[] } else { &self.config.after }
    }
}

impl Step<'_> {
    /// What an environment was asked for is found healthy.
    pub(super) fn found_healthy(&mut self, verified: &Deployment) {
        let place = self.place(&verified.environment);
        let same = |known: &Deployment| is_same(&known.release, &verified.release);
        if !place.healthy.as_ref().is_some_and(same) {
            place.soaked = SignedDuration::ZERO;
        }
        place.healthy = Some(verified.clone());
        for offer in self.waiting_after(&verified.environment, &verified.release) {
            offer.healthy_in.entry(verified.environment.clone()).or_default();
        }
    }

    /// What is healthy wherever it must be before this environment, as it is there, and how long it has been so before.
    pub(super) fn healthy_before(&self, config: &Environment) -> BTreeMap<EnvironmentName, SignedDuration> {
        let soaked = |before: &EnvironmentName| self.chain.place(before).map(|place| place.soaked).unwrap_or_default();
        config.after.iter().map(|before| (before.clone(), soaked(before))).collect()
    }

    /// What an environment was asked for is so no more, or is found unhealthy. How long it had been healthy is kept.
    pub(super) fn interrupted(&mut self, at: &EnvironmentName, was: Option<&Asked>) {
        let Some((release, since)) = was.and_then(well) else { return };
        let lasted = self.cause.now.duration_since(since);
        for offer in self.waiting_after(at, release) {
            let longest = offer.healthy_in.entry(at.clone()).or_default();
            *longest = lasted.max(*longest);
        }
        let place = self.place(at);
        if place.healthy.as_ref().is_some_and(|healthy| has(release, &healthy.release)) {
            place.soaked = lasted.max(place.soaked);
        }
    }

    /// What of a release that an environment has waits for others.
    fn waiting_after(&mut self, at: &EnvironmentName, release: &Release) -> impl Iterator<Item = &mut Offer> {
        let others = self.chain.places.iter_mut().filter(move |(name, _)| *name != at);
        let waits = others.flat_map(|(_, place)| [&mut place.urgent, &mut place.waiting]).flatten();
        waits.map(|waiting| &mut waiting.offer).filter(move |offer| has(release, &offer.release))
    }
}

/// Whether an environment was last healthy with a release, and has not been found unhealthy with it since. Of a part of
/// what is unhealthy nobody can tell whether it is that.
pub(super) fn is_healthy(place: &Place, release: &Release) -> bool {
    let is_it = |asked: &Asked| is_same(&asked.deployment.release, release);
    let is_bad = place.asked.as_ref().is_some_and(|asked| is_bad(asked) && is_it(asked));
    !is_bad && place.healthy.as_ref().is_some_and(|healthy| has(&healthy.release, release))
}

/// What of a deployment is healthy, and since when.
pub(super) fn well(asked: &Asked) -> Option<(&Release, Timestamp)> {
    let verdict = asked.verdict.as_ref().filter(|verdict| verdict.healthy)?;
    Some((&asked.deployment.release, asked.healthy_since.unwrap_or(verdict.at)))
}
