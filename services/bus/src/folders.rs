//! Folders that outlive a power cut: a file that is synced goes with a folder whose name is not on the disk.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Makes the folder and those above it that are missing, and syncs all that have one of these in them; says which. Those
/// that were there may have been made by one who was killed before he synced them.
///
/// # Errors
/// Where the folder cannot be made, or one above it in which one was made cannot be synced. Others are synced as far as
/// they can be: some must not be read, and some file systems sync no folders.
pub fn make(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = folder.ancestors().take_while(|above| !is_there(above)).count();
    std::fs::create_dir_all(folder)?;
    let mut synced = Vec::new();
    for (place, made) in folder.ancestors().filter(|made| made.file_name().is_some()).enumerate() {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match File::open(above).and_then(|above| above.sync_all()) {
            Ok(()) => synced.push(above.to_owned()),
            Err(error) if place < missing => return Err(error),
            Err(_) => {}
        }
    }
    Ok(synced)
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
        assert_eq!(synced[..3], [root.join("data"), root.clone(), std::env::temp_dir()]);
        assert!(deep.is_dir());
        assert_eq!(make(&deep).unwrap(), synced, "who made them may have been killed before they were synced");
        std::fs::write(root.join("file"), "").unwrap();
        assert!(make(&root.join("file/below")).is_err());
        std::fs::remove_dir_all(root).unwrap();
    }
}
