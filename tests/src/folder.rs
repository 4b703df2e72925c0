//! A temporary folder for one server.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Removes every folder it was told of once our end of its standard input closes, which our death does too.
const GUARD: &str = r#"while IFS= read -r folder; do set -- "$@" "$folder"; done; rm -rf -- "$@""#;

/// The guard of this process.
static TOLD: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// A folder that is removed when dropped, or when this process ends without dropping it.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// Makes one. Its name is short, because sockets in it have little room for a path.
    pub fn new(prefix: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix(&format!("{prefix}-")).tempdir();
        let dir = dir.context("cannot make a temporary folder")?;
        tell_guard(dir.path()).context("cannot start the guard of temporary folders, /bin/sh")?;
        Ok(Self { dir })
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

fn tell_guard(path: &Path) -> std::io::Result<()> {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_none() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "guard"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, or an interrupt from the keyboard would end it together with us.
        *told = command.process_group(0).spawn()?.stdin;
    }
    match told.as_mut() {
        Some(guard) => guard.write_all(&[path.as_os_str().as_bytes(), b"\n"].concat()),
        None => Ok(()),
    }
}
