//! The history of apps' sources: a kept clone of commits alone, without their files, that says how one stands to another.
//!
//! Nothing of it is checked out. What a server will not tell for good is an answer as well; what it does not tell just now
//! is a failure that passes.

mod patches;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use proto::CommitSha;
use runtime::{
    Failure,
    config::App,
    git::{Git, GitError, without_userinfo},
};
use tracing::{info, warn};

use crate::{
    chain::{Order, Question},
    clones,
};

/// What commits alone are fetched by; a server that knows no filters gives the files as well, which harms nothing.
const COMMITS: [&str; 1] = ["--filter=tree:0"];
/// How many answers are kept. How two commits stand to each other never changes.
const KEPT: usize = 4096;
/// How much of an author's name and address is kept, in bytes.
const LONGEST_AUTHOR: usize = 300;

/// Every app's source.
pub(crate) struct Sources {
    git: Git,
    /// Clones are kept here.
    folder: PathBuf,
    /// Folders to compare changes in.
    workspaces: PathBuf,
    /// One fetch at a time into each clone.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    answers: Mutex<HashMap<(String, Question), Order>>,
}

impl Sources {
    pub(crate) fn new(git: Git, folder: PathBuf, workspaces: PathBuf) -> Self {
        Self { git, folder, workspaces, turns: Mutex::default(), answers: Mutex::default() }
    }

    /// Answers a question about an app's source.
    ///
    /// # Errors
    /// Transient while the repository is away. That a commit is gone, or that nobody lets us in, is an answer.
    pub(crate) async fn answer(&self, app: &App, question: &Question) -> Result<Order, Failure> {
        let url = app.clone_url();
        let key = (url.clone(), question.clone());
        let kept = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = kept {
            return Ok(known);
        }
        let _turn = self.turn(&url).lock_owned().await;
        let order = self.ask(&url, question).await?;
        if !matches!(order, Order::Unknown(_)) {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if answers.len() >= KEPT {
                answers.clear();
            }
            answers.insert(key, order.clone());
        }
        Ok(order)
    }

    /// Who wrote a commit of an app's source, `Ada <ada@example.org>`, as the commit itself says.
    ///
    /// # Errors
    /// As [`Sources::answer`]; `None` where the repository does not tell for good.
    pub(crate) async fn author(&self, app: &App, commit: &CommitSha) -> Result<Option<String>, Failure> {
        let url = app.clone_url();
        let _turn = self.turn(&url).lock_owned().await;
        let clone = Clone { git: &self.git, url: &url, folder: self.place(&url) };
        let author = match clone.author(commit).await {
            Err(error @ GitError::Other { .. }) => {
                clone.forget(&error).await?;
                clone.author(commit).await
            }
            author => author,
        };
        match author {
            Ok(author) => Ok(author),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(error) => {
                info!(url = without_userinfo(&url), "who wrote {commit} is not known: {error}");
                Ok(None)
            }
        }
    }

    fn turn(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(url.to_owned()).or_default())
    }

    async fn ask(&self, url: &str, question: &Question) -> Result<Order, Failure> {
        let (Question::Order(one, other) | Question::Has(one, other)) = question;
        let clone = Clone { git: &self.git, url, folder: self.place(url) };
        let order = match clone.order(one, other).await {
            // Whatever is wrong with a clone, a new one has it not.
            Err(error @ GitError::Other { .. }) => {
                clone.forget(&error).await?;
                clone.order(one, other).await
            }
            order => order,
        };
        let order = match order {
            Ok(order) => order,
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => {
                info!(url = without_userinfo(url), "the order of {one} and {other} is not known: {error}");
                Order::Unknown(error.to_string())
            }
        };
        if matches!(question, Question::Has(..)) && order == Order::Apart {
            let has = patches::has(&clone, &self.workspaces, one, other).await;
            return has.map(|has| if has { Order::After } else { Order::Apart });
        }
        Ok(order)
    }

    fn place(&self, url: &str) -> PathBuf {
        clones::place(&self.folder, url)
    }
}

/// A kept clone of commits.
struct Clone<'a> {
    git: &'a Git,
    url: &'a str,
    folder: PathBuf,
}

impl Clone<'_> {
    async fn order(&self, one: &CommitSha, other: &CommitSha) -> Result<Order, GitError> {
        self.bring(&[one, other]).await?;
        Ok(match (self.is_ancestor(one, other).await?, self.is_ancestor(other, one).await?) {
            (true, true) => Order::Same,
            (true, false) => Order::Before,
            (false, true) => Order::After,
            (false, false) => Order::Apart,
        })
    }

    async fn author(&self, commit: &CommitSha) -> Result<Option<String>, GitError> {
        self.bring(&[commit]).await?;
        let log = self.git.local(&self.folder).env("GIT_NO_LAZY_FETCH", "1");
        let log = log.args(["log", "--no-walk", "--no-mailmap", "--format=%an <%ae>", commit.as_str(), "--"]);
        let printed = self.git.run(log.keep_stdout(LONGEST_AUTHOR), self.url).await?.stdout;
        let text = String::from_utf8_lossy(&printed);
        let plain: String = text.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        Ok(Some(plain).filter(|author| author != "<>"))
    }

    /// Fetches those of the commits that are not there, with all that came before them.
    async fn bring(&self, commits: &[&CommitSha]) -> Result<(), GitError> {
        self.begin(commits).await?;
        let mut missing = Vec::new();
        for commit in commits {
            if !self.git.has(&self.folder, commit).await? {
                missing.push(*commit);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.git.fetch(self.url, &missing, &self.folder, &COMMITS).await
    }

    async fn begin(&self, commits: &[&CommitSha]) -> Result<(), GitError> {
        let Some(first) = commits.first().filter(|_| !self.folder.join("HEAD").exists()) else { return Ok(()) };
        let made = tokio::fs::create_dir_all(&self.folder).await;
        made.map_err(|why| self.other(format!("making the folder {}: {why}", self.folder.display())))?;
        self.git.begin_for(self.url, first, &self.folder, &["--bare"]).await
    }

    async fn is_ancestor(&self, older: &CommitSha, newer: &CommitSha) -> Result<bool, GitError> {
        let ask = self.git.local(&self.folder).env("GIT_NO_LAZY_FETCH", "1");
        let ended = ask.args(["merge-base", "--is-ancestor", older.as_str(), newer.as_str()]).run().await?;
        match ended.exit_code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(GitError::of(self.url, &ended)),
        }
    }

    /// Throws the clone away; the next question makes a new one.
    async fn forget(&self, error: &GitError) -> Result<(), Failure> {
        warn!("the kept history of {} is made anew: {error}", without_userinfo(self.url));
        clones::remove(&self.folder).await.map_err(Failure::transient)
    }

    fn other(&self, why: String) -> GitError {
        GitError::Other { url: without_userinfo(self.url), why }
    }
}
