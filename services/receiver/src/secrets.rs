//! The secrets of one source, ready to verify with, read anew when their files change.
//!
//! Checked at every request, so that a rotation needs no restart and no waiting: a look at a file's metadata costs a
//! microsecond. No value of a secret leaves this module but as a key.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError},
};

use hmac::{Hmac, KeyInit};
use runtime::SecretRef;
use sha2::{Digest, Sha256};

/// One secret, prepared for both ways it may be used.
#[derive(Clone)]
pub(crate) struct Key {
    /// A MAC keyed with it, at the start of a message.
    pub(crate) mac: Hmac<Sha256>,
    /// Its digest: what a bearer of the same secret has.
    pub(crate) digest: [u8; 32],
}

/// The secrets of one source.
pub(crate) struct Secrets {
    cache: Mutex<Cache>,
}

struct Cache {
    slots: Vec<Slot>,
    keys: Arc<[Key]>,
}

struct Slot {
    reference: SecretRef,
    seen: Option<Stamp>,
    key: Option<Key>,
}

/// What changes when a secret does. A changed file has another inode, size or time; `ctime` covers permissions too.
#[derive(Clone, Copy, PartialEq, Eq)]
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

impl Secrets {
    pub(crate) fn new(references: &[SecretRef]) -> Self {
        let slot = |reference: &SecretRef| Slot { reference: reference.clone(), seen: None, key: None };
        let slots = references.iter().map(slot).collect();
        Self { cache: Mutex::new(Cache { slots, keys: Arc::new([]) }) }
    }

    /// Every key that is valid now; none when no secret can be read.
    pub(crate) fn keys(&self) -> Arc<[Key]> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        // Every slot is looked at, hence no `any`.
        if cache.slots.iter_mut().filter_map(Slot::refresh).count() > 0 {
            cache.keys = cache.slots.iter().filter_map(|slot| slot.key.clone()).collect();
        }
        Arc::clone(&cache.keys)
    }
}

/// The slot has another key now, or none.
struct Changed;

impl Slot {
    fn refresh(&mut self) -> Option<Changed> {
        let now = Stamp::of(&self.reference);
        if self.seen == Some(now) {
            return None;
        }
        self.seen = Some(now);
        self.key = match self.reference.read() {
            Ok(secret) => {
                tracing::info!(secret = %self.reference, "the secret {} is read", self.reference);
                Key::new(secret.expose().as_bytes())
            }
            Err(error) => {
                tracing::error!(secret = %self.reference, "the secret {} verifies nobody: {error:#}", self.reference);
                None
            }
        };
        Some(Changed)
    }
}

impl Key {
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        // HMAC takes keys of any length; the trait's error is for other MACs.
        let mac = Hmac::new_from_slice(secret).ok()?;
        Some(Self { mac, digest: Sha256::digest(secret).into() })
    }
}

impl Stamp {
    fn of(reference: &SecretRef) -> Self {
        match reference {
            SecretRef::Env(_) => Self::Environment,
            SecretRef::File(path) => std::fs::metadata(path).map_or(Self::Absent, |metadata| Self::of_file(&metadata)),
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
