//! A temporary folder for one server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A folder that is removed when dropped.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// Makes one. Its name is short, because sockets in it have little room for a path.
    pub fn new(prefix: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix(&format!("{prefix}-")).tempdir();
        Ok(Self { dir: dir.context("cannot make a temporary folder")? })
    }

    /// Lets other users look inside, for servers that run as one.
    pub fn open_to_all(&self) -> Result<()> {
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot change the mode of {}", self.path().display()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Something in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file into it and returns where it is.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Makes a folder in it and returns where it is.
    pub fn make(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}
