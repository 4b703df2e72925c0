//! A secret that is read anew when its file has changed, so that a rotation needs no restart and no waiting: a look at
//! a file's metadata costs a microsecond.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use anyhow::Result;

use super::{Secret, SecretRef};

/// How often a file that is not there is looked for before it counts as absent. Kubernetes moves a link and removes
/// the folder that it led to, so who looks in between may find nothing, once.
const LOOKS: usize = 3;

/// A secret, and what it looked like when it was last read.
#[derive(Debug)]
pub struct Watched {
    reference: SecretRef,
    seen: Option<Stamp>,
}

/// What changes when a secret does. A changed file has another inode, size or time; `ctime` covers permissions too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// The environment of a running process does not change.
    Environment,
    File {
        inode: (u64, u64),
        length: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
    Absent,
}

impl Watched {
    /// One that was not looked at yet.
    pub fn new(reference: SecretRef) -> Self {
        Self { reference, seen: None }
    }

    /// Where it is.
    pub fn reference(&self) -> &SecretRef {
        &self.reference
    }

    /// The secret, or why there is none, if that may be another than at the last look.
    pub fn look(&mut self) -> Option<Result<Secret>> {
        let now = Stamp::of(&self.reference);
        if self.seen == Some(now) {
            return None;
        }
        let (seen, secret) = self.read(now);
        self.seen = Some(seen);
        Some(secret)
    }

    /// The secret, and what it looked like before it was read: what changed since is seen at the next look. One that
    /// could not be read, and looks different by then, was caught in the middle of a rotation.
    fn read(&self, mut seen: Stamp) -> (Stamp, Result<Secret>) {
        for _ in 0..LOOKS {
            let secret = self.reference.read();
            let now = Stamp::of(&self.reference);
            if secret.is_ok() || now == seen {
                return (seen, secret);
            }
            seen = now;
        }
        (seen, self.reference.read())
    }
}

impl Stamp {
    fn of(reference: &SecretRef) -> Self {
        match reference {
            SecretRef::Env(_) => Self::Environment,
            // On its way through links that are being moved, a look may lead to a folder that goes at that moment.
            SecretRef::File(path) => {
                let look = |_| std::fs::metadata(path).ok().map(|metadata| Self::of_file(&metadata));
                (0..LOOKS).find_map(look).unwrap_or(Self::Absent)
            }
        }
    }

    fn of_file(metadata: &Metadata) -> Self {
        Self::File {
            inode: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
