//! Running programs: argument vectors, a clean environment, an end in time, and output that shows no secret.
//!
//! A program gets `PATH`, `HOME`, `LANG`, `TMPDIR` and what it is given, never this process's own environment, which
//! holds its secrets. It runs in a process group of its own, so that what it started ends with it. What its exit
//! status means is its caller's business.

mod error;
#[cfg(test)]
mod fuzz;
mod group;
mod mask;
mod output;
mod run;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempPath;

use crate::Secret;

pub use error::ExecError;
pub use mask::Masks;
pub(crate) use run::search_path;

/// What a program without a timeout of its own gets.
const TIMEOUT: Duration = Duration::from_mins(15);

/// A program to run, and how.
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    argv: Vec<OsString>,
    dir: Option<PathBuf>,
    env: Vec<(OsString, OsString)>,
    timeout: Duration,
    masks: Vec<Secret>,
    log: Option<PathBuf>,
    label: Option<String>,
    keep_stdout: Option<usize>,
    stdin: Option<Vec<u8>>,
    leave_nothing: bool,
    held: Vec<TempPath>,
}

/// What a program came to.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// How long it ran.
    pub duration: Duration,
    /// The last lines of both its outputs as they came, at most 60 and 8 KiB, secrets masked.
    pub tail: String,
    /// Its standard output to the byte, secrets and all, when it was to be kept.
    pub stdout: Vec<u8>,
    /// Whether its standard output was longer than was to be kept.
    pub stdout_cut: bool,
    /// The secrets that were to be masked: what it was given to be let in by is among them.
    pub(crate) masks: Vec<Secret>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which was not ours.
    Signalled(i32),
    /// By us, because its time was over.
    TimedOut,
}

impl Program {
    /// A program and its arguments; no shell reads them.
    pub fn new(argv: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            dir: None,
            env: Vec::new(),
            timeout: TIMEOUT,
            masks: Vec::new(),
            log: None,
            label: None,
            keep_stdout: None,
            stdin: None,
            leave_nothing: false,
            held: Vec::new(),
        }
    }

    /// One argument more.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// Several arguments more.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// The folder it runs in. A program named by a relative path with a `/` is looked for from here.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// A variable; over an earlier one of this name.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Several variables.
    pub fn envs(mut self, variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        let pairs = variables.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()));
        self.env.extend(pairs);
        self
    }

    /// When it is ended with all it started; after 15 minutes unless said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Secrets that become `***` in log, live lines and tail; besides earlier ones.
    pub fn mask(mut self, secrets: Vec<Secret>) -> Self {
        self.masks.extend(secrets);
        self
    }

    /// A file its whole output is appended to, masked, as it comes; its folder is made.
    pub fn log(mut self, file: PathBuf) -> Self {
        self.log = Some(file);
        self
    }

    /// Says each line of its output to the log of this process, under this name.
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// Keeps so much of its standard output as data, which then is in neither log nor tail.
    pub fn keep_stdout(mut self, bytes: usize) -> Self {
        self.keep_stdout = Some(bytes);
        self
    }

    /// What it reads; nothing unless said.
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// Ends what it left running in the background, when it has ended.
    pub fn leave_nothing(mut self) -> Self {
        self.leave_nothing = true;
        self
    }

    /// Files that are removed when it has ended.
    pub fn hold(mut self, files: impl IntoIterator<Item = TempPath>) -> Self {
        self.held.extend(files);
        self
    }

    /// Runs it to its end. Dropping the future kills it, with all it started.
    pub async fn run(self) -> Result<Finished, ExecError> {
        run::run(self).await
    }

    fn name(&self) -> String {
        self.argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

impl fmt::Debug for Program {
    /// Without the values of variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Program")
            .field("argv", &self.argv)
            .field("dir", &self.dir)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

impl Finished {
    /// Whether it exited with status 0.
    pub fn succeeded(&self) -> bool {
        self.ended == Ended::Exited(0)
    }

    /// Its exit status, if it had one.
    pub fn exit_code(&self) -> Option<i32> {
        match self.ended {
            Ended::Exited(code) => Some(code),
            Ended::Signalled(_) | Ended::TimedOut => None,
        }
    }

    /// How long it ran, in whole milliseconds.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with status {code}"),
            Self::Signalled(signal) => write!(f, "was killed by signal {signal}"),
            Self::TimedOut => f.write_str("did not end in time and was killed"),
        }
    }
}

#[cfg(test)]
mod tests;
