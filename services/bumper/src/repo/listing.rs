//! What Git prints of trees and blobs, read into a [`Tree`].

use std::sync::Arc;

use crate::tree::{Entry, IN_LFS, LARGEST_FILE, Tree, is_yaml};

/// How the file begins that Git LFS leaves in Git in place of another (its specification, "The Pointer").
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// One line of `git ls-tree -l -z`: `<mode> <type> <object> <size>\t<path>`.
pub(super) struct Listed {
    pub(super) mode: String,
    pub(super) object: String,
    size: Option<u64>,
    pub(super) path: String,
    is_utf8: bool,
}

/// Reads a listing; `None` when it is not one.
pub(super) fn entries(output: &[u8]) -> Option<Vec<Listed>> {
    output.split(|b| *b == 0).filter(|record| !record.is_empty()).map(entry).collect()
}

fn entry(record: &[u8]) -> Option<Listed> {
    let tab = record.iter().position(|b| *b == b'\t')?;
    let head = std::str::from_utf8(&record[..tab]).ok()?;
    let mut words = head.split_ascii_whitespace();
    let (mode, _, object, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let path = &record[tab + 1..];
    Some(Listed {
        mode: mode.to_owned(),
        object: object.to_owned(),
        size: size.parse().ok(),
        path: String::from_utf8_lossy(path).into_owned(),
        is_utf8: std::str::from_utf8(path).is_ok(),
    })
}

impl Listed {
    /// What it is without being read; `None` for a file that is to be read.
    pub(super) fn unread(&self, asked: &[&str]) -> Option<Entry> {
        match (self.mode.as_str(), self.size) {
            ("120000", _) => Some(Entry::Elsewhere("symbolic link")),
            ("160000", _) => Some(Entry::Elsewhere("submodule")),
            _ if !self.is_utf8 => Some(Entry::Elsewhere("file whose name is not UTF-8")),
            (_, Some(size)) if size > LARGEST_FILE => Some(Entry::TooLarge(size)),
            _ if is_yaml(&self.path) || asked.contains(&self.path.as_str()) => None,
            _ => Some(Entry::Other),
        }
    }

    /// The bytes `git cat-file --batch` takes and gives for it, at most.
    pub(super) fn cost(&self) -> usize {
        usize::try_from(self.size.unwrap_or(0)).unwrap_or(usize::MAX).saturating_add(128)
    }
}

/// Reads the answers of `git cat-file --batch`, which come in the order of the questions: `<object> blob <size>\n<bytes>\n`.
pub(super) fn read_blobs(listed: Vec<Listed>, mut output: &[u8], tree: &mut Tree) -> Option<()> {
    for file in listed {
        let end = output.iter().position(|b| *b == b'\n')?;
        let head = std::str::from_utf8(&output[..end]).ok()?;
        let size: usize = head.strip_prefix(&format!("{} blob ", file.object))?.parse().ok()?;
        let (bytes, rest) = output[end + 1..].split_at_checked(size)?;
        let bytes: Arc<[u8]> = bytes.into();
        output = rest.strip_prefix(b"\n")?;
        let is_pointer = bytes.starts_with(LFS_POINTER);
        let entry = if is_pointer { Entry::Elsewhere(IN_LFS) } else { Entry::File { mode: file.mode, bytes } };
        tree.0.insert(file.path, entry);
    }
    Some(())
}
