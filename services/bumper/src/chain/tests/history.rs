//! The source's history, as a set of ancestors a commit.

use std::collections::{BTreeMap, BTreeSet};

use proto::CommitSha;

use crate::chain::{Order, Question};

/// What a repository knows.
#[derive(Default, Clone)]
pub(super) struct History {
    ancestors: BTreeMap<CommitSha, BTreeSet<CommitSha>>,
    /// Fixes that a commit has by another name.
    squashed: BTreeMap<CommitSha, BTreeSet<CommitSha>>,
    main: Option<CommitSha>,
    fix: Option<CommitSha>,
}

impl History {
    /// A new commit: the deploy branch's next, or a fix that begins there. `merges` 1: it merges the last fix; 2: it has
    /// the same change.
    pub(super) fn grow(&mut self, commit: &CommitSha, is_fix: bool, merges: u8) {
        let parent = self.main.clone();
        let brought = self.fix.clone().filter(|_| merges == 1);
        let parents: Vec<_> = parent.iter().chain(&brought).cloned().collect();
        let above = |of: &BTreeMap<CommitSha, BTreeSet<CommitSha>>| {
            parents.iter().filter_map(|parent| of.get(parent)).flatten().cloned().collect::<BTreeSet<_>>()
        };
        let (mut ancestors, mut squashed) = (above(&self.ancestors), above(&self.squashed));
        ancestors.extend(parents.iter().cloned());
        squashed.extend(self.fix.clone().filter(|_| merges == 2));
        self.ancestors.insert(commit.clone(), ancestors);
        self.squashed.insert(commit.clone(), squashed);
        if is_fix { self.fix = Some(commit.clone()) } else { self.main = Some(commit.clone()) }
    }

    /// Whether a commit has a fix, be it within a later one that it has by another name, which the repository cannot tell.
    pub(super) fn has(&self, commit: &CommitSha, fix: &CommitSha) -> bool {
        let within = |later: &CommitSha| self.ancestors[later].contains(fix);
        self.answer(&Question::Has(commit.clone(), fix.clone())) == Order::After
            || self.squashed[commit].iter().any(within)
    }

    pub(super) fn answer(&self, question: &Question) -> Order {
        let (Question::Order(one, other) | Question::Has(one, other)) = question;
        let is_above = |one: &CommitSha, other: &CommitSha| self.ancestors[one].contains(other);
        let is_like = matches!(question, Question::Has(..)) && self.squashed[one].contains(other);
        match () {
            () if one == other => Order::Same,
            () if is_above(one, other) || is_like => Order::After,
            () if is_above(other, one) => Order::Before,
            () => Order::Apart,
        }
    }
}
