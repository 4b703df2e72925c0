//! The programs a worker runs, as its configuration asks for them. Looked for before it takes anything, and by
//! whoever asks how this machine is set up.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use proto::WorkerName;
use tracing::warn;

use crate::{
    Context, Worker,
    config::{Git, SigningKey},
};

/// A program that a worker runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// Its name, or its path.
    pub program: String,
    /// The key of the configuration that asks for it: `apps.shop.build`.
    pub key: String,
}

impl Needed {
    /// The program that a configured command line begins with; `None` where that is a file of the checkout it runs in.
    pub fn of(argv: &[String], key: impl Into<String>) -> Option<Self> {
        let program = argv.first().filter(|program| !program.contains('/') || program.starts_with('/'))?;
        Some(Self { program: program.clone(), key: key.into() })
    }

    /// What talking to this repository takes.
    pub fn for_repository(url: &str, key: &str) -> impl Iterator<Item = Self> {
        let ssh = url.starts_with("ssh://").then_some("ssh");
        ["git"].into_iter().chain(ssh).map(|program| Self { program: program.to_owned(), key: key.to_owned() })
    }

    /// What signing commits takes, where that is configured.
    pub fn for_signing(git: &Git) -> Option<Self> {
        let (program, key) = match git.sign.as_ref()? {
            SigningKey::Ssh(_) => ("ssh-keygen", "git.sign.ssh"),
            SigningKey::Gpg(_) => ("gpg", "git.sign.gpg"),
        };
        Some(Self { program: program.to_owned(), key: key.to_owned() })
    }

    /// Where it is; `None` when it is not on this machine.
    pub fn find(&self) -> Option<PathBuf> {
        let runs = |path: &PathBuf| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        if self.program.starts_with('/') {
            return Some(Path::new(&self.program).to_owned()).filter(runs);
        }
        let path = crate::exec::search_path();
        std::env::split_paths(&path).map(|folder| folder.join(&self.program)).find(runs)
    }
}

/// Fails when a worker could do nothing right: without Git, or with one that does not let itself be pinned. What else
/// is missing is warned of, since only some events need it.
pub(crate) async fn look_for<W: Worker>(context: &Context) -> Result<()> {
    let mut needed = W::programs(&context.config);
    needed.sort();
    needed.dedup_by(|a, b| a.program == b.program);
    for Needed { program, key } in needed.iter().filter(|needed| needed.find().is_none() && needed.program != "git") {
        warn!(worker = %W::NAME, program, "`{key}` needs `{program}`, which is not on this machine: install it");
    }
    match needed.iter().find(|needed| needed.program == "git") {
        Some(git) => check_git(context, W::NAME, &git.key).await,
        None => Ok(()),
    }
}

async fn check_git(context: &Context, worker: WorkerName, key: &str) -> Result<()> {
    let version = context.git.version().await.with_context(|| format!("the {worker} needs Git for `{key}`"))?;
    tracing::debug!(%worker, version, "git {version}");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn needed(argv: &[&str]) -> Option<Needed> {
        Needed::of(&argv.iter().map(ToString::to_string).collect::<Vec<_>>(), "apps.shop.test")
    }

    #[test]
    fn a_program_is_found_as_it_will_be() {
        assert!(needed(&["sh", "-c", "true"]).unwrap().find().is_some_and(|path| path.ends_with("sh")));
        assert!(needed(&["/bin/sh"]).unwrap().find().is_some());
        assert_eq!(needed(&["a-program-nobody-has"]).unwrap().find(), None);
        assert_eq!(needed(&["/etc/passwd"]).unwrap().find(), None, "a file that is no program");
        assert_eq!(needed(&["/etc"]).unwrap().find(), None, "a folder");
        assert_eq!(needed(&["./test/unit"]), None, "it comes with the checkout");
        assert_eq!(needed(&[]), None);
    }

    #[test]
    fn repositories_over_ssh_take_ssh_as_well() {
        let programs = |url| Needed::for_repository(url, "x").map(|needed| needed.program).collect::<Vec<_>>();
        assert_eq!(programs("https://git.example/x.git"), ["git"]);
        assert_eq!(programs("ssh://git@git.example/x.git"), ["git", "ssh"]);
    }
}
