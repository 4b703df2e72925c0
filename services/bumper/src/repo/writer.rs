//! The writer of one branch: takes all that waits, decides it on one state, pushes it at once, and answers each.

mod proposals;
mod tries;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proto::{CommitSha, ComponentName};
use tokio::sync::{mpsc, oneshot};

use super::{
    Answer, Landed, Onto, Proposing, Style, Trouble,
    import::NewCommit,
    kept::{Kept, Pushed},
};
use crate::{
    commit,
    edit::{self, Ask, Edit, Fault, Plan},
    tree::Tree,
};
use tries::Tries;

/// How many asks share a push. A push that is refused is taken apart again, so a batch is not endless.
const BATCH: usize = 512;
/// Batches between two looks at whether the clone wants packing.
const TIDY: u32 = 256;

/// What each component is in an environment's files.
type Values = BTreeMap<ComponentName, String>;

/// What a writer is sent.
pub(super) enum Message {
    /// Change files.
    Bump { ask: Box<Ask>, answer: oneshot::Sender<Result<Answer, Trouble>> },
    /// Change a branch that is to be merged.
    Propose { ask: Box<Ask>, onto: Onto, answer: oneshot::Sender<Result<Proposing, Trouble>> },
    /// Tell what an earlier run of the same event did.
    Find { ask: Box<Ask>, answer: oneshot::Sender<Result<Option<Landed>, Trouble>> },
    /// Tell what stood in the files at a commit.
    Values { ask: Box<Ask>, at: CommitSha, answer: oneshot::Sender<Result<Option<Values>, Trouble>> },
    /// Tell which commit was first.
    Order { older: CommitSha, newer: CommitSha, answer: oneshot::Sender<Result<Option<bool>, Trouble>> },
}

struct Job {
    ask: Box<Ask>,
    answer: oneshot::Sender<Result<Answer, Trouble>>,
}

/// The one who writes to a branch.
pub(super) struct Writer {
    kept: Kept,
    style: Style,
}

/// An ask, decided; what is made of it hangs on the push.
enum Decided {
    Answer(Result<Answer, Trouble>),
    Commit { edit: Edit, message: String, landed: Landed },
}

/// What was decided on a state of the branch.
struct Decisions {
    head: CommitSha,
    decided: Vec<Decided>,
}

/// What became of a batch.
enum Attempt {
    Answers(Vec<Result<Answer, Trouble>>),
    /// The server does not take it; perhaps its rules forbid a part of it only.
    Declined(String),
}

/// Why a batch is not there.
enum Setback {
    Declined(String),
    All(Trouble),
}

impl Writer {
    pub(super) fn new(kept: Kept, style: Style) -> Self {
        Self { kept, style }
    }

    pub(super) async fn run(self, mut messages: mpsc::Receiver<Message>) {
        let mut waiting = Vec::with_capacity(BATCH);
        let mut batches: u32 = 0;
        while messages.recv_many(&mut waiting, BATCH).await > 0 {
            let mut jobs = Vec::new();
            for message in waiting.drain(..) {
                match message {
                    Message::Bump { ask, answer } => jobs.push(Job { ask, answer }),
                    Message::Propose { ask, onto, answer } => {
                        let _ = answer.send(self.propose(&ask, &onto).await);
                    }
                    Message::Find { ask, answer } => {
                        let _ = answer.send(self.find(&ask).await);
                    }
                    Message::Values { ask, at, answer } => {
                        let _ = answer.send(self.values(&ask, &at).await);
                    }
                    Message::Order { older, newer, answer } => {
                        // Whoever asked may have gone; then nobody needs the answer.
                        let _ = answer.send(self.order(&older, &newer).await);
                    }
                }
            }
            if !jobs.is_empty() {
                self.work(jobs).await;
                batches = batches.wrapping_add(1);
                if batches.is_multiple_of(TIDY) {
                    self.kept.tidy().await;
                }
            }
        }
    }

    async fn order(&self, older: &CommitSha, newer: &CommitSha) -> Result<Option<bool>, Trouble> {
        self.asked(move || self.is_before(older, newer)).await
    }

    async fn is_before(&self, older: &CommitSha, newer: &CommitSha) -> Result<Option<bool>, Trouble> {
        let mut known = self.kept.is_ancestor(older, newer).await?;
        if known.is_none() {
            self.kept.fetch().await?;
            known = self.kept.is_ancestor(older, newer).await?;
        }
        Ok(known.map(|known| known && older != newer))
    }

    async fn values(&self, ask: &Ask, at: &CommitSha) -> Result<Option<Values>, Trouble> {
        let values = move || async move {
            // The branch may have gone on without it, or the clone may be behind.
            if self.is_before(at, at).await?.is_none() {
                return Ok(None);
            }
            Ok(Some(edit::values(&self.tree(at, &[ask]).await?, ask)))
        };
        self.asked(values).await
    }

    async fn find(&self, ask: &Ask) -> Result<Option<Landed>, Trouble> {
        let found = self.asked(move || async move { self.ours(&self.kept.fetch().await?, ask).await }).await;
        found.map_err(|trouble| trouble.within(&self.kept.shown()))
    }

    /// What a look into the clone tells, or into one that is made anew where it was damaged.
    async fn asked<T, F>(&self, look: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        match self.inside(look()).await {
            Err(Trouble::Damaged(why)) => {
                self.kept.forget(&why).await?;
                self.inside(look()).await
            }
            told => told,
        }
    }

    async fn inside<T>(&self, look: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let _inside = self.kept.enter().await?;
        look.await
    }

    async fn work(&self, mut jobs: Vec<Job>) {
        let asks: Vec<_> = jobs.iter().map(|job| &*job.ask).collect();
        match self.settled(&asks).await {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    let _ = job.answer.send(answer.map_err(|trouble| trouble.within(&self.kept.shown())));
                }
            }
            // By halves, so that one that is forbidden among many costs few pushes; the earlier ones stay the earlier.
            Err(Setback::Declined(_)) if jobs.len() > 1 => {
                let later = jobs.split_off(jobs.len() / 2);
                Box::pin(self.work(jobs)).await;
                Box::pin(self.work(later)).await;
            }
            Err(setback) => {
                let trouble = match setback {
                    Setback::Declined(why) => Trouble::Refused(why),
                    Setback::All(trouble) => trouble,
                };
                for job in jobs {
                    let _ = job.answer.send(Err(trouble.clone().within(&self.kept.shown())));
                }
            }
        }
    }

    async fn settled(&self, asks: &[&Ask]) -> Result<Vec<Result<Answer, Trouble>>, Setback> {
        let mut tries = Tries::new(&self.kept, "others pushed first".to_owned());
        let mut overtaken = None;
        let settled = loop {
            let attempt = self.attempt(asks, &mut overtaken).await;
            if let Some(settled) = tries.outcome(attempt).await {
                break settled;
            }
        };
        match settled.map_err(Setback::All)? {
            Attempt::Answers(answers) => Ok(answers),
            Attempt::Declined(why) => Err(Setback::Declined(why)),
        }
    }

    /// `None` when somebody else pushed first. What was decided then holds as long as they left alone what it was read
    /// from, and need not be decided again: the less there is to do between a fetch and a push, the fewer come between.
    async fn attempt(&self, asks: &[&Ask], overtaken: &mut Option<Decisions>) -> Result<Option<Attempt>, Trouble> {
        let _inside = self.kept.enter().await?;
        let head = self.kept.fetch().await?;
        let decided = match overtaken.take() {
            Some(before) if self.kept.is_same(&before.head, &head, &paths(asks)).await? => before.decided,
            _ => self.decide_all(&head, asks).await?,
        };
        let made = decided.iter().filter_map(|one| match one {
            Decided::Commit { edit, message, .. } => Some(NewCommit { message: message.clone(), edit }),
            Decided::Answer(_) => None,
        });
        let commits: Vec<_> = made.collect();
        let mut ids = Vec::new();
        if !commits.is_empty() {
            ids = self.kept.commit(&head, &self.style.author, &commits).await?;
            match self.push(&ids).await? {
                Pushed::Done => {}
                Pushed::Overtaken => {
                    *overtaken = Some(Decisions { head, decided });
                    return Ok(None);
                }
                Pushed::Declined(why) => return Ok(Some(Attempt::Declined(why))),
            }
        }
        let mut ids = ids.into_iter();
        let answers = decided.into_iter().map(|one| match one {
            Decided::Answer(answer) => answer,
            Decided::Commit { landed, .. } => {
                let revision = ids.next().unwrap_or(landed.revision);
                Ok(Answer::Landed(Landed { revision, ..landed }))
            }
        });
        Ok(Some(Attempt::Answers(answers.collect())))
    }

    /// What these asks read of a commit.
    async fn tree(&self, at: &CommitSha, asks: &[&Ask]) -> Result<Tree, Trouble> {
        let paths = paths(asks);
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        self.kept.tree(at, &paths).await
    }

    /// Decides all asks of a batch, each on the state the earlier ones leave.
    async fn decide_all(&self, head: &CommitSha, asks: &[&Ask]) -> Result<Vec<Decided>, Trouble> {
        let mut tree = Arc::new(self.tree(head, asks).await?);
        let mut decided = Vec::with_capacity(asks.len());
        for ask in asks {
            let one = self.decide(head, &mut tree, ask).await?;
            decided.push(one);
        }
        Ok(decided)
    }

    async fn push(&self, ids: &[CommitSha]) -> Result<Pushed, Trouble> {
        match ids.last() {
            Some(last) => self.kept.push(last).await,
            None => Ok(Pushed::Done),
        }
    }

    /// Decides one ask on the state the earlier ones of its batch left.
    async fn decide(&self, head: &CommitSha, tree: &mut Arc<Tree>, ask: &Ask) -> Result<Decided, Trouble> {
        let planned = match plan(tree, ask).await {
            Ok(planned) => planned,
            Err(Fault(why)) => {
                return Ok(Decided::Answer(Err(Trouble::Refused(format!("at {}: {why}", head.short())))));
            }
        };
        Ok(match planned {
            Plan::MovedOn(now) => Decided::Answer(Ok(Answer::MovedOn(now))),
            Plan::Older(why) => Decided::Answer(Ok(Answer::Older(why))),
            Plan::Unforeseen(values) => Decided::Answer(Ok(Answer::Unforeseen(values))),
            // By an earlier run of the same event that died before it could tell, or by others.
            Plan::Same => {
                let ours = self.ours(head, ask).await?;
                Decided::Answer(Ok(ours.map_or_else(|| Answer::Same(Landed::there(head, tree, ask)), Answer::Landed)))
            }
            Plan::Edit(edit) => {
                Arc::make_mut(tree).apply(&edit.files);
                let values = edit::values(tree, ask);
                let (changed, previous) = (edit.changed.clone(), edit.previous.clone());
                let (revision, commit, note) = (head.clone(), ask.commit.clone(), ask.note.clone());
                let landed = Landed { revision, commit, changed, previous, values, note };
                Decided::Commit { message: commit::message(&self.style.first, ask, &edit.changed), edit, landed }
            }
        })
    }

    /// What an earlier run of this event changed.
    async fn ours(&self, head: &CommitSha, ask: &Ask) -> Result<Option<Landed>, Trouble> {
        let ours = self.kept.commit_of(head, &ask.path, ask.event, &ask.environment).await?;
        let Some((revision, message)) = ours else { return Ok(None) };
        let before = match self.kept.parent(&revision).await? {
            Some(parent) => self.tree(&parent, &[ask]).await?,
            None => Tree::default(),
        };
        let after = self.tree(&revision, &[ask]).await?;
        let values = edit::values(&after, ask);
        let mut previous = edit::values(&before, ask);
        previous.retain(|name, old| values.get(name) != Some(old));
        let (commit, changed) = (commit::release_of(&message), previous.keys().cloned().collect());
        let note = commit::note_of(&message, ask.note.as_deref()).or_else(|| ask.note.clone());
        Ok(Some(Landed { revision, commit, changed, previous, values, note }))
    }
}

/// All that these asks read.
fn paths(asks: &[&Ask]) -> BTreeSet<String> {
    asks.iter().flat_map(|ask| ask.paths()).collect()
}

/// Parses away from the async threads; should the parser panic, it is the file's fault and not the writer's end.
async fn plan(tree: &Arc<Tree>, ask: &Ask) -> Result<Plan, Fault> {
    let (tree, ask) = (Arc::clone(tree), ask.clone());
    let path = ask.path.clone();
    let planned = tokio::task::spawn_blocking(move || edit::plan(&tree, &ask)).await;
    planned.unwrap_or_else(|_| Err(Fault(format!("a YAML file at or below `{path}` is more than the parser bears"))))
}
