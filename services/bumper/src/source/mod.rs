//! The history of apps' sources: a kept clone of commits alone, without their files, that says how one stands to another.
//!
//! Nothing of it is checked out. What a server will not tell for good is an answer as well; what it does not tell just now
//! is a failure that passes.

mod kept;
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
use kept::Kept;

/// What commits alone are fetched by; a server that knows no filters gives the files as well, which harms nothing.
const COMMITS: [&str; 1] = ["--filter=tree:0"];
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
    /// How two commits of a repository stand to each other.
    answers: Kept<(String, Question), Order>,
    /// Who wrote a commit of a repository.
    authors: Kept<(String, CommitSha), Option<String>>,
}

impl Sources {
    pub(crate) fn new(git: Git, folder: PathBuf, workspaces: PathBuf) -> Self {
        let (turns, answers, authors) = (Mutex::default(), Kept::default(), Kept::default());
        Self { git, folder, workspaces, turns, answers, authors }
    }

    /// Answers a question about an app's source.
    ///
    /// # Errors
    /// Transient while the repository is away. That a commit is gone, or that nobody lets us in, is an answer.
    pub(crate) async fn answer(&self, app: &App, question: &Question) -> Result<Order, Failure> {
        let url = app.clone_url();
        let key = (url.clone(), question.clone());
        if let Some(known) = self.answers.get(&key) {
            return Ok(known);
        }
        let _turn = self.turn(&url).lock_owned().await;
        let order = self.ask(&url, question).await?;
        if !matches!(order, Order::Unknown(_)) {
            self.answers.put(key, order.clone());
        }
        Ok(order)
    }

    /// Who wrote a commit of an app's source, `Ada <ada@example.org>`, as the commit itself says.
    ///
    /// # Errors
    /// As [`Sources::answer`]; `None` where the repository does not tell for good.
    pub(crate) async fn author(&self, app: &App, commit: &CommitSha) -> Result<Option<String>, Failure> {
        let url = app.clone_url();
        let key = (url.clone(), commit.clone());
        if let Some(known) = self.authors.get(&key) {
            return Ok(known);
        }
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
            Ok(author) => {
                self.authors.put(key, author.clone());
                Ok(author)
            }
            Err(error) if error.is_transient() => Err(error.into()),
            // Somebody may mend that, or push the commit.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use runtime::{Config, config, network::Guard};
    use testkit::folder::Folder;

    use super::*;

    #[tokio::test]
    async fn who_wrote_a_commit_is_asked_once_and_kept() {
        let folder = Folder::new("sources").unwrap();
        let (origin, clones) = (folder.join("origin"), folder.join("clones"));
        std::fs::create_dir(&origin).unwrap();
        let git = Git::new(&config::Git::default(), &Guard::new(&config::Network::default()));
        let run = async |args: &[&str]| {
            let ran = git.local(&origin).args(args.to_vec()).keep_stdout(200).run().await.unwrap();
            assert!(ran.succeeded(), "{}", ran.tail);
            String::from_utf8(ran.stdout).unwrap()
        };
        run(&["init", "-q", "."]).await;
        run(&["commit", "-q", "--allow-empty", "--author", "Ada <ada@example.org>", "-m", "first"]).await;
        let commit = CommitSha::new(run(&["rev-parse", "HEAD"]).await.trim()).unwrap();
        let url = origin.display();
        let text = format!("apps: {{ shop: {{ repository: acme/shop, clone: 'file://{url}' }} }}");
        let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
        let app = config.apps.values().next().unwrap();

        let sources = Sources::new(git.clone(), clones.clone(), folder.join("compared"));
        let author = sources.author(app, &commit).await.unwrap();
        assert_eq!(author.as_deref(), Some("Ada <ada@example.org>"));
        // Nobody could answer any more.
        std::fs::remove_dir_all(&origin).unwrap();
        std::fs::remove_dir_all(&clones).unwrap();
        assert_eq!(sources.author(app, &commit).await.unwrap(), author);
    }
}
