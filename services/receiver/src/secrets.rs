//! The secrets of one source, ready to verify with, read anew when their files change.
//!
//! Checked at every request, so that a rotation needs no restart and no waiting: a look at a file's metadata costs a
//! microsecond. No value of a secret leaves this module but as a key.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use runtime::{
    SecretRef,
    config::{HmacAlgorithm, Proof},
};
use sha2::{Digest, Sha256};

use crate::proof::Mac;

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
    pub(crate) fn new(references: &[SecretRef], proof: &Proof) -> Self {
        let form = match proof {
            Proof::Hmac(hmac) => Form::Plain(hmac.algorithm),
            Proof::StandardWebhooks => Form::Base64,
            _ => Form::Plain(HmacAlgorithm::Sha256),
        };
        let slot = |reference: &SecretRef| Slot { reference: reference.clone(), form, seen: None, key: None };
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
                let key = Key::new(&self.reference.to_string(), secret.expose(), self.form);
                if key.is_none() {
                    let secret = &self.reference;
                    tracing::error!(%secret, "the secret {secret} verifies nobody: it must be base64, after `whsec_` or alone");
                }
                key
            }
            Err(error) => {
                tracing::error!(secret = %self.reference, "the secret {} verifies nobody: {error:#}", self.reference);
                None
            }
        };
        Some(Changed)
    }
}

/// What a secret's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The key itself, for this MAC.
    Plain(HmacAlgorithm),
    /// The key in base64, perhaps after `whsec_` (Standard Webhooks 1.0.0).
    Base64,
}

impl Key {
    pub(crate) fn new(reference: &str, secret: &str, form: Form) -> Option<Self> {
        let mac = match form {
            Form::Plain(algorithm) => Mac::new(algorithm, secret.as_bytes()),
            Form::Base64 => {
                let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
                Mac::new(HmacAlgorithm::Sha256, &key)
            }
        }?;
        Some(Self { reference: reference.to_owned(), mac, digest: Sha256::digest(secret).into() })
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
