//! What the source repository knows of commits: how they stand to each other, and who wrote them. A step that needs to
//! know notes the question; it is answered, and the step taken again from where it began.

use std::collections::{BTreeMap, BTreeSet};

use proto::CommitSha;

/// Something to be asked of the source repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Question {
    /// How the first commit stands to the second.
    Order(CommitSha, CommitSha),
    /// The same; the first also counts as coming after when it has the same change as the second under another id, as
    /// after a squash, a rebase or a cherry-pick.
    Has(CommitSha, CommitSha),
}

/// How one commit stands to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Same,
    /// It is an ancestor of the other.
    Before,
    /// It is a descendant of the other.
    After,
    /// Neither: each has something that the other has not.
    Apart,
    /// The repository does not tell, and why.
    Unknown(String),
}

impl Order {
    /// What is not known of which of two commits is newer, in words for people.
    pub(crate) fn doubt(&self, new: &str, old: &str) -> Option<String> {
        match self {
            Self::Same | Self::Before | Self::After => None,
            Self::Apart => Some(format!("neither of {new} and {old}, which it replaces, has the other")),
            Self::Unknown(why) => Some(format!("whether {new} is newer than {old} is not known: {why}")),
        }
    }
}

/// What is known, and what is not and has been asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    known: BTreeMap<Question, Order>,
    authors: BTreeMap<CommitSha, Option<String>>,
    open: Open,
}

/// What is to be answered before a step can be taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Open {
    pub(crate) questions: BTreeSet<Question>,
    /// Commits of which it is asked who wrote them.
    pub(crate) authors: BTreeSet<CommitSha>,
}

impl Facts {
    /// The answer; until there is one, the question is noted and nothing is taken for granted.
    pub(super) fn ask(&mut self, question: Question) -> Order {
        let (Question::Order(one, other) | Question::Has(one, other)) = &question;
        if one == other {
            return Order::Same;
        }
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        self.open.questions.insert(question);
        Order::Unknown("it has not been asked yet".to_owned())
    }

    /// Who wrote a commit, `Ada <ada@example.org>`; `None` where that is not known, or not yet.
    pub(super) fn author(&mut self, commit: &CommitSha) -> Option<String> {
        if let Some(known) = self.authors.get(commit) {
            return known.clone();
        }
        self.open.authors.insert(commit.clone());
        None
    }

    /// What is open; `None` when the step can be taken.
    pub(crate) fn open(&self) -> Option<Open> {
        Some(self.open.clone()).filter(|open| *open != Open::default())
    }

    pub(crate) fn learn(&mut self, question: Question, order: Order) {
        self.open.questions.remove(&question);
        self.known.insert(question, order);
    }

    pub(crate) fn learn_author(&mut self, commit: CommitSha, author: Option<String>) {
        self.open.authors.remove(&commit);
        self.authors.insert(commit, author);
    }
}
