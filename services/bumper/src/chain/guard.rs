//! The guard of an environment's source: no event takes it back to older source, and none undoes a fix that is owed.

use std::collections::BTreeSet;

use ledger::{Offer, Owed, Place};
use proto::{
    BumpReason, CommitSha, ComponentName, Deployment, EnvironmentName, FixSettled, Lane, Release, ReleasedImage,
};
use runtime::config::{App, ReleaseMode};

use super::{
    facts::{Facts, Order, Question},
    step::{Step, Wish, is_bad, left},
};

/// Two commits to be compared, and the component they are of where components are compared one by one. An image may name
/// none.
struct Pair {
    component: Option<ComponentName>,
    one: Option<CommitSha>,
    other: Option<CommitSha>,
}

/// Who settles what the source repository shows to be settled.
pub(crate) const WINDLASS: &str = "Windlass";
/// How many commits are kept that have a fix. What waits is looked at again and again, and each look finds out anew.
const KEPT: usize = 32;

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
        let (mut older, mut doubt, waits) = (Vec::new(), None, how == "waits");
        for Pair { component, one, other } in self.to_compare(name, offer, known, commit) {
            let (Some(one), Some(other)) = (one, other) else {
                doubt = component.as_ref().map(nameless);
                continue;
            };
            let (new, old) = (one.short().to_owned(), other.short().to_owned());
            match self.facts.ask(Question::Order(one.clone(), other.clone())) {
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
                Order::Apart
                    if offer.lane == Lane::Hotfix && self.undoes(&one, &other, waits && lane == Lane::Hotfix) =>
                {
                    doubt = Some(format!("{new} has not got the fix {old}, which it replaces"));
                }
                // A fix and what its branch left behind are apart by nature.
                Order::Apart if offer.lane == Lane::Hotfix || lane == Lane::Hotfix => {}
                other @ (Order::Apart | Order::Unknown(_)) => doubt = other.doubt(&new, &old),
            }
        }
        older.dedup();
        if offer.release.is_empty() && !older.is_empty() {
            return Some(older.join("; "));
        }
        self.told.reasons.extend(older.iter().map(|why| left(name, why)));
        offer.note = noted(offer.note.take(), doubt);
        None
    }

    /// Whether a fix goes without what another brought, be that owed or about to be.
    fn undoes(&mut self, fix: &CommitSha, other: &CommitSha, is_fix: bool) -> bool {
        let is_fix = is_fix || self.chain.owed.iter().any(|owed| owed.commit == *other);
        is_fix && self.facts.ask(Question::Has(fix.clone(), other.clone())) == Order::Apart
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
            return vec![Pair { component: None, one: Some(one.clone()), other: Some(other.clone()) }];
        }
        let pair = |(component, offered): (&ComponentName, &ReleasedImage)| {
            let known = known.get(component).filter(|known| known.digest != offered.digest)?;
            let (one, other) = (whole.or(offered.commit.as_ref()).cloned(), known.commit.clone());
            Some(Pair { component: Some(component.clone()), one, other })
        };
        offer.release.iter().filter(|image| !is_decided(*image)).filter_map(pair).collect()
    }

    /// Learns of a deploy branch's release which fixes it has. What is owed and in it is owed no more; where it runs it is
    /// kept from those that have not got it all the same.
    pub(super) fn settle(&mut self, offer: &Offer) {
        if offer.lane != Lane::Deploy {
            return;
        }
        // The fix itself, promoted, says nothing: only a deploy branch's own image says that the branch has it.
        let says = |owed: &Owed, commit: &CommitSha| *commit != owed.commit || offer.reason == BumpReason::Deploy;
        for owed in self.chain.owed.clone().into_iter().filter(|owed| owed.met.is_none()) {
            if let Some(commit) = offer.commit.as_ref().filter(|commit| says(&owed, commit))
                && has(&mut self.facts, commit, &owed)
            {
                self.meet(owed, commit);
            }
        }
        let commits: BTreeSet<_> = match self.app.release {
            ReleaseMode::Together => offer.commit.iter().collect(),
            ReleaseMode::Apart => offer.release.values().filter_map(|image| image.commit.as_ref()).collect(),
        };
        for owed in &mut self.chain.owed {
            let known = owed.had_by.clone();
            for commit in commits.iter().filter(|commit| !known.contains(commit)) {
                if has(&mut self.facts, commit, owed) {
                    owed.had_by.push((*commit).clone());
                }
            }
            let surplus = owed.had_by.len().saturating_sub(KEPT);
            owed.had_by.drain(..surplus);
        }
    }

    /// A commit of a deploy branch has a fix, and the older ones that were owed with it.
    fn meet(&mut self, fix: Owed, by: &CommitSha) {
        let Owed { commit, note, .. } = fix;
        self.met_by(&commit, by);
        let reason = format!("{} of a deploy branch has it", by.short());
        let (app, by) = (self.name.clone(), WINDLASS.to_owned());
        self.tell(commit.to_string(), FixSettled { app, commit, note, by, reason });
    }

    /// A fix, and what was owed with it, is in this commit.
    fn met_by(&mut self, fix: &CommitSha, by: &CommitSha) {
        let with_it = |owed: &&mut Owed| owed.commit == *fix || owed.met.as_ref() == Some(fix);
        self.chain.owed.iter_mut().filter(with_it).for_each(|owed| owed.met = Some(by.clone()));
    }

    /// Forgets what is owed no more and can be undone nowhere.
    pub(super) fn forget_met(&mut self) {
        let places = self.app.environments.keys().filter_map(|name| self.chain.places.get(name));
        let known: BTreeSet<_> = places.flat_map(commits_of).cloned().collect();
        self.chain.owed.retain(|owed| owed.met.is_none() || known.contains(&owed.commit));
    }

    /// Somebody says that a fix need not be kept; with it go the older ones that were owed with it. Windlass's own word was
    /// taken when it was given.
    pub(crate) fn settled(&mut self, settled: &FixSettled) {
        if settled.by == WINDLASS {
            return;
        }
        let (before, fix) = (self.chain.owed.len(), &settled.commit);
        self.chain.owed.retain(|owed| owed.commit != *fix && owed.met.as_ref() != Some(fix));
        if self.chain.owed.len() == before {
            self.told.reasons.push(format!("no fix {} is owed", fix.short()));
        }
    }

    /// Whether a fix has what the other, older one brought, which is then owed with it.
    pub(super) fn carries(&mut self, fix: &CommitSha, older: &CommitSha) -> bool {
        self.facts.ask(Question::Order(fix.clone(), older.clone())) == Order::After
    }

    /// A fix that is deployed must come back into a deploy branch.
    pub(super) fn owe(&mut self, wish: &Wish, deployment: &Deployment) {
        let mut brought = deployment.release.clone();
        brought.retain(|component, _| deployment.changed.contains(component));
        let fixes = self.fixes_of(wish.commit.as_ref(), &brought);
        for commit in &fixes {
            if !self.chain.owed.iter().any(|owed| owed.commit == *commit) {
                let note = wish.note.clone().filter(|_| wish.commit.as_ref() == Some(commit));
                let (commit, at) = (commit.clone(), self.cause.now);
                self.chain.owed.push(Owed { commit, note, at, met: None, had_by: Vec::new() });
            }
        }
        for commit in fixes {
            for older in self.chain.owed.clone() {
                if older.met.is_none() && self.carries(&commit, &older.commit) {
                    self.met_by(&older.commit, &commit);
                }
            }
        }
    }

    /// The fixes that a release brings by the fast path: where components come one by one, several may have waited for it
    /// together, each of its own commit.
    pub(super) fn fixes_of(&self, commit: Option<&CommitSha>, brought: &Release) -> BTreeSet<CommitSha> {
        let apart = brought.values().filter(|_| self.app.release == ReleaseMode::Apart);
        apart.filter_map(|image| image.commit.as_ref()).chain(commit).cloned().collect()
    }

    /// What was bad is owed to nobody, unless another environment runs it still; what was owed with it is owed again.
    pub(super) fn owe_no_more(&mut self, bad: &Deployment, gone: &Release) {
        let others = self.app.environments.keys().filter(|name| **name != bad.environment);
        let others: Vec<_> = others.filter_map(|name| self.chain.place(name)?.asked.as_ref()).collect();
        let runs = |fix: &CommitSha| others.iter().any(|asked| !is_bad(asked) && is_of(&asked.deployment, fix));
        let mut fixes = self.fixes_of(bad.commit.as_ref(), gone);
        fixes.retain(|fix| !runs(fix));
        self.chain.owed.retain(|owed| !fixes.contains(&owed.commit));
        let met = self.chain.owed.iter_mut().filter(|owed| owed.met.as_ref().is_some_and(|met| fixes.contains(met)));
        met.for_each(|owed| owed.met = None);
    }
}

/// Whether a deployment is of a commit, or an image of it is.
fn is_of(deployment: &Deployment, commit: &CommitSha) -> bool {
    let images = deployment.release.values().filter_map(|image| image.commit.as_ref());
    images.chain(&deployment.commit).any(|one| one == commit)
}

/// Whether a commit has a fix: by itself, or as a descendant of what brought it to its branch.
fn has(facts: &mut Facts, commit: &CommitSha, fix: &Owed) -> bool {
    let mut is_after = |question| matches!(facts.ask(question), Order::Same | Order::After);
    let met = fix.met.as_ref();
    met.is_some_and(|met| is_after(Question::Order(commit.clone(), met.clone())))
        || is_after(Question::Has(commit.clone(), fix.commit.clone()))
}

/// The source commits of what an environment was asked for, may go back to, and is to get.
fn commits_of(place: &Place) -> impl Iterator<Item = &CommitSha> {
    let deployed = [place.asked.as_ref().map(|asked| &asked.deployment), place.healthy.as_ref()];
    let deployed = deployed.into_iter().flatten().map(|it| (&it.commit, &it.release));
    let waits = [&place.urgent, &place.waiting, &place.back].into_iter().flatten();
    let waits = waits.map(|waiting| (&waiting.offer.commit, &waiting.offer.release));
    let all = deployed.chain(waits);
    all.flat_map(|(commit, release)| commit.iter().chain(release.values().filter_map(|image| image.commit.as_ref())))
}

/// What is not known where one of two images does not say what it was built from.
fn nameless(component: &ComponentName) -> String {
    format!("whether {component} is newer than what it replaces is not known: one of the two names no source commit")
}

/// What people are told of a release, with what is not known of it.
pub(crate) fn noted(note: Option<String>, doubt: Option<String>) -> Option<String> {
    let Some(doubt) = doubt else { return note };
    match note {
        Some(note) if note.contains(&doubt) => Some(note),
        Some(title) => Some(format!("{title}; {doubt}")),
        None => Some(doubt),
    }
}

/// The fix that an environment runs and would lose by this release. Where components come one by one, it is lost with
/// its own image alone.
pub(super) fn undone<'a>(owed: &'a [Owed], app: &App, running: &Deployment, offer: &Offer) -> Option<&'a Owed> {
    let replaced = offer.release.iter().filter_map(|(component, offered)| {
        let runs = running.release.get(component).filter(|runs| runs.digest != offered.digest)?;
        Some((runs.commit.as_ref(), offered.commit.as_ref()))
    });
    let replaced: Vec<_> = replaced.collect();
    let lost = |fix: &Owed| {
        let is_it = |commit: Option<&CommitSha>| commit == Some(&fix.commit);
        let lacks = |commit: Option<&CommitSha>| commit.is_none_or(|commit| !fix.had_by.contains(commit));
        if app.release == ReleaseMode::Apart {
            return replaced.iter().any(|(runs, offered)| is_it(*runs) && lacks(*offered));
        }
        let runs = is_it(running.commit.as_ref()) || replaced.iter().any(|(runs, _)| is_it(*runs));
        runs && !replaced.is_empty() && lacks(offer.commit.as_ref())
    };
    owed.iter().find(|fix| lost(fix))
}
