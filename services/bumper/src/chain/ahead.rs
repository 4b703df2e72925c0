//! What goes ahead of others by the fast path where components come one by one: what a fix brought, and nothing that it
//! found in the environment before.

use ledger::Offer;
use proto::{ComponentName, Lane, Release, ReleasedImage};
use runtime::config::ReleaseMode;

use super::step::{Step, holds};

impl Step<'_> {
    /// A release that is healthy in the environment before, as the offers that it is to those after it; `changed` is what
    /// the deployment brought there. What runs beside a fix has passed no gate by that, so it comes by the gates, together
    /// with the fix as it was verified.
    pub(super) fn by_lanes(&self, running: Option<&Release>, offer: Offer, changed: &[ComponentName]) -> Vec<Offer> {
        if offer.lane != Lane::Hotfix || self.app.release == ReleaseMode::Together {
            return vec![offer];
        }
        // Of several fixes only the last had its verdict.
        let is_owed =
            |image: &ReleasedImage| self.chain.owed.iter().any(|fix| image.commit.as_ref() == Some(&fix.commit));
        let is_of_a_fix = |name: &ComponentName, image: &ReleasedImage| changed.contains(name) || is_owed(image);
        let is_there = |name, image| running.is_some_and(|running| holds(running, name, image));
        let mut fix = offer.clone();
        fix.release.retain(|name, image| is_of_a_fix(name, image));
        let beside = offer.release.iter().find(|(name, image)| !is_of_a_fix(name, image) && !is_there(name, image));
        let all = beside.map(|(_, image)| {
            let (commit, note) = (image.commit.clone(), None);
            Offer { lane: Lane::Deploy, commit, note, ..offer.clone() }
        });
        Some(fix).filter(|fix| !fix.release.is_empty()).into_iter().chain(all).collect()
    }
}
