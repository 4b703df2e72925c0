//! Has a change proposed instead of made: on a branch of its own, which is kept upon what the target is now.

use std::{collections::BTreeSet, sync::Arc};

use proto::CommitSha;

use super::{NewCommit, Plan, Pushed, Tries, Trouble, Writer, plan};
use crate::{
    commit,
    edit::{self, Ask, Edit, Fault},
    repo::{Answer, Landed, Onto, Proposing},
    tree::Tree,
};

/// How many files are named in a line.
const NAMED: usize = 5;

/// What a branch's merge makes.
enum Made {
    /// Exactly the change that is asked for.
    It,
    /// Something else, and which other files it changes.
    Else { besides: Vec<String> },
}

impl Writer {
    /// Sees to it that merging the branch makes the change, or tells that the target asks for it already.
    pub(super) async fn propose(&self, ask: &Ask, onto: &Onto) -> Result<Proposing, Trouble> {
        let mut tries = Tries::new(&self.kept, format!("others pushed to {} first", onto.branch));
        loop {
            let attempt = self.try_to_propose(ask, onto).await;
            if let Some(proposed) = tries.outcome(attempt).await {
                return proposed.map_err(|trouble| trouble.within(&self.kept.shown()));
            }
        }
    }

    /// `None` when the branch was pushed to meanwhile.
    async fn try_to_propose(&self, ask: &Ask, onto: &Onto) -> Result<Option<Proposing>, Trouble> {
        let _inside = self.kept.enter().await?;
        let (target, there) = self.kept.fetch_with(&onto.branch).await?;
        let tree = Arc::new(self.tree(&target, &[ask]).await?);
        let planned = plan(&tree, ask).await;
        let planned = planned.map_err(|Fault(why)| Trouble::Refused(format!("at {}: {why}", target.short())))?;
        let edit = match planned {
            Plan::MovedOn(now) => return Ok(Some(Proposing::Decided(Answer::MovedOn(now)))),
            Plan::Older(why) => return Ok(Some(Proposing::Decided(Answer::Older(why)))),
            Plan::Unforeseen(values) => return Ok(Some(Proposing::Decided(Answer::Unforeseen(values)))),
            Plan::Same => return self.asked_for(target, &tree, ask, onto).await.map(Proposing::Decided).map(Some),
            Plan::Edit(edit) => edit,
        };
        let mut after = Arc::clone(&tree);
        Arc::make_mut(&mut after).apply(&edit.files);
        let values = edit::values(&after, ask);
        let (changed, previous) = (edit.changed.clone(), edit.previous.clone());
        let (revision, commit, note) = (target.clone(), ask.commit.clone(), ask.note.clone());
        let landed = Landed { revision, commit, changed, previous, values, note };
        let stands = |head: CommitSha| Ok(Some(Proposing::Stands { head, landed }));
        if let Some(there) = &there {
            let besides = match self.made(there, &target, &tree, &edit, ask, onto).await? {
                Made::It => return stands(there.clone()),
                Made::Else { besides } => besides,
            };
            if onto.push && onto.over.as_ref() != Some(there) && !self.is_free(there, &target, ask).await? {
                let (head, why) = (there.clone(), of_others(&onto.branch, &besides));
                return Ok(Some(Proposing::OfOthers { head, why }));
            }
        }
        if !onto.push {
            return stands(there.unwrap_or(target));
        }
        let commits = [NewCommit { message: commit::message(&self.style.first, ask, &edit.changed), edit: &edit }];
        let ids = self.kept.commit(&target, &self.style.author, &commits).await?;
        let [head] = ids.as_slice() else { return Err(Trouble::Damaged("git made no commit".to_owned())) };
        match self.kept.replace(head, &onto.branch, there.as_ref()).await? {
            Pushed::Done => stands(head.clone()),
            Pushed::Overtaken => Ok(None),
            Pushed::Declined(why) => Err(Trouble::Refused(why)),
        }
    }

    /// Whether nothing of others is lost with this branch: Windlass made its head, or all of it is merged.
    async fn is_free(&self, branch: &CommitSha, target: &CommitSha, ask: &Ask) -> Result<bool, Trouble> {
        Ok(self.kept.is_ours(branch, &ask.environment).await?
            || self.kept.is_ancestor(branch, target).await? == Some(true))
    }

    /// Whether a branch's merge makes exactly this change: it has these bytes and changes no other file, whoever made its
    /// commits, and nobody has changed these files since it began.
    async fn made(
        &self,
        branch: &CommitSha,
        target: &CommitSha,
        now: &Tree,
        edit: &Edit,
        ask: &Ask,
        onto: &Onto,
    ) -> Result<Made, Trouble> {
        let Some(base) = self.kept.base(branch, target).await? else { return Ok(Made::Else { besides: Vec::new() }) };
        let asked: BTreeSet<&str> = edit.files.iter().map(|file| file.path.as_str()).collect();
        let mut besides = self.kept.differing(&base, branch).await?;
        besides.retain(|path| !asked.contains(path.as_str()));
        if !besides.is_empty() || (onto.fresh && base != *target) {
            return Ok(Made::Else { besides });
        }
        let (then, there) = (self.tree(&base, &[ask]).await?, self.tree(branch, &[ask]).await?);
        let is_it = edit.files.iter().all(|file| {
            let untouched = then.content(&file.path) == now.content(&file.path);
            untouched && there.content(&file.path) == Some((&*file.mode, &*file.bytes))
        });
        Ok(if is_it { Made::It } else { Made::Else { besides } })
    }

    /// The target asks for it: through the commit that was proposed, whichever way it was merged, or through others.
    async fn asked_for(&self, target: CommitSha, tree: &Tree, ask: &Ask, onto: &Onto) -> Result<Answer, Trouble> {
        let Some(proposed) = &onto.known else {
            let ours = self.ours(&target, ask).await?;
            return Ok(ours.map_or_else(|| Answer::Same(Landed::there(&target, tree, ask)), Answer::Landed));
        };
        let values = edit::values(tree, ask);
        let mut previous = match self.kept.parent(proposed).await? {
            Some(before) => edit::values(&self.tree(&before, &[ask]).await?, ask),
            None => std::collections::BTreeMap::new(),
        };
        // What others had merged before is not its own.
        previous.retain(|name, old| ask.wanted.contains_key(name) && values.get(name).is_some_and(|new| new != old));
        let mut changed: Vec<_> = previous.keys().cloned().collect();
        if changed.is_empty() {
            // What was there before is not known any more; what was proposed is.
            changed = ask.wanted.keys().cloned().collect();
        }
        let (commit, note) = (ask.commit.clone(), ask.note.clone());
        Ok(Answer::Landed(Landed { revision: target, commit, changed, previous, values, note }))
    }
}

/// Why a branch is left as it is.
fn of_others(branch: &str, besides: &[String]) -> String {
    let mut named: Vec<_> = besides.iter().take(NAMED).map(|path| format!("`{}`", path.escape_debug())).collect();
    if besides.len() > NAMED {
        named.push(format!("{} more", besides.len() - NAMED));
    }
    let that = if named.is_empty() { String::new() } else { format!(" that change {}", named.join(", ")) };
    format!(
        "the branch `{branch}` has commits of others{that}, which are neither merged nor overwritten; merge or delete it"
    )
}
