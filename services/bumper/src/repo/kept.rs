//! One branch in the kept clone of its repository: bare, fetched and never checked out, and made anew when damaged. The
//! writers of several branches are in it at once, each with refs of its own.
//!
//! No work tree, no index: files are read from objects and commits are made of objects, so nothing in the repository
//! (links, hooks, attributes, filters) is ever acted upon.

mod proposals;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use proto::{Branch, CommitSha, EnvironmentName, EventId};
use runtime::{
    config::{GitAuthor, Gitops},
    exec::{Finished, Program},
    git::{Git, GitError, Signer, without_userinfo},
};
use tokio::sync::RwLockReadGuard;
use tracing::warn;

use super::{
    Door,
    import::{self, NewCommit},
    listing::{self, Listed},
    trouble::{Trouble, is_race},
};
use crate::{
    clones, commit,
    tree::{Entry, Tree},
};

/// Names and sizes of a million files.
const LISTING: usize = 256 * 1024 * 1024;
/// How far back a commit of an earlier run of the same event is looked for, in commits that touch the path.
const HISTORY: &str = "--max-count=200";

/// A branch in a kept clone.
pub(super) struct Kept {
    git: Git,
    url: String,
    branch: Branch,
    folder: PathBuf,
    door: Door,
}

/// What became of a push.
pub(super) enum Pushed {
    /// It is there.
    Done,
    /// Somebody else's push came first.
    Overtaken,
    /// The server does not take it, by a rule of its own.
    Declined(String),
}

impl Kept {
    pub(super) fn new(git: Git, gitops: &Gitops, below: &Path, door: Door) -> Self {
        let (url, branch) = (gitops.repository.clone(), gitops.branch.clone());
        let folder = clones::place(below, &url);
        Self { git, url, branch, folder, door }
    }

    /// The repository and branch, without credentials.
    pub(super) fn shown(&self) -> String {
        format!("{}@{}", without_userinfo(&self.url), self.branch)
    }

    fn tracking(&self) -> String {
        self.own("heads")
    }

    /// The refs of this kind that are this branch's own. Its name is one part of theirs: `a` may go, and `a/b` come.
    fn own(&self, kind: &str) -> String {
        format!("refs/windlass/{kind}/{}", self.branch.as_str().replace('%', "%25").replace('/', "%2F"))
    }

    /// Lets one work in the clone, which is made where there is none; nobody throws it away until that is over.
    pub(super) async fn enter(&self) -> Result<RwLockReadGuard<'_, ()>, Trouble> {
        let inside = self.door.read().await;
        if self.is_there() {
            return Ok(inside);
        }
        drop(inside);
        let alone = self.door.write().await;
        if !self.is_there() {
            self.begin().await?;
        }
        Ok(alone.downgrade())
    }

    fn is_there(&self) -> bool {
        self.folder.join("HEAD").exists()
    }

    fn local(&self) -> Program {
        // What users wrote is a path, never a pattern.
        self.git.local(&self.folder).env("GIT_LITERAL_PATHSPECS", "1")
    }

    async fn remote(&self) -> Result<Program, Trouble> {
        Ok(self.git.remote(Some(&self.folder), &self.url).await?)
    }

    async fn run(&self, program: Program) -> Result<Finished, Trouble> {
        Ok(self.git.run(program, &self.url).await?)
    }

    /// What a command printed, all of it.
    async fn printed(&self, program: Program, most: usize) -> Result<Vec<u8>, Trouble> {
        let finished = self.run(program.keep_stdout(most)).await?;
        if finished.stdout_cut {
            return Err(Trouble::Refused(format!("git printed more than {most} bytes; the repository is too large")));
        }
        Ok(finished.stdout)
    }

    async fn commit_id(&self, program: Program) -> Result<CommitSha, Trouble> {
        let text = self.printed(program, 200).await?;
        let text = String::from_utf8_lossy(&text);
        CommitSha::new(text.trim()).map_err(|why| Trouble::Damaged(why.to_string()))
    }

    /// Brings the branch up to date; its head.
    pub(super) async fn fetch(&self) -> Result<CommitSha, Trouble> {
        self.bring(&[], None).await
    }

    async fn bring(&self, options: &[&str], also: Option<String>) -> Result<CommitSha, Trouble> {
        let (branch, tracking) = (&self.branch, self.tracking());
        let fetch = self.remote().await?.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force"]);
        // A server that has no more than the last commits itself is as good as any other.
        let fetch = fetch.arg("--update-shallow");
        let fetch = fetch.args(options.to_vec()).args(["--", &without_userinfo(&self.url)]);
        let fetch = fetch.arg(format!("+refs/heads/{branch}:{tracking}")).args(also);
        self.run(fetch).await?;
        self.commit_id(self.local().args(["rev-parse", "--verify", "--quiet", &format!("{tracking}^{{commit}}")])).await
    }

    async fn begin(&self) -> Result<(), Trouble> {
        let made = tokio::fs::create_dir_all(&self.folder).await;
        if self.folder.exists() && !self.folder.is_dir() {
            return Err(Trouble::Damaged(format!("{} is a file", self.folder.display())));
        }
        made.map_err(|why| Trouble::Away(format!("making the folder {}: {why}", self.folder.display())))?;
        match self.any_commit().await? {
            Some(commit) => Ok(self.git.begin_for(&self.url, &commit, &self.folder, &["--bare"]).await?),
            None => self.run(self.local().args(["init", "--quiet", "--bare", "--template="])).await.map(drop),
        }
    }

    /// A commit of the repository, which tells by what kind of hash it names things; none where it has none yet.
    async fn any_commit(&self) -> Result<Option<CommitSha>, Trouble> {
        let list = self.remote().await?.args(["ls-remote", "--quiet", "--", &without_userinfo(&self.url), "HEAD"]);
        let listed = self.printed(list.arg(format!("refs/heads/{}", self.branch)), 64 * 1024).await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        Ok(listed.split_whitespace().next().and_then(|id| CommitSha::new(id).ok()))
    }

    /// Throws the clone away; whoever enters next makes a new one.
    pub(super) async fn forget(&self, why: &str) -> Result<(), Trouble> {
        let _alone = self.door.write().await;
        warn!(repository = self.shown(), why, "the kept clone is damaged and is made anew");
        clones::remove(&self.folder).await.map_err(Trouble::Refused)
    }

    /// The files at and below these paths, as a commit has them.
    pub(super) async fn tree(&self, at: &CommitSha, paths: &[&str]) -> Result<Tree, Trouble> {
        let everything = paths.contains(&"");
        let list = self.local().args(["ls-tree", "-r", "-l", "-z", "--full-tree", at.as_str(), "--"]);
        let list = if everything { list } else { list.args(paths) };
        let listed = self.listed(list).await?;
        let mut tree = Tree::default();
        let mut wanted = Vec::new();
        for file in listed {
            match file.unread(paths) {
                Some(entry) => drop(tree.0.insert(file.path, entry)),
                None => wanted.push(file),
            }
        }
        self.read(wanted, &mut tree).await?;
        self.add_links_on_the_way(at, paths, &mut tree).await?;
        Ok(tree)
    }

    /// Whether two commits have the same files at and below these paths.
    pub(super) async fn is_same(
        &self,
        one: &CommitSha,
        other: &CommitSha,
        paths: &BTreeSet<String>,
    ) -> Result<bool, Trouble> {
        let diff =
            self.local().args(["diff-tree", "--quiet", "-r", "--no-ext-diff", one.as_str(), other.as_str(), "--"]);
        let diff = if paths.contains("") { diff } else { diff.args(paths) };
        Ok(diff.run().await?.exit_code() == Some(0))
    }

    async fn read(&self, wanted: Vec<Listed>, tree: &mut Tree) -> Result<(), Trouble> {
        if wanted.is_empty() {
            return Ok(());
        }
        let asked = wanted.iter().map(|file| file.object.as_str()).collect::<Vec<_>>().join("\n") + "\n";
        let most = wanted.iter().map(Listed::cost).fold(0, usize::saturating_add);
        let blobs = self.local().args(["cat-file", "--batch", "--buffer"]).stdin(asked.into_bytes());
        let blobs = self.printed(blobs, most).await?;
        listing::read_blobs(wanted, &blobs, tree).ok_or_else(|| Trouble::Damaged("an object is missing".to_owned()))
    }

    async fn listed(&self, list: Program) -> Result<Vec<Listed>, Trouble> {
        let text = self.printed(list, LISTING).await?;
        listing::entries(&text).ok_or_else(|| Trouble::Damaged("git lists what is no listing".to_owned()))
    }

    /// A path that is not there may lead over a link; then that is what somebody must be told.
    async fn add_links_on_the_way(&self, at: &CommitSha, paths: &[&str], tree: &mut Tree) -> Result<(), Trouble> {
        let missing = paths.iter().filter(|path| !tree.has(path));
        let above: BTreeSet<&str> =
            missing.flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at])).collect();
        if above.is_empty() {
            return Ok(());
        }
        let list = self.local().args(["ls-tree", "-l", "-z", "--full-tree", at.as_str(), "--"]).args(above);
        for entry in self.listed(list).await? {
            if let Some(link @ Entry::Elsewhere(_)) = entry.unread(&[]) {
                tree.0.insert(entry.path, link);
            }
        }
        Ok(())
    }

    /// Makes these commits, each upon the one before; their ids.
    pub(super) async fn commit(
        &self,
        base: &CommitSha,
        author: &GitAuthor,
        commits: &[NewCommit<'_>],
    ) -> Result<Vec<CommitSha>, Trouble> {
        let seconds = proto::Timestamp::now().as_second();
        let stream = import::stream(&self.own("batch"), base, author, seconds, commits);
        let import = self.local().args(["fast-import", "--quiet", "--done", "--force", "--date-format=raw"]);
        let printed = self.printed(import.stdin(stream), commits.len() * 80 + 1024).await?;
        let ids: Vec<_> =
            String::from_utf8_lossy(&printed).lines().filter_map(|line| CommitSha::new(line.trim()).ok()).collect();
        if ids.len() != commits.len() {
            return Err(Trouble::Damaged("git made no commits".to_owned()));
        }
        match self.git.signer().await? {
            None => Ok(ids),
            Some(signer) => {
                let ids = self.signed(&signer, base, seconds, commits, &ids).await;
                signer.finish().await;
                ids
            }
        }
    }

    /// The same commits, signed: fast-import cannot, so each is made once more of its tree.
    async fn signed(
        &self,
        signer: &Signer,
        base: &CommitSha,
        seconds: i64,
        commits: &[NewCommit<'_>],
        unsigned: &[CommitSha],
    ) -> Result<Vec<CommitSha>, Trouble> {
        let (mut parent, mut made) = (base.clone(), Vec::with_capacity(unsigned.len()));
        for (commit, id) in commits.iter().zip(unsigned) {
            let date = format!("{seconds} +0000");
            let again = signer.local(&self.folder).env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
            let again = again.args(["commit-tree", "-S", "-p", parent.as_str(), "-F", "-", &format!("{id}^{{tree}}")]);
            let finished = again.stdin(commit.message.clone().into_bytes()).keep_stdout(200).run().await?;
            if !finished.succeeded() {
                // Somebody must see to the key; nothing is wrong with the clone.
                return Err(Trouble::Refused(format!("signing with `git.sign` failed: {}", signer.words(&finished))));
            }
            parent = CommitSha::new(String::from_utf8_lossy(&finished.stdout).trim())
                .map_err(|why| Trouble::Damaged(why.to_string()))?;
            made.push(parent.clone());
        }
        Ok(made)
    }

    /// Pushes a commit to the branch, if it builds on what is there.
    pub(super) async fn push(&self, commit: &CommitSha) -> Result<Pushed, Trouble> {
        self.push_to(commit, self.branch.as_str(), None).await
    }

    async fn push_to(&self, commit: &CommitSha, branch: &str, lease: Option<String>) -> Result<Pushed, Trouble> {
        let refspec = format!("{commit}:refs/heads/{branch}");
        let push = self.remote().await?.args(["push", "--porcelain", "--no-verify"]).args(lease).arg("--");
        let push = push.arg(without_userinfo(&self.url)).arg(refspec).keep_stdout(64 * 1024);
        let finished = push.run().await?;
        if finished.succeeded() {
            return Ok(Pushed::Done);
        }
        let printed = String::from_utf8_lossy(&finished.stdout).into_owned();
        let Some(verdict) = printed.lines().find(|line| line.starts_with('!')) else {
            return match self.git.failed(&self.url, &finished) {
                GitError::Conflict { .. } => Ok(Pushed::Overtaken),
                error => Err(error.into()),
            };
        };
        let verdict = verdict.rsplit('\t').next().unwrap_or(verdict);
        let server: Vec<_> =
            finished.tail.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
        let why = format!("the push was refused: {verdict}: {}", server.join(" "));
        match () {
            () if is_race(verdict) => Ok(Pushed::Overtaken),
            // The server's disk, not its rules.
            () if verdict.contains("unpacker error") => Err(Trouble::Away(why)),
            () => Ok(Pushed::Declined(why)),
        }
    }

    /// The commit an earlier run of this event made for this environment, and its message.
    pub(super) async fn commit_of(
        &self,
        head: &CommitSha,
        path: &str,
        event: EventId,
        environment: &EnvironmentName,
    ) -> Result<Option<(CommitSha, String)>, Trouble> {
        let log = self.local().args(["log", "-z", "--format=%H%n%B", HISTORY, head.as_str(), "--"]);
        let log = if path.is_empty() { log } else { log.arg(path) };
        let text = self.printed(log, LISTING).await?;
        let text = String::from_utf8_lossy(&text);
        let mut commits = text.split('\0').filter_map(|record| record.trim_start().split_once('\n'));
        let ours = commits.find(|(_, message)| commit::is_of(message, event, environment));
        Ok(ours.and_then(|(id, message)| Some((CommitSha::new(id).ok()?, message.to_owned()))))
    }

    /// The commit before this one; none before the first.
    pub(super) async fn parent(&self, of: &CommitSha) -> Result<Option<CommitSha>, Trouble> {
        let parse = self.local().args(["rev-parse", "--verify", "--quiet", &format!("{of}^")]).keep_stdout(200);
        let text = parse.run().await?.stdout;
        Ok(CommitSha::new(String::from_utf8_lossy(&text).trim()).ok())
    }

    /// Whether one commit is an ancestor of another; `None` when the clone does not know one of them.
    pub(super) async fn is_ancestor(&self, older: &CommitSha, newer: &CommitSha) -> Result<Option<bool>, Trouble> {
        let ask = self.local().args(["merge-base", "--is-ancestor", older.as_str(), newer.as_str()]);
        match ask.run().await?.exit_code() {
            Some(0) => Ok(Some(true)),
            Some(1) => Ok(Some(false)),
            _ => Ok(None),
        }
    }

    /// Packs what has gathered; each push leaves a few loose objects.
    pub(super) async fn tidy(&self) {
        let _alone = self.door.write().await;
        let gc = self.local().args(["-c", "gc.auto=6700", "gc", "--auto", "--quiet"]);
        if let Err(why) = self.run(gc).await {
            warn!(repository = self.shown(), ?why, "the kept clone could not be packed");
        }
    }
}
