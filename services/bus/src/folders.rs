//! Folders that outlive a power cut: a file that is synced goes with a folder whose name is not on the disk.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Makes the folder and those above it that are missing, and syncs each folder in which one was made; says which.
pub fn make(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|above| !is_there(above)).collect();
    std::fs::create_dir_all(folder)?;
    let sync = |made: &Path| {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(above)?.sync_all()?;
        Ok(above.to_owned())
    };
    missing.into_iter().map(sync).collect()
}

/// The last ancestor of a relative path is empty, and means the folder we are in.
fn is_there(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || folder.exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_folder_that_gets_another_is_synced() {
        let root = std::env::temp_dir().join(format!("windlass-folders-{}", uuid::Uuid::new_v4()));
        let deep = root.join("data/spool");
        let synced = make(&deep).unwrap();
        assert_eq!(synced, [root.join("data"), root.clone(), std::env::temp_dir()]);
        assert!(deep.is_dir());
        assert!(make(&deep).unwrap().is_empty(), "nothing was made");
        std::fs::write(root.join("file"), "").unwrap();
        assert!(make(&root.join("file/below")).is_err());
        std::fs::remove_dir_all(root).unwrap();
    }
}
