//! Paths in a checkout that stay in it, wherever its symlinks lead.

use std::path::{Path, PathBuf};

/// Where the path leads, if that is in the checkout; otherwise why not, for whoever wrote the commit.
pub(crate) fn resolve(checkout: &Path, path: &str) -> Result<PathBuf, String> {
    let root = checkout.canonicalize().map_err(|why| format!("the checkout cannot be read: {why}"))?;
    let real = root.join(path).canonicalize().map_err(|_| format!("there is no `{path}` in this commit"))?;
    let is_git = real.strip_prefix(&root).is_ok_and(|inside| inside.starts_with(".git"));
    if real.starts_with(&root) && !is_git {
        return Ok(real);
    }
    Err(format!("`{path}` leads out of the repository; a symlink in this commit points elsewhere"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_may_lead_about_but_not_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("checkout");
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::create_dir_all(root.join(".git")).unwrap();
        std::fs::write(root.join("a/Dockerfile"), "x").unwrap();
        symlink("a/Dockerfile", root.join("within")).unwrap();
        symlink("/etc/passwd", root.join("absolute")).unwrap();
        symlink("../..", root.join("a/up")).unwrap();
        symlink(".git", root.join("sly")).unwrap();
        let real = root.canonicalize().unwrap();
        assert_eq!(resolve(&root, "within"), Ok(real.join("a/Dockerfile")));
        assert_eq!(resolve(&root, ""), Ok(real));
        for bad in ["absolute", "a/up", "a/up/checkout/../x", "../checkout-2", "/etc/passwd", "sly"] {
            assert!(resolve(&root, bad).is_err(), "{bad}");
        }
        assert!(resolve(&root, "none").unwrap_err().contains("no `none` in this commit"));
    }
}
