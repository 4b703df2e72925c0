//! What the source repository knows of commits: how they stand to each other. A step that needs to know notes the
//! question; it is answered, and the step taken again from where it began.

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

/// What is known, and what is not and has been asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    known: BTreeMap<Question, Order>,
    open: BTreeSet<Question>,
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
        self.open.insert(question);
        Order::Unknown("it has not been asked yet".to_owned())
    }

    /// What is to be answered before the step can be taken.
    pub(crate) fn open(&self) -> Vec<Question> {
        self.open.iter().cloned().collect()
    }

    pub(crate) fn learn(&mut self, question: Question, order: Order) {
        self.open.remove(&question);
        self.known.insert(question, order);
    }
}
