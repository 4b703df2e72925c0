//! The guard of an environment's source: no event takes it back to older source, and none undoes a fix that is owed.

use std::collections::BTreeSet;

use ledger::{Offer, Owed};
use proto::{
    BumpReason, CommitSha, ComponentName, Deployment, EnvironmentName, FixSettled, Lane, Release, ReleasedImage,
};
use runtime::config::{App, ReleaseMode};

use super::{
    facts::{Order, Question},
    step::{Step, Wish, left},
};

/// Two commits to be compared, and the component they are of where components are compared one by one.
struct Pair {
    component: Option<ComponentName>,
    one: CommitSha,
    other: CommitSha,
}

/// Who settles what the source repository shows to be settled.
pub(crate) const WINDLASS: &str = "Windlass";

impl Step<'_> {
    /// Why an environment does not get a release by an event: its source is an ancestor of what is deployed there. What
    /// cannot be told is let in, and its note says so. Where new images come one by one, each is held back by itself.
    pub(super) fn behind_deployed(&mut self, name: &EnvironmentName, offer: &mut Offer) -> Option<String> {
        let asked = self.chain.place(name)?.asked.clone()?;
        let known = (&asked.deployment.release, asked.deployment.commit.as_ref(), asked.lane);
        self.behind(name, offer, known, "is deployed")
    }

    /// The same of what waits for the environment already.
    pub(super) fn behind_waiting(&mut self, name: &EnvironmentName, offer: &mut Offer) -> Option<String> {
        let waiting = self.chain.place(name)?.waiting(offer.lane)?.offer.clone();
        self.behind(name, offer, (&waiting.release, waiting.commit.as_ref(), waiting.lane), "waits")
    }

    fn behind(
        &mut self,
        name: &EnvironmentName,
        offer: &mut Offer,
        (known, commit, lane): (&Release, Option<&CommitSha>, Lane),
        how: &str,
    ) -> Option<String> {
        let (mut older, mut doubt) = (Vec::new(), None);
        for Pair { component, one, other } in self.to_compare(name, offer, known, commit) {
            let (new, old) = (one.short().to_owned(), other.short().to_owned());
            match self.facts.ask(Question::Order(one, other)) {
                Order::Before => {
                    older.push(format!("{new} is older than {old}, which {how}"));
                    // What was verified together goes together.
                    let alone = self.app.release == ReleaseMode::Apart && offer.reason == BumpReason::Deploy;
                    match component.filter(|_| alone) {
                        Some(component) => drop(offer.release.remove(&component)),
                        None => offer.release.clear(),
                    }
                }
                Order::Same | Order::After => {}
                // A fix and what its branch left behind are apart by nature.
                Order::Apart if offer.lane == Lane::Hotfix || lane == Lane::Hotfix => {}
                Order::Apart => doubt = Some(format!("neither of {new} and {old}, which it replaces, has the other")),
                Order::Unknown(why) => doubt = Some(format!("whether {new} is newer than {old} is not known: {why}")),
            }
        }
        older.dedup();
        if offer.release.is_empty() && !older.is_empty() {
            return Some(older.join("; "));
        }
        self.told.reasons.extend(older.iter().map(|why| left(name, why)));
        offer.note = with_doubt(offer.note.take(), doubt);
        None
    }

    /// The commits that say which of two releases is older. An image that was kept may be of an older commit than its
    /// release, so the releases' own count, but where components come one by one. Where a rule over tags says which of
    /// two images is newer, that does; where it has no say about these two, their commits have.
    fn to_compare(
        &self,
        name: &EnvironmentName,
        offer: &Offer,
        known: &Release,
        known_commit: Option<&CommitSha>,
    ) -> Vec<Pair> {
        let tags = |image: &ReleasedImage| image.tag.clone().unwrap_or_default();
        let is_decided = |(component, offered): (&ComponentName, &ReleasedImage)| {
            let (rule, known) = (self.app.tag_rule(name, component), known.get(component));
            rule.zip(known).is_some_and(|(nearest, known)| nearest.rule.decides(&tags(offered), &tags(known)))
        };
        let whole = offer.commit.as_ref().filter(|_| self.app.release == ReleaseMode::Together);
        if let (Some(one), Some(other)) = (whole, known_commit)
            && !offer.release.iter().any(is_decided)
        {
            return vec![Pair { component: None, one: one.clone(), other: other.clone() }];
        }
        let pair = |(component, offered): (&ComponentName, &ReleasedImage)| {
            let known = known.get(component).filter(|known| known.digest != offered.digest)?;
            let (one, other) = (whole.or(offered.commit.as_ref())?.clone(), known.commit.clone()?);
            Some(Pair { component: Some(component.clone()), one, other })
        };
        offer.release.iter().filter(|image| !is_decided(*image)).filter_map(pair).collect()
    }

    /// Ends what is owed and in this release of a deploy branch.
    pub(super) fn settle(&mut self, offer: &Offer) {
        let Some(commit) = offer.commit.clone().filter(|_| offer.lane == Lane::Deploy) else { return };
        for owed in self.chain.owed.clone() {
            // The fix itself, promoted, says nothing: only a deploy branch's own image says that the branch has it.
            let is_itself = commit == owed.commit && offer.reason != BumpReason::Deploy;
            if !is_itself && self.has(&commit, &owed.commit) && self.replaces(offer, &owed.commit) {
                self.chain.owed.retain(|other| other.commit != owed.commit);
                let reason = format!("{} of a deploy branch has it", commit.short());
                let (app, by) = (self.name.clone(), WINDLASS.to_owned());
                let Owed { commit, note, .. } = owed;
                self.tell(commit.to_string(), FixSettled { app, commit, note, by, reason });
            }
        }
    }

    fn has(&mut self, commit: &CommitSha, fix: &CommitSha) -> bool {
        matches!(self.facts.ask(Question::Has(commit.clone(), fix.clone())), Order::Same | Order::After)
    }

    /// Whether whatever runs of a fix is replaced by what has it. Where components come one by one, another one's image
    /// may not have come yet, and an older one of it may wait.
    fn replaces(&mut self, offer: &Offer, fix: &CommitSha) -> bool {
        if self.app.release == ReleaseMode::Together {
            return true;
        }
        let running = self.chain.places.values().filter_map(|place| Some(&place.asked.as_ref()?.deployment.release));
        let of_fix = running.flatten().filter(|(_, image)| image.commit.as_ref() == Some(fix));
        let components: BTreeSet<_> = of_fix.map(|(component, _)| component.clone()).collect();
        components.iter().all(|component| {
            let commit = offer.release.get(component).and_then(|image| image.commit.as_ref());
            commit.is_some_and(|commit| self.has(commit, fix))
        })
    }

    /// A fix is owed no more: somebody says so, or this has been told already.
    pub(crate) fn settled(&mut self, settled: &FixSettled) {
        let before = self.chain.owed.len();
        self.chain.owed.retain(|owed| owed.commit != settled.commit);
        if self.chain.owed.len() == before && settled.by != WINDLASS {
            self.told.reasons.push(format!("no fix {} is owed", settled.commit.short()));
        }
    }

    /// Whether a fix has what the other, older one brought, which is then owed with it.
    pub(super) fn carries(&mut self, fix: &CommitSha, older: &CommitSha) -> bool {
        self.facts.ask(Question::Order(fix.clone(), older.clone())) == Order::After
    }

    /// A fix that is deployed must come back into a deploy branch.
    pub(super) fn owe(&mut self, wish: &Wish) {
        let Some(commit) = wish.commit.clone() else { return };
        let older: Vec<_> = self.chain.owed.iter().map(|owed| owed.commit.clone()).collect();
        let carried: Vec<_> = older.into_iter().filter(|older| self.carries(&commit, older)).collect();
        self.chain.owed.retain(|owed| !carried.contains(&owed.commit));
        if !self.chain.owed.iter().any(|owed| owed.commit == commit) {
            self.chain.owed.push(Owed { commit, note: wish.note.clone(), at: self.cause.now });
        }
    }

    /// What was bad is owed to nobody.
    pub(super) fn owe_no_more(&mut self, bad: &Deployment) {
        self.chain.owed.retain(|owed| bad.commit.as_ref() != Some(&owed.commit));
    }
}

/// What people are told of a release, with what is not known of it.
fn with_doubt(note: Option<String>, doubt: Option<String>) -> Option<String> {
    let Some(doubt) = doubt else { return note };
    match note {
        Some(note) if note.ends_with(&doubt) => Some(note),
        Some(title) => Some(format!("{title}; {doubt}")),
        None => Some(doubt),
    }
}

/// The fix that an environment runs and would lose by this release. Where components come one by one, it is lost with
/// its own image alone.
pub(super) fn undone<'a>(owed: &'a [Owed], app: &App, running: &Deployment, offer: &Offer) -> Option<&'a Owed> {
    let replaced = offer
        .release
        .iter()
        .filter_map(|(component, offered)| running.release.get(component).filter(|runs| runs.digest != offered.digest));
    let replaced: Vec<_> = replaced.collect();
    let whole = running.commit.as_ref().filter(|_| app.release == ReleaseMode::Together && !replaced.is_empty());
    let lost = |fix: &Owed| {
        whole == Some(&fix.commit) || replaced.iter().any(|image| image.commit.as_ref() == Some(&fix.commit))
    };
    owed.iter().find(|fix| lost(fix))
}
