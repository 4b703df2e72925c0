//! Git as a program: told nothing by the machine's own configuration, asking nobody, and with the configured
//! credentials in its environment, never on its command line.
//!
//! The server is looked up here and pinned for Git and ssh, so that what the guard checked is what they connect to;
//! that takes Git 2.37 ([`Git::version`]). A redirect is a refusal: it could lead anywhere.
//!
//! No hook runs, no submodule is fetched, no large file is smudged; transports are HTTP, SSH, and local files where
//! the configuration itself names one. What is done with a repository is its caller's business.

mod access;
mod error;
#[cfg(test)]
mod fuzz;
mod pin;
mod sign;
mod tokens;
mod trial;
mod url;
mod version;

use std::{path::Path, sync::Arc, time::Duration};

use proto::CommitSha;

use crate::{
    config,
    exec::{Finished, Program},
    github_app::Installations,
    network::Guard,
};

pub use self::url::without_userinfo;
pub use error::GitError;
pub use sign::Signer;

/// What one Git command may take. A large repository's first fetch over a slow line takes minutes.
const TIMEOUT: Duration = Duration::from_mins(10);
/// A transfer slower than so many bytes a second, for so many seconds, is dead.
const TOO_SLOW: (&str, &str) = ("1000", "30");
/// How many bytes of paths two commits may differ in to be compared path by path; beyond it, everything has changed.
pub const MOST_PATHS: usize = 16 * 1024 * 1024;

/// Git, with the configured credentials; cheap to clone.
#[derive(Clone)]
pub struct Git {
    config: Arc<config::Git>,
    guard: Guard,
    tokens: Arc<tokens::Tokens>,
}

impl Git {
    /// Git as `git` in the config says, with servers where the guard lets them be; secrets are read when they are used.
    pub fn new(config: &config::Git, guard: &Guard) -> Self {
        Self { config: Arc::new(config.clone()), guard: guard.clone(), tokens: Arc::new(tokens::Tokens::new(guard)) }
    }

    /// The tokens that Git is let in by where it comes as an App, for whoever asks the API as the same.
    pub fn installations(&self) -> Installations {
        self.tokens.installations.clone()
    }

    /// `git` in this folder, for what asks no server. Add a subcommand and its arguments; put `--` or
    /// `--end-of-options` before what stems from data.
    pub fn local(&self, dir: &Path) -> Program {
        self.local_with(dir, &[])
    }

    fn local_with(&self, dir: &Path, more: &[(String, String)]) -> Program {
        let settings = [&settings(), more].concat();
        with_settings(self.begin(Some(dir)).env("GIT_ALLOW_PROTOCOL", ""), &settings)
    }

    /// `git` in this folder, with what it needs to talk to this URL, and pinned to where the guard found it. As
    /// [`Git::local`], and with [`without_userinfo`] around the URL.
    pub async fn remote(&self, dir: Option<&Path>, url: &str) -> Result<Program, GitError> {
        let pinned = pin::pin(&self.guard, url).await?;
        let access = self.access(url).await?;
        let mut settings = settings();
        settings.extend(pinned.settings.into_iter().chain(access.settings));
        let ssh = pinned.ssh.map(|command| ("GIT_SSH_COMMAND", command + &access.ssh));
        let program = self.begin(dir).envs(ssh).env("GIT_ALLOW_PROTOCOL", pinned.scheme);
        let program = program.mask(access.masks).hold(access.held);
        Ok(with_settings(program, &settings))
    }

    fn begin(&self, dir: Option<&Path>) -> Program {
        let program = Program::new(["git"]).timeout(TIMEOUT).envs(self.environment());
        let Some(dir) = dir else { return program };
        // A folder that is no repository must not be taken for part of one around it.
        let ceiling = dir.parent().map(|parent| ("GIT_CEILING_DIRECTORIES", parent));
        program.dir(dir).envs(ceiling)
    }

    /// Runs a command made by [`Git::local`] or [`Git::remote`]; anything but status 0 is an error, classified.
    pub async fn run(&self, program: Program, url: &str) -> Result<Finished, GitError> {
        let finished = program.run().await?;
        if finished.succeeded() { Ok(finished) } else { Err(self.failed(url, &finished)) }
    }

    /// Puts exactly this commit into an empty folder, with no history where the server allows that. Symlinks stay
    /// as they are: whoever opens a path of the checkout checks where it leads.
    pub async fn checkout(&self, url: &str, commit: &CommitSha, into: &Path) -> Result<(), GitError> {
        self.init(url, commit, into).await?;
        self.fetch(url, &[commit], into, &["--depth=1"]).await?;
        let here = |args: &[&str]| self.local(into).args(args.to_vec());
        self.run(here(&["checkout", "-q", "--detach", "--end-of-options", commit.as_str()]), url).await?;
        let head = self.run(here(&["rev-parse", "HEAD"]).keep_stdout(100), url).await?;
        let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
        if head == commit.as_str() {
            return Ok(());
        }
        let why = format!("asked for {commit}, the checkout is at {head}");
        Err(GitError::Other { url: without_userinfo(url), why })
    }

    /// The paths that differ between two commits, in an empty folder to compare them in; what was renamed differs under
    /// both of its names. `None` when there are more than [`MOST_PATHS`] bytes of them.
    ///
    /// # Errors
    /// As [`Git::checkout`]; [`GitError::NoSuchCommit`] names the one that is not there, or not any more.
    pub async fn changed(
        &self,
        url: &str,
        since: &CommitSha,
        commit: &CommitSha,
        within: &Path,
    ) -> Result<Option<Vec<String>>, GitError> {
        self.init(url, commit, within).await?;
        // Names are compared, so trees are enough, where the server can leave the files out.
        for one in [since, commit] {
            self.fetch(url, &[one], within, &["--depth=1", "--filter=blob:none"]).await?;
        }
        self.differing(url, since, commit, within).await
    }

    /// As [`Git::changed`], in a repository that has both commits; asks no server.
    ///
    /// # Errors
    /// When one of them is not there.
    pub async fn differing(
        &self,
        url: &str,
        since: &CommitSha,
        commit: &CommitSha,
        repository: &Path,
    ) -> Result<Option<Vec<String>>, GitError> {
        let diff = self.local(repository).args(["diff-tree", "-r", "-z", "--name-only", "--no-renames"]);
        let diff = diff.args([since.as_str(), commit.as_str()]).keep_stdout(MOST_PATHS);
        let diff = self.run(diff, url).await?;
        let paths = diff.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok((!diff.stdout_cut).then(|| paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect()))
    }

    async fn init(&self, url: &str, commit: &CommitSha, into: &Path) -> Result<(), GitError> {
        self.begin_for(url, commit, into, &[]).await
    }

    /// Makes an empty repository for what comes from this one: of the kind of hash that this commit is of. `options` are
    /// those of `git init`, such as `--bare`.
    ///
    /// # Errors
    /// [`GitError::BadUrl`] when nothing could come from there; else when Git cannot.
    pub async fn begin_for(
        &self,
        url: &str,
        commit: &CommitSha,
        into: &Path,
        options: &[&str],
    ) -> Result<(), GitError> {
        url::check(url)?;
        let sha256 = commit.as_str().len() == 64;
        let format = if sha256 { "--object-format=sha256" } else { "--object-format=sha1" };
        let init = self.local(into).args(["init", "-q", "--template=", format]).args(options.to_vec());
        self.run(init, url).await.map(drop)
    }

    /// Brings these commits into a repository, each under a ref of its own. `options` are those of `git fetch`, such as
    /// `--depth` or `--filter`; a server that gives only what its refs name gives everything those have.
    ///
    /// # Errors
    /// [`GitError::NoSuchCommit`] names one that is not there, or not any more.
    pub async fn fetch(
        &self,
        url: &str,
        commits: &[&CommitSha],
        into: &Path,
        options: &[&str],
    ) -> Result<(), GitError> {
        let remote = without_userinfo(url);
        let fetch = async || {
            let fetch = self.remote(Some(into), url).await?.args(["fetch", "-q", "--no-tags"]);
            Ok::<_, GitError>(fetch.arg("--no-recurse-submodules"))
        };
        let refs = commits.iter().map(|commit| format!("+{commit}:refs/windlass/commits/{commit}"));
        let exact = fetch().await?.args(options.to_vec()).args(["--", &remote]).args(refs);
        match self.run(exact, url).await {
            Err(GitError::Unadvertised { .. }) => {}
            other => return other.map(drop).map_err(|error| error.about(commits)),
        }
        // A server that gives only what its refs name, and perhaps that without cutting history.
        let heads = fetch().await?.args(["--prune", "--", &remote, "+refs/heads/*:refs/remotes/origin/*"]);
        self.run(heads, url).await?;
        for commit in commits {
            if !self.has(into, commit).await? {
                return Err(GitError::NoSuchCommit { url: remote, commit: (*commit).clone() });
            }
        }
        Ok(())
    }

    /// Whether a commit is in this folder's repository.
    pub async fn has(&self, repository: &Path, commit: &CommitSha) -> Result<bool, GitError> {
        // Of a clone that left objects out, without going to look for them elsewhere.
        let local = self.local(repository).env("GIT_NO_LAZY_FETCH", "1");
        let there = local.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        Ok(there.run().await?.succeeded())
    }

    fn environment(&self) -> Vec<(&'static str, &str)> {
        let author = &self.config.author;
        vec![
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_AUTHOR_NAME", &author.name),
            ("GIT_AUTHOR_EMAIL", &author.email),
            ("GIT_COMMITTER_NAME", &author.name),
            ("GIT_COMMITTER_EMAIL", &author.email),
        ]
    }
}

fn with_settings(program: Program, settings: &[(String, String)]) -> Program {
    let numbered = settings.iter().enumerate();
    program.env("GIT_CONFIG_COUNT", settings.len().to_string()).envs(numbered.flat_map(|(n, (key, value))| {
        [(format!("GIT_CONFIG_KEY_{n}"), key.clone()), (format!("GIT_CONFIG_VALUE_{n}"), value.clone())]
    }))
}

fn settings() -> Vec<(String, String)> {
    [
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("credential.helper", ""),
        ("safe.directory", "*"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("fetch.recurseSubmodules", "false"),
        ("submodule.recurse", "false"),
        ("advice.detachedHead", "false"),
        ("init.defaultBranch", "main"),
        ("http.followRedirects", "false"),
        ("http.lowSpeedLimit", TOO_SLOW.0),
        ("http.lowSpeedTime", TOO_SLOW.1),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

#[cfg(test)]
mod tests;
