//! A file that cannot be read any more: it is put out of the way as it is, for somebody to look into.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::ErrorCode;

use super::store::{self, Consuming};
use crate::BusError;

/// Between the file's name and the time at which it was put out of the way.
const MARK: &str = ".damaged-";
/// The file's companions, and itself, in the order they are moved: a log that stayed would be read into the next file.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];

/// A file that was put out of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Where it is now.
    pub path: PathBuf,
    /// What SQLite says is wrong with it.
    pub why: String,
}

/// Reads the file through, and puts it out of the way if it is damaged. Nobody consumes from it meanwhile.
pub(super) fn set_aside(path: &Path) -> Result<Option<Damaged>, BusError> {
    if !path.exists() {
        return Ok(None);
    }
    let consuming = Consuming::begin(path)?;
    let why = match store::check(path) {
        Ok(None) => return Ok(None),
        Ok(Some(why)) => why,
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => error.to_string(),
            _ => return Err(store::on_open(path, &error)),
        },
    };
    let moved = move_away(path).map_err(|error| {
        BusError::Unusable(format!(
            "{} is damaged ({why}) and cannot be put out of the way: {error}; move it away, and start again",
            path.display()
        ))
    })?;
    // Of the next file nothing has been given out.
    consuming.note_given_out(0);
    Ok(Some(Damaged { path: moved, why }))
}

fn move_away(path: &Path) -> io::Result<PathBuf> {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    let to = with(path, &format!("{MARK}{time}"));
    for part in PARTS {
        match fs::rename(with(path, part), with(&to, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound || part.is_empty() => return Err(error),
            _ => {}
        }
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(to)
}

/// Those that were put out of the way and lie beside the file still, the oldest first.
pub(super) fn beside(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let begin = format!("{}{MARK}", name.to_string_lossy());
    let is_one = |name: &str| name.starts_with(&begin) && PARTS[..2].iter().all(|part| !name.ends_with(part));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter(|entry| is_one(&entry.file_name().to_string_lossy())).collect();
    found.sort_by_key(fs::DirEntry::file_name);
    found.into_iter().map(|entry| entry.path()).collect()
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
