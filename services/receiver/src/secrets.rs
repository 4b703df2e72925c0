//! The secrets of one source, ready to verify with, read anew when their files change.
//!
//! Looked at with every request. No value of a secret leaves this module but as a key.

mod form;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use runtime::{
    SecretRef,
    config::{Proof, Watched},
};
use sha2::{Digest, Sha256};

use crate::proof::Mac;
pub(crate) use form::Form;

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
    secret: Watched,
    form: Form,
    key: Option<Key>,
}

impl Secrets {
    /// Looks at them at once, so that a start says which of them can prove nothing, and not only the first webhook.
    pub(crate) fn new(references: &[SecretRef], proof: &Proof) -> Self {
        let form = Form::of(proof);
        let slot = |reference: &SecretRef| Slot { secret: Watched::new(reference.clone()), form, key: None };
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
        let secret = self.secret.look()?;
        let reference = self.secret.reference();
        let key = secret.and_then(|secret| Key::new(&reference.to_string(), secret.expose(), self.form));
        match &key {
            Ok(_) => tracing::info!(secret = %reference, "the secret {reference} is read"),
            Err(error) => tracing::error!(secret = %reference, "the secret {reference} verifies nobody: {error:#}"),
        }
        self.key = key.ok();
        Some(Changed)
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
