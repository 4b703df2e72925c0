//! Whether a commit's history has another's change under another id: squashed, rebased or cherry-picked.
//!
//! Changes are compared by `git patch-id --stable`, which looks at what a diff takes away and puts in, and at nothing
//! around it. A change that is not text has none, and is not recognised.

use std::{collections::BTreeSet, path::Path};

use proto::CommitSha;
use runtime::{Failure, git::GitError, workspace::Workspace};

use super::Clone;

/// How many commits on either side are compared. A fix is brought back within days; what is further off is for people.
const COMMITS: &str = "--max-count=100";
/// How large the diffs of one side may be, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Whether `release` has what `fix` changed since the two parted: as one commit, or as the same commits once more.
pub(super) async fn has(
    clone: &Clone<'_>,
    workspaces: &Path,
    release: &CommitSha,
    fix: &CommitSha,
) -> Result<bool, Failure> {
    let Some(base) = base(clone, release, fix).await? else { return Ok(false) };
    let (of_release, of_fix) = (since(clone, &base, release).await?, since(clone, &base, fix).await?);
    if of_release.is_empty() || of_fix.is_empty() {
        return Ok(false);
    }
    let workspace = Workspace::new(workspaces)?;
    let folder = workspace.path();
    let all: Vec<_> =
        of_release.iter().chain(&of_fix).chain([&base, fix]).collect::<BTreeSet<_>>().into_iter().collect();
    clone.git.begin_for(clone.url, fix, folder, &[]).await?;
    // Each with its parent: that is what it is held against.
    clone.git.fetch(clone.url, &all, folder, &["--depth=2"]).await?;
    let diffs = Diffs { clone, folder };
    let known = diffs.of_each(&of_release).await?;
    let squashed = diffs.between(&base, fix).await?;
    if squashed.is_some_and(|squashed| known.contains(&squashed)) {
        return Ok(true);
    }
    let each = diffs.of_each(&of_fix).await?;
    Ok(each.len() == of_fix.len() && each.is_subset(&known))
}

/// Where two commits' histories part; `None` where they have nothing in common.
async fn base(clone: &Clone<'_>, one: &CommitSha, other: &CommitSha) -> Result<Option<CommitSha>, GitError> {
    let ask = clone.git.local(&clone.folder).env("GIT_NO_LAZY_FETCH", "1");
    let ended = ask.args(["merge-base", one.as_str(), other.as_str()]).keep_stdout(1000).run().await?;
    match ended.exit_code() {
        Some(0 | 1) => Ok(commits(&ended.stdout).into_iter().next()),
        _ => Err(GitError::of(clone.url, &ended)),
    }
}

/// The commits a history has since, newest first. A merge changes nothing that the commits it merges do not.
async fn since(clone: &Clone<'_>, base: &CommitSha, head: &CommitSha) -> Result<Vec<CommitSha>, GitError> {
    let ask = clone.git.local(&clone.folder).env("GIT_NO_LAZY_FETCH", "1");
    let range = format!("{base}..{head}");
    let list = ask.args(["rev-list", "--no-merges", COMMITS, &range]).keep_stdout(100 * 100);
    Ok(commits(&clone.git.run(list, clone.url).await?.stdout))
}

fn commits(text: &[u8]) -> Vec<CommitSha> {
    String::from_utf8_lossy(text).lines().filter_map(|line| CommitSha::new(line.trim()).ok()).collect()
}

/// Commits and their files, to be compared.
struct Diffs<'a> {
    clone: &'a Clone<'a>,
    folder: &'a Path,
}

impl Diffs<'_> {
    /// The ids of these commits' changes, as far as they have one.
    async fn of_each(&self, commits: &[CommitSha]) -> Result<BTreeSet<String>, Failure> {
        let mut ids = BTreeSet::new();
        for commit in commits {
            let show = ["diff-tree", "--root", "--no-commit-id", "-r", "-p", commit.as_str()];
            ids.extend(self.id(&show).await?);
        }
        Ok(ids)
    }

    async fn between(&self, base: &CommitSha, head: &CommitSha) -> Result<Option<String>, Failure> {
        self.id(&["diff-tree", "-r", "-p", base.as_str(), head.as_str()]).await
    }

    /// The id of the change a command prints.
    async fn id(&self, show: &[&str]) -> Result<Option<String>, Failure> {
        let local = || self.clone.git.local(self.folder);
        let show = local().args(show.to_vec()).args(["--no-ext-diff", "--no-textconv"]).keep_stdout(LARGEST);
        let diff = self.clone.git.run(show, self.clone.url).await?;
        let is_text = !diff.stdout.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"Binary files "));
        if diff.stdout_cut || !is_text {
            return Ok(None);
        }
        let name = local().args(["patch-id", "--stable"]).stdin(diff.stdout).keep_stdout(1000);
        let printed = self.clone.git.run(name, self.clone.url).await?.stdout;
        Ok(String::from_utf8_lossy(&printed).split_whitespace().next().map(ToOwned::to_owned))
    }
}
