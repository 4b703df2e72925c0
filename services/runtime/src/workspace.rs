//! Folders to work in that are gone afterwards, with whatever still runs in them.
//!
//! Each is removed when it is dropped, so also when a run fails or is cancelled. One whose process was killed stays;
//! the next process on the same folder removes it, which it can tell by the lock that died with its owner.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tracing::{info, warn};

/// A folder of one's own.
pub struct Workspace {
    path: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl Workspace {
    /// A new, empty folder below this one.
    pub fn new(below: &Path) -> Result<Self> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let (path, lock) = (below.join(&name), below.join(format!("{name}.lock")));
        let made = File::create(&lock).and_then(|file| {
            file.try_lock()?;
            fs::create_dir(&path).map(|()| file)
        });
        let held = made.with_context(|| format!("making the workspace {}", path.display()))?;
        Ok(Self { path, lock, _held: held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        remove(&self.path, &self.lock);
    }
}

/// Removes what dead processes left below this folder. Call it when starting.
pub fn clean(below: &Path) -> Result<()> {
    let entries = fs::read_dir(below).with_context(|| format!("listing {}", below.display()))?;
    for lock in
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "lock"))
    {
        let Ok(file) = File::open(&lock) else { continue };
        if file.try_lock().is_ok() {
            info!("removes a workspace whose process is gone: {}", lock.with_extension("").display());
            remove(&lock.with_extension(""), &lock);
        }
    }
    Ok(())
}

/// The lock goes last: as long as it is there, a removal that was cut short is done again.
fn remove(path: &Path, lock: &Path) {
    end_inhabitants(path);
    let removed = match fs::remove_dir_all(path) {
        // A build may leave folders nobody may write to, and a process may have written while this removed.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        _ => Ok(()),
    };
    match removed {
        Ok(()) => drop(fs::remove_file(lock)),
        Err(error) => warn!(%error, "cannot remove the workspace {}: {error}", path.display()),
    }
}

/// Kills processes that work below this folder: children of a step that left its group, or of a worker that died.
fn end_inhabitants(path: &Path) {
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let lives_here = || fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(path));
        if let Some(pid) = pid.filter(|_| lives_here()) {
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
}

fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = path.symlink_metadata() else { return };
    if meta.is_dir() {
        let _best_effort = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        fs::read_dir(path).into_iter().flatten().flatten().for_each(|entry| open_up(&entry.path()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn it_is_gone_when_dropped_with_what_ran_in_it() {
        let below = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(below.path()).unwrap();
        fs::create_dir(workspace.path().join("sub")).unwrap();
        fs::set_permissions(workspace.path().join("sub"), std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
        let mut child =
            Command::new("sleep").arg("600").current_dir(workspace.path()).stdin(Stdio::null()).spawn().unwrap();
        drop(workspace);
        assert!(!child.wait().unwrap().success());
        assert_eq!(fs::read_dir(below.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_what_the_dead_left_is_cleaned() {
        let below = tempfile::tempdir().unwrap();
        let alive = Workspace::new(below.path()).unwrap();
        // What a killed process leaves: folder and lock file, and nobody who holds the lock.
        fs::create_dir(below.path().join("dead")).unwrap();
        fs::write(below.path().join("dead.lock"), "").unwrap();
        clean(below.path()).unwrap();
        assert!(alive.path().is_dir());
        assert!(!below.path().join("dead").exists() && !below.path().join("dead.lock").exists());
    }
}
