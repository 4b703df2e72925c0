//! Where clones are kept, and how one is thrown away, whatever lies in its place.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

/// The folder of a clone below this one. Only a place for a cache: should the hash change with the compiler, a new clone
/// is all it costs.
pub(crate) fn place(below: &Path, key: impl Hash) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    below.join(format!("{:016x}.git", hasher.finish()))
}

/// Removes a clone, or a file that took its place; none there is removed already.
///
/// # Errors
/// In words, with the folder.
pub(crate) async fn remove(folder: &Path) -> Result<(), String> {
    let removed = match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => tokio::fs::remove_file(folder).await,
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("removing the damaged clone {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}
