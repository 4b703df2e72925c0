//! Bare Git repositories served over smart HTTP by Git's own `git http-backend`.

mod cgi;
mod work;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web;
use anyhow::{Context, Result, ensure};

use crate::folder::Folder;
use crate::http::Server;
use crate::process;

pub use work::Work;

/// A Git server. Dropping it ends it and removes its repositories.
#[derive(Debug)]
pub struct GitServer {
    folder: Folder,
    server: Server,
    gate: Arc<Mutex<Gate>>,
}

/// What stands before `git http-backend`.
#[derive(Debug, Default)]
struct Gate {
    /// Whom it lets in by user and password, when it asks for them.
    credentials: Option<Check>,
    /// Answers to give instead, the first to the next request.
    failures: Vec<u16>,
    /// What befalls every request that pushes.
    at_push: Option<AtPush>,
    /// Requests so far, as `METHOD path?query`.
    requests: Vec<String>,
}

/// What befalls a request that pushes.
#[derive(Debug, Clone)]
pub enum AtPush {
    /// It is answered with this status.
    Status(u16),
    /// It is sent to another address (302).
    Redirect(String),
    /// The line breaks when half of it has arrived.
    Cut,
    /// It is served after this, in a shell: `ulimit -f 0`.
    After(String),
}

/// Says of a user and password whether they are let in.
struct Check(Box<LetsIn>);

type LetsIn = dyn Fn(&str, &str) -> bool + Send;

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Check")
    }
}

/// A commit, as `git log` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its full id.
    pub sha: String,
    /// `Name <address>`.
    pub author: String,
    /// The whole message, trailers included.
    pub message: String,
}

impl GitServer {
    /// Starts one without repositories.
    pub fn start() -> Result<Self> {
        process::program("git", "git")?;
        let folder = Folder::new("git")?;
        let gate = Arc::new(Mutex::new(Gate::default()));
        let backend = web::Data::new(cgi::Backend::new(folder.path().to_owned(), Arc::clone(&gate))?);
        let server = Server::start(move |app| {
            app.app_data(backend.clone()).default_service(web::to(cgi::serve));
        })?;
        Ok(Self { folder, server, gate })
    }

    /// Makes an empty repository, such as `acme/app`, whose default branch is `main`, and returns its URL.
    pub async fn create(&self, name: &str) -> Result<String> {
        let mut command = git();
        command.args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(self.path(name));
        process::run(command).await?;
        // As the large hosts have it: pushes by HTTP, any commit by its id, partial clones.
        for setting in ["http.receivepack", "uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter"] {
            self.git(name, &["config", setting, "true"]).await?;
        }
        Ok(self.url(name))
    }

    /// The URL of a repository, whether it is there or not.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.server.url())
    }

    /// Where a repository lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(&format!("{name}.git"))
    }

    /// From now on asks everybody for this user and password (basic authentication).
    pub fn require(&self, user: &str, password: &str) {
        let wanted = (user.to_owned(), password.to_owned());
        self.require_by(move |user, password| (user, password) == (wanted.0.as_str(), wanted.1.as_str()));
    }

    /// The same, with whoever says which of them are let in.
    pub fn require_by(&self, check: impl Fn(&str, &str) -> bool + Send + 'static) {
        self.gate().credentials = Some(Check(Box::new(check)));
    }

    /// Answers the next requests with this status.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.gate().failures.extend(std::iter::repeat_n(status, count));
    }

    /// What befalls every push from now on; nothing out of the ordinary when `None`.
    pub fn at_push(&self, fault: Option<AtPush>) {
        self.gate().at_push = fault;
    }

    /// The requests so far, as `METHOD path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.gate().requests.clone()
    }

    /// Refuses every push to a repository by its `pre-receive` hook, with this message (no quotes in it).
    pub fn reject_pushes(&self, name: &str, message: &str) -> Result<()> {
        self.hook(name, "pre-receive", &format!("cat >/dev/null\necho '{message}' >&2\nexit 1\n"))
    }

    /// Takes pushes again.
    pub fn accept_pushes(&self, name: &str) -> Result<()> {
        std::fs::remove_file(self.path(name).join("hooks/pre-receive")).context("there was no pre-receive hook")
    }

    /// Installs a hook: a shell script without its first line.
    pub fn hook(&self, name: &str, hook: &str, script: &str) -> Result<()> {
        let path = self.path(name).join("hooks").join(hook);
        std::fs::create_dir_all(path.with_file_name(""))?;
        std::fs::write(&path, format!("#!/bin/sh\n{script}"))?;
        Ok(std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?)
    }

    /// A file's bytes at the tip of a branch.
    pub async fn file(&self, name: &str, branch: &str, path: &str) -> Result<String> {
        self.git(name, &["cat-file", "blob", &format!("refs/heads/{branch}:{path}")]).await
    }

    /// The commits of a branch, newest first.
    pub async fn log(&self, name: &str, branch: &str) -> Result<Vec<Commit>> {
        let format = "--format=%H%x00%an <%ae>%x00%B%x01";
        let log = self.git(name, &["log", format, &format!("refs/heads/{branch}")]).await?;
        log.split('\u{1}').map(str::trim_start).filter(|entry| !entry.is_empty()).map(commit).collect()
    }

    /// The commit at the tip of a branch; an error when there is no such branch.
    pub async fn head(&self, name: &str, branch: &str) -> Result<String> {
        let sha = self.git(name, &["rev-parse", "--verify", &format!("refs/heads/{branch}")]).await?;
        Ok(sha.trim().to_owned())
    }

    /// The branches.
    pub async fn branches(&self, name: &str) -> Result<Vec<String>> {
        let branches = self.git(name, &["for-each-ref", "--format=%(refname:short)", "refs/heads"]).await?;
        Ok(branches.lines().map(str::to_owned).collect())
    }

    /// Clones a repository, past the gate, to make commits in.
    pub async fn work(&self, name: &str) -> Result<Work> {
        Work::clone(&self.path(name)).await
    }

    /// Runs Git in a bare repository.
    pub async fn git(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let path = self.path(name);
        ensure!(path.is_dir(), "there is no repository {name}");
        let mut command = git();
        command.arg("-C").arg(path).args(arguments);
        process::run(command).await
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn commit(entry: &str) -> Result<Commit> {
    let mut parts = entry.splitn(3, '\0').map(str::to_owned);
    let mut next = || parts.next().context("git log said less than it was asked");
    Ok(Commit { sha: next()?, author: next()?, message: next()?.trim_end().to_owned() })
}

/// Git without anybody's configuration, and with authors of its own.
fn git() -> Command {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Dana Developer");
        command.env(format!("GIT_{who}_EMAIL"), "dana@example.com");
    }
    command
}
