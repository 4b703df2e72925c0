//! A clone to make commits in, as a developer would.

use std::path::Path;

use anyhow::{Context, Result};

use crate::folder::Folder;
use crate::process;

/// A temporary clone on branch `main`.
#[derive(Debug)]
pub struct Work {
    folder: Folder,
}

impl Work {
    pub(super) async fn clone(repository: &Path) -> Result<Self> {
        let work = Self { folder: Folder::new("work")? };
        work.git(&["clone", "--quiet", &repository.to_string_lossy(), "."]).await?;
        Ok(work)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, in folders that are made as needed.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(self.path()))?;
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Commits everything, even when nothing changed, and returns the commit's id.
    pub async fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]).await?;
        self.head().await
    }

    /// Writes one file, commits it, pushes the branch and returns the commit's id.
    pub async fn change(&self, path: &str, content: &str, message: &str) -> Result<String> {
        self.write(path, content)?;
        let sha = self.commit(message).await?;
        self.push().await.map(|()| sha)
    }

    /// Goes to a branch, and makes it here if need be.
    pub async fn branch(&self, name: &str) -> Result<()> {
        self.git(&["switch", "--quiet", "--force-create", name]).await.map(|_| ())
    }

    /// Pushes the branch it is on.
    pub async fn push(&self) -> Result<()> {
        self.git(&["push", "--quiet", "origin", "HEAD"]).await.map(|_| ())
    }

    /// Pushes the branch it is on, whatever is there.
    pub async fn force_push(&self) -> Result<()> {
        self.git(&["push", "--quiet", "--force", "origin", "HEAD"]).await.map(|_| ())
    }

    /// Takes what others pushed to the branch it is on.
    pub async fn pull(&self) -> Result<()> {
        let branch = self.git(&["branch", "--show-current"]).await?;
        self.git(&["pull", "--quiet", "--ff-only", "origin", branch.trim()]).await.map(|_| ())
    }

    /// Deletes a branch from the server.
    pub async fn delete_branch(&self, name: &str) -> Result<()> {
        self.git(&["push", "--quiet", "origin", "--delete", &format!("refs/heads/{name}")]).await.map(|_| ())
    }

    /// Tags the commit it is at and pushes the tag.
    pub async fn tag(&self, name: &str) -> Result<()> {
        self.git(&["tag", name]).await?;
        self.git(&["push", "--quiet", "origin", &format!("refs/tags/{name}")]).await.map(|_| ())
    }

    /// The commit it is at.
    pub async fn head(&self) -> Result<String> {
        Ok(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    /// Runs Git in it.
    pub async fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut command = super::git();
        command.arg("-C").arg(self.path()).args(["-c", "push.default=current"]).args(arguments);
        process::run(command).await
    }
}
