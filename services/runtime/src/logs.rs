//! Where the outputs of programs are written down: `<app>/<commit>/<what>.log` below the log folder.

use std::path::{Path, PathBuf};

use proto::Change;

/// The log of one program.
pub struct Log {
    /// Below the log folder, as reports name it.
    pub relative: String,
    /// In the file system.
    pub path: PathBuf,
}

/// The log of this step of this commit; empty, when it was run before.
pub fn of(logs: &Path, change: &Change, what: &str) -> Log {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = what.chars().map(safe).take(100).collect();
    let relative = format!("{}/{}/{name}.log", change.app, change.commit.short());
    let path = logs.join(&relative);
    // It is appended to from now on; what a run before this one wrote would only confuse.
    let _there_or_not = std::fs::remove_file(&path);
    Log { relative, path }
}
