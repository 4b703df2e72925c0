//! GitOps repositories: one kept clone of each, and one writer a branch, which applies everything that waits, one commit
//! each, and pushes it together.
//!
//! Whatever depends on the repository's state is decided by the writer, on the state it is about to build on; so a
//! conflict with somebody else's push means that the decision is made again, never that text is merged.

#[cfg(test)]
mod fuzz;
mod import;
mod kept;
mod listing;
mod trouble;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use ledger::Proposed;
use proto::{Branch, CommitSha, ComponentName};
use runtime::{
    config::{GitAuthor, Gitops, Subject},
    git::Git,
};
use tokio::sync::{RwLock, mpsc, oneshot};

use crate::{
    edit::{self, Ask},
    tree::Tree,
};
use kept::Kept;
pub(crate) use trouble::Trouble;
use writer::{Message, Writer};

/// What became of an ask.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A commit of this event asks for it, pushed now or by an earlier run of the same event.
    Landed(Landed),
    /// The files asked for it already, through somebody else, as of the branch's head.
    Same(Landed),
    /// What was to be replaced is no longer there, but this.
    MovedOn(String),
    /// What is wanted is older than what the files ask for; said in a line.
    Older(String),
    /// The files ask for these values, which the ask did not know of.
    Unforeseen(BTreeSet<(ComponentName, String)>),
    /// A pull request asks for it.
    Proposed(Box<Proposed>),
    /// Nothing will come of its pull request, and why.
    Closed(String),
    /// The branch it would be proposed on is others' by now; said in a line.
    OfOthers(String),
}

/// Where a change is proposed.
#[derive(Debug, Clone)]
pub(crate) struct Onto {
    /// The branch that is to be merged. It is Windlass's own.
    pub(crate) branch: String,
    /// What was proposed there before, for the same.
    pub(crate) known: Option<CommitSha>,
    /// The head at which its pull request was over. While the branch is there, nothing on it is anybody's any more.
    pub(crate) over: Option<CommitSha>,
    /// Whether it must begin at what the target is now.
    pub(crate) fresh: bool,
    /// Whether it may be pushed to; else it is only looked at.
    pub(crate) push: bool,
}

/// What became of a change that is to be proposed.
#[derive(Debug)]
pub(crate) enum Proposing {
    /// There is nothing to propose.
    Decided(Answer),
    /// This is the branch's head, and what it would be once merged.
    Stands { head: CommitSha, landed: Landed },
    /// The branch has this head and commits of others, so it is left as it is; why, in a line.
    OfOthers { head: CommitSha, why: String },
}

/// A commit in the GitOps repository.
#[derive(Debug, Clone)]
pub(crate) struct Landed {
    pub(crate) revision: CommitSha,
    /// The source commit it asks for as a whole.
    pub(crate) commit: Option<CommitSha>,
    pub(crate) changed: Vec<ComponentName>,
    /// What the changed ones were before.
    pub(crate) previous: BTreeMap<ComponentName, String>,
    /// What every component found there is now.
    pub(crate) values: BTreeMap<ComponentName, String>,
    /// What people are told of it.
    pub(crate) note: Option<String>,
}

impl Landed {
    /// What others asked for, which has all that an ask wants.
    fn there(head: &CommitSha, tree: &Tree, ask: &Ask) -> Self {
        let (revision, commit, values) = (head.clone(), ask.commit.clone(), edit::values(tree, ask));
        Self { revision, commit, changed: Vec::new(), previous: BTreeMap::new(), values, note: ask.note.clone() }
    }
}

/// How commits are made.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// By whom.
    pub(crate) author: GitAuthor,
    /// Their first line.
    pub(crate) first: Subject,
}

/// Who works in a kept clone holds it together with the writers of other branches; who makes it, packs it or throws it
/// away holds it alone.
type Door = Arc<RwLock<()>>;

/// Every GitOps repository there is work for.
pub(crate) struct Repositories {
    git: Git,
    style: Style,
    folder: PathBuf,
    writers: Mutex<HashMap<(String, Branch), mpsc::Sender<Message>>>,
    /// By the repository's URL.
    doors: Mutex<HashMap<String, Door>>,
}

/// Far more than deliveries are handled at once, so that sending does not wait.
const WAITING: usize = 1024;

impl Repositories {
    /// Clones are kept below `folder`.
    pub(crate) fn new(git: Git, style: Style, folder: PathBuf) -> Self {
        Self { git, style, folder, writers: Mutex::default(), doors: Mutex::default() }
    }

    /// Has the files changed, or says why not.
    pub(crate) async fn bump(&self, gitops: &Gitops, ask: Ask) -> Result<Answer, Trouble> {
        let (answer, answered) = oneshot::channel();
        self.send(gitops, Message::Bump { ask: Box::new(ask), answer }).await?;
        answered.await.unwrap_or_else(|_| Err(Trouble::ended()))
    }

    /// Has a change proposed on a branch of its own.
    pub(crate) async fn propose(&self, gitops: &Gitops, ask: Ask, onto: Onto) -> Result<Proposing, Trouble> {
        let (answer, answered) = oneshot::channel();
        self.send(gitops, Message::Propose { ask: Box::new(ask), onto, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(Trouble::ended()))
    }

    /// The commit that an earlier run of the ask's event led to, if there is one, whatever came after it.
    pub(crate) async fn landed(&self, gitops: &Gitops, ask: Ask) -> Result<Option<Landed>, Trouble> {
        let (answer, answered) = oneshot::channel();
        self.send(gitops, Message::Find { ask: Box::new(ask), answer }).await?;
        answered.await.unwrap_or_else(|_| Err(Trouble::ended()))
    }

    /// What every component of the ask found in a commit is there; `None` when the repository does not know the commit.
    pub(crate) async fn values(
        &self,
        gitops: &Gitops,
        ask: Ask,
        at: CommitSha,
    ) -> Result<Option<BTreeMap<ComponentName, String>>, Trouble> {
        let (answer, answered) = oneshot::channel();
        self.send(gitops, Message::Values { ask: Box::new(ask), at, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(Trouble::ended()))
    }

    /// Whether a commit is a proper ancestor of another; `None` when the repository does not know one of them.
    pub(crate) async fn is_before(
        &self,
        gitops: &Gitops,
        older: CommitSha,
        newer: CommitSha,
    ) -> Result<Option<bool>, Trouble> {
        let (answer, answered) = oneshot::channel();
        self.send(gitops, Message::Order { older, newer, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(Trouble::ended()))
    }

    async fn send(&self, gitops: &Gitops, message: Message) -> Result<(), Trouble> {
        let writer = self.writer(gitops);
        writer.send(message).await.map_err(|_| Trouble::ended())
    }

    fn writer(&self, gitops: &Gitops) -> mpsc::Sender<Message> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (gitops.repository.clone(), gitops.branch.clone());
        if let Some(writer) = writers.get(&key).filter(|writer| !writer.is_closed()) {
            return writer.clone();
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        let kept = Kept::new(self.git.clone(), gitops, &self.folder, self.door(gitops));
        tokio::spawn(Writer::new(kept, self.style.clone()).run(receiver));
        writers.insert(key, sender.clone());
        sender
    }

    fn door(&self, gitops: &Gitops) -> Door {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(doors.entry(gitops.repository.clone()).or_default())
    }
}
