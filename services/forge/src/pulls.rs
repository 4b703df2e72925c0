//! What is said of pull requests, whatever hosts them. GitLab calls them merge requests.

use anyhow::Result;
use proto::CommitSha;

/// What is to be merged, into what, and what people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The branch that is to be merged; at most one open pull request has it.
    pub branch: String,
    /// The branch it goes to.
    pub into: String,
    /// A line, of at most 250 characters: GitLab takes 255, GitHub 256.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number within its repository.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// What became of it.
    pub state: State,
    /// The branch it would be merged into.
    pub into: String,
    /// The commit at the head of its branch; none where the host knows none, as of a branch that is gone.
    pub head: Option<CommitSha>,
    /// Whether it may be merged.
    pub readiness: Readiness,
    /// The pipeline that ran for it last, where the host has those.
    pub(crate) pipeline: Option<Pipeline>,
    pub(crate) title: String,
    pub(crate) body: String,
}

/// What became of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed,
}

/// Whether a pull request may be merged, as its host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It may.
    Ready,
    /// That is not known yet: the host works it out, or waits for checks itself. So it is in lists, too.
    Unknown,
    /// The rules of the branch it goes to want it to begin at that branch's head.
    Behind,
    /// It conflicts with that branch.
    Conflicts,
    /// Those rules want something else of it; what, where the host tells.
    Blocked(Option<String>),
}

/// What became of a merge that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merging {
    /// It is merged.
    Merged,
    /// It is not: it must begin at its target's head.
    Behind,
    /// It is not, and why, in the host's words.
    Refused(String),
}

/// What checks and statuses say of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checks {
    /// None has reported.
    None,
    /// Some are not over; their names.
    Pending(Vec<String>),
    /// Some failed; their names.
    Failed(Vec<String>),
    /// All passed, were skipped or have no opinion.
    Passed,
}

/// What it takes of a host to open pull requests there; [`crate::Forge::open`] puts it together.
pub(crate) trait Opens {
    /// The open one of this branch, which is the repository's own and no fork's, into the other.
    async fn find(&self, branch: &str, into: &str) -> Result<Option<Pull>>;

    /// The commit that was the head of the last one of this branch that is over, whatever is on the branch by now.
    async fn last_head(&self, branch: &str, into: &str) -> Result<Option<CommitSha>>;

    /// Makes one. The inner error, in words, is for where there may be one already: another was faster, or an earlier
    /// answer was lost.
    async fn make(&self, draft: &Draft) -> Result<Result<Pull, String>>;

    /// Has the one of this number say what the draft says.
    async fn tell(&self, number: u64, draft: &Draft) -> Result<Pull>;
}

/// A pipeline, as far as it tells for what it ran and how that went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Pipeline {
    pub(crate) sha: String,
    pub(crate) status: String,
}

/// Checks as they are read, one by one.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: bool,
    pending: Vec<String>,
    failed: Vec<String>,
}

/// How one check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    Well,
    Badly,
    /// It is not over.
    On,
}

impl Tally {
    /// Counts a check.
    pub(crate) fn add(&mut self, name: String, went: Went) {
        self.seen = true;
        match went {
            Went::Well => {}
            Went::Badly => self.failed.push(name),
            Went::On => self.pending.push(name),
        }
    }

    /// Whether anything has failed so far.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// What all of them say.
    pub(crate) fn sum(self) -> Checks {
        match self {
            Self { seen: false, .. } => Checks::None,
            Self { failed, .. } if !failed.is_empty() => Checks::Failed(failed),
            Self { pending, .. } if !pending.is_empty() => Checks::Pending(pending),
            Self { .. } => Checks::Passed,
        }
    }
}
