//! Pull requests of a real bare repository, as far as all hosts have them: kept, checked and merged. How they are asked for
//! and shown is each host's own.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

/// A repository that takes pull requests.
#[derive(Debug)]
pub struct Repository {
    /// Its path at its host: `owner/name`, or with more groups before it.
    pub(crate) name: String,
    path: PathBuf,
    pub(crate) pulls: Vec<Pull>,
    pub(crate) checks: BTreeMap<String, Vec<(String, Option<String>)>>,
    pub(crate) statuses: BTreeMap<String, Vec<(String, String)>>,
    pub(crate) rules: Rules,
    pub(crate) settings: Settings,
    pub(crate) pipeline: Option<(String, String)>,
    /// What somebody merges the moment that anything is asked for next.
    merges_next: Option<u64>,
}

/// The rules of the branch that pull requests go to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether they want more than checks: a review.
    pub blocked: bool,
    /// Whether they want a branch to begin at its head.
    pub strict: bool,
    /// The one way to merge that is left.
    pub only: Option<String>,
    /// Whether who asks by the API may not merge.
    pub not_you: bool,
}

/// How a repository is set, and what whoever asks by the API may do in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What they may do.
    pub role: Role,
    /// Whether that comes of a group which was invited: GitLab's projects do not tell of it.
    pub is_invited: bool,
    /// Whether nothing may be changed there any more.
    pub is_archived: bool,
    /// Whether it takes pull requests.
    pub takes_pulls: bool,
}

/// What somebody may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing that others may not.
    None,
    /// Read.
    Reads,
    /// Push, but not to protected branches.
    Writes,
    /// More than that.
    Maintains,
}

impl Default for Settings {
    fn default() -> Self {
        Self { role: Role::Writes, is_invited: false, is_archived: false, takes_pulls: true }
    }
}

/// A pull request, as it is there.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its branch.
    pub branch: String,
    /// The branch it goes to.
    pub into: String,
    /// What it says in a line.
    pub title: String,
    /// What it says.
    pub body: String,
    /// `open` or `closed`.
    pub state: String,
    /// The commit at its head.
    pub head: String,
    /// The commit it was merged as.
    pub merged: Option<String>,
    /// Whether its branch is a fork's.
    pub fork: bool,
    /// The commits whose mergeability its host has worked out; it does so when it is asked, and does not know meanwhile.
    known: Option<(String, String)>,
}

/// Whether a pull request may be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mergeable {
    Unknown,
    Conflicts,
    Blocked,
    Behind,
    Yes,
}

/// Why a pull request is not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// There is one: its number.
    There(u64),
    /// There is nothing to open one for.
    Nothing(String),
}

impl Repository {
    /// One whose bare clone lies there.
    pub fn new(name: &str, path: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            path,
            pulls: Vec::new(),
            checks: BTreeMap::new(),
            statuses: BTreeMap::new(),
            rules: Rules::default(),
            settings: Settings::default(),
            pipeline: None,
            merges_next: None,
        }
    }

    /// It is called something else from now on, or may not be seen.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// All pull requests, oldest first.
    pub fn all(&mut self) -> Vec<Pull> {
        self.see_pushes();
        self.pulls.clone()
    }

    /// A person has one go to another branch.
    pub fn retarget(&mut self, number: u64, into: &str) {
        let retargeted = self.pulls.iter_mut().filter(|pull| pull.number == number);
        retargeted.for_each(|pull| into.clone_into(&mut pull.into));
    }

    /// A person closes one.
    pub fn close(&mut self, number: u64) {
        let closed = self.pulls.iter_mut().filter(|pull| pull.number == number);
        closed.for_each(|pull| "closed".clone_into(&mut pull.state));
    }

    /// A person merges one the moment that anything is asked for next, just before that is answered.
    pub fn merge_next(&mut self, number: u64) {
        self.merges_next = Some(number);
    }

    /// A check of a commit has come to this; `None` while it runs.
    pub fn check(&mut self, commit: &str, name: &str, conclusion: Option<&str>) {
        let checks = self.checks.entry(commit.to_owned()).or_default();
        checks.retain(|(other, _)| other != name);
        checks.push((name.to_owned(), conclusion.map(ToOwned::to_owned)));
    }

    /// A commit gets a status: `pending`, `success`, `failure` or `error`.
    pub fn status(&mut self, commit: &str, context: &str, state: &str) {
        let statuses = self.statuses.entry(commit.to_owned()).or_default();
        statuses.retain(|(other, _)| other != context);
        statuses.push((context.to_owned(), state.to_owned()));
    }

    /// Changes the rules of the branch that pull requests go to.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Changes how it is set.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether whoever asks may push to it.
    pub(crate) fn may_push(&self) -> bool {
        matches!(self.settings.role, Role::Writes | Role::Maintains)
    }

    /// Whether a way to merge is left.
    pub(crate) fn allows(&self, method: &str) -> bool {
        self.rules.only.as_ref().is_none_or(|only| only == method)
    }

    /// The pipeline that is said to have run last, for this commit; else it follows from the checks.
    pub fn set_pipeline(&mut self, commit: &str, status: &str) {
        self.pipeline = Some((commit.to_owned(), status.to_owned()));
    }

    /// Somebody's fork has a branch of this name at this commit, and a pull request for it.
    pub fn open_from_fork(&mut self, branch: &str, into: &str, head: &str) -> u64 {
        self.add(branch, into, "A change of mine", "", head.to_owned(), true)
    }

    pub(crate) fn at(&self, number: &str) -> Option<usize> {
        let number: u64 = number.parse().ok()?;
        self.pulls.iter().position(|pull| pull.number == number)
    }

    /// As hosts do after a push: heads follow their branches, and what the target has got is merged.
    pub(crate) fn see_pushes(&mut self) {
        if let Some(number) = self.merges_next.take() {
            // One that cannot be merged stays as it is.
            let _ = self.merge(number, "merge");
        }
        for n in 0..self.pulls.len() {
            let pull = self.pulls[n].clone();
            if pull.state != "open" || pull.fork {
                continue;
            }
            if let Some(head) = self.head(&pull.branch) {
                self.pulls[n].head = head;
            } else {
                "closed".clone_into(&mut self.pulls[n].state);
            }
            let (head, into) = (self.pulls[n].head.clone(), format!("refs/heads/{}", pull.into));
            if self.git(&["merge-base", "--is-ancestor", &head, &into]).is_ok() {
                self.pulls[n].merged = self.head(&pull.into);
                "closed".clone_into(&mut self.pulls[n].state);
            }
        }
    }

    pub(crate) fn open(&mut self, branch: &str, into: &str, title: &str, body: &str) -> Result<usize, Unopened> {
        let (Some(head), Some(_)) = (self.head(branch), self.head(into)) else {
            return Err(Unopened::Nothing("head or base does not exist".to_owned()));
        };
        if self.git(&["merge-base", "--is-ancestor", &head, &format!("refs/heads/{into}")]).is_ok() {
            return Err(Unopened::Nothing(format!("No commits between {into} and {branch}")));
        }
        let is_it = |pull: &&Pull| pull.state == "open" && !pull.fork && pull.branch == branch && pull.into == into;
        if let Some(there) = self.pulls.iter().find(is_it) {
            return Err(Unopened::There(there.number));
        }
        self.add(branch, into, title, body, head, false);
        Ok(self.pulls.len() - 1)
    }

    fn add(&mut self, branch: &str, into: &str, title: &str, body: &str, head: String, fork: bool) -> u64 {
        let number = 41 + self.pulls.len() as u64;
        let [branch, into, title, body] = [branch, into, title, body].map(ToOwned::to_owned);
        let (state, merged, known) = ("open".to_owned(), None, None);
        self.pulls.push(Pull { number, branch, into, title, body, state, head, merged, fork, known });
        number
    }

    /// Merges it, as its button would; the commit it is merged as.
    pub fn merge(&mut self, number: u64, method: &str) -> Result<String, String> {
        self.see_pushes();
        let n = self.at(&number.to_string()).ok_or("no such pull request")?;
        let pull = self.pulls[n].clone();
        let target = self.head(&pull.into).ok_or("no such branch")?;
        let tree = self.git(&["merge-tree", "--write-tree", &target, &pull.head])?;
        let sha = match method {
            "squash" => {
                let body = self.git(&["show", "-s", "--format=%b", &pull.head])?;
                let message = format!("{} (#{number})\n\n{body}", pull.title);
                self.git(&["commit-tree", &tree, "-p", &target, "-m", &message])?
            }
            "rebase" => {
                let message = self.git(&["show", "-s", "--format=%B", &pull.head])?;
                self.git(&["commit-tree", &tree, "-p", &target, "-m", &message])?
            }
            _ => {
                let message = format!("Merge pull request #{number} from {}\n\n{}", pull.branch, pull.title);
                self.git(&["commit-tree", &tree, "-p", &target, "-p", &pull.head, "-m", &message])?
            }
        };
        self.git(&["update-ref", &format!("refs/heads/{}", pull.into), &sha, &target])?;
        (self.pulls[n].state, self.pulls[n].merged) = ("closed".to_owned(), Some(sha.clone()));
        Ok(sha)
    }

    /// Whether it may be merged; that is worked out once somebody has asked.
    pub(crate) fn worked_out(&mut self, n: usize) -> Mergeable {
        let pull = self.pulls[n].clone();
        let at = (pull.head.clone(), self.head(&pull.into).unwrap_or_default());
        if self.pulls[n].known.as_ref() == Some(&at) {
            return self.mergeable(&pull);
        }
        self.pulls[n].known = Some(at);
        Mergeable::Unknown
    }

    pub(crate) fn mergeable(&self, pull: &Pull) -> Mergeable {
        let into = format!("refs/heads/{}", pull.into);
        let is_behind = || self.git(&["merge-base", "--is-ancestor", &into, &pull.head]).is_err();
        match () {
            () if self.git(&["merge-tree", "--write-tree", &into, &pull.head]).is_err() => Mergeable::Conflicts,
            () if self.rules.blocked => Mergeable::Blocked,
            () if self.rules.strict && is_behind() => Mergeable::Behind,
            () => Mergeable::Yes,
        }
    }

    pub(crate) fn head(&self, branch: &str) -> Option<String> {
        self.git(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).ok()
    }

    /// Runs Git in it.
    pub fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("git");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "The host").env(format!("GIT_{who}_EMAIL"), "noreply@forge.example");
        }
        let output = command.current_dir(&self.path).args(arguments).output().map_err(|why| why.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}
