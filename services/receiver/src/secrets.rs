//! The secrets of one source, ready to verify with, read anew when their files change.
//!
//! Checked at every request, so that a rotation needs no restart and no waiting: a look at a file's metadata costs a
//! microsecond. No value of a secret leaves this module but as a key.

mod form;

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use runtime::{Secret, SecretRef, config::Proof};
use sha2::{Digest, Sha256};

use crate::proof::Mac;
pub(crate) use form::Form;

/// How often a file that is not there is looked for before it counts as absent. Kubernetes moves a link and removes
/// the folder that it led to, so who looks in between may find nothing, once.
const LOOKS: usize = 3;

/// One secret, prepared for both ways it may be used.
#[derive(Clone)]
pub(crate) struct Key {
    /// Where the secret is; never what it is.
    pub(crate) reference: String,
    /// A MAC keyed with it, at the start of a message.
    pub(crate) mac: Mac,
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
    form: Form,
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
    /// Looks at them at once, so that a start says which of them can prove nothing, and not only the first webhook.
    pub(crate) fn new(references: &[SecretRef], proof: &Proof) -> Self {
        let form = Form::of(proof);
        let slot = |reference: &SecretRef| Slot { reference: reference.clone(), form, seen: None, key: None };
        let slots = references.iter().map(slot).collect();
        let secrets = Self { cache: Mutex::new(Cache { slots, keys: Arc::new([]) }) };
        secrets.keys();
        secrets
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
        let (now, secret) = self.read(now);
        self.seen = Some(now);
        let key = secret.and_then(|secret| Key::new(&self.reference.to_string(), secret.expose(), self.form));
        let secret = &self.reference;
        match &key {
            Ok(_) => tracing::info!(%secret, "the secret {secret} is read"),
            Err(error) => tracing::error!(%secret, "the secret {secret} verifies nobody: {error:#}"),
        }
        self.key = key.ok();
        Some(Changed)
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

/// A secret as it is now, ready to verify with.
pub(crate) fn read(reference: &SecretRef, proof: &Proof) -> Result<Key> {
    Key::new(&reference.to_string(), reference.read()?.expose(), Form::of(proof))
}

impl Key {
    /// A key of this text. Fails when the text does not have the form, or can prove nothing; the error does not repeat it.
    pub(crate) fn new(reference: &str, secret: &str, form: Form) -> Result<Self> {
        Ok(Self { reference: reference.to_owned(), mac: form.mac(secret)?, digest: Sha256::digest(secret).into() })
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
