//! Who may come in: people and programs, known by their tokens, which are read anew when their files change.
//!
//! No token is kept: only its digest, and keys derived from it. So a token that is changed ends every session that was
//! begun with it.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use hmac::{Hmac, KeyInit, Mac as _};
use runtime::config::{May, Operator as Configured, Watched};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::check;

/// A MAC keyed with something that follows from a token.
pub(crate) type Key = Hmac<Sha256>;

/// Everybody whom the configuration names.
pub(crate) struct Operators(Mutex<Vec<Known>>);

struct Known {
    name: String,
    may: May,
    token: Watched,
    keys: Option<Keys>,
}

#[derive(Clone)]
struct Keys {
    /// The token's digest: what a bearer of the same token has.
    digest: [u8; 32],
    session: Key,
    form: Key,
}

/// One of them, as the token is now.
#[derive(Clone)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) may: May,
    /// What sessions are sealed with.
    pub(crate) session: Key,
    /// What forms are sealed with.
    pub(crate) form: Key,
}

impl Operators {
    /// Looks at their tokens at once, so that a start says which of them let nobody in, and not only the first try.
    pub(crate) fn new(configured: &[Configured]) -> Self {
        let known = |operator: &Configured| Known {
            name: operator.name.clone(),
            may: operator.may,
            token: Watched::new(operator.token.clone()),
            keys: None,
        };
        let operators = Self(Mutex::new(configured.iter().map(known).collect()));
        operators.with(|_| ());
        operators
    }

    /// Whose token this is. Every token is compared, so that the time does not tell which it was; what two have is
    /// nobody's, because an order must say whose it is.
    pub(crate) fn by_token(&self, token: &str) -> Option<Operator> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.with(|all| {
            let is_theirs = |keys: &Keys| bool::from(keys.digest.ct_eq(&digest));
            let fitting: Vec<_> = all.iter().filter(|known| known.keys.as_ref().is_some_and(is_theirs)).collect();
            match fitting[..] {
                [one] => one.operator(),
                [] => None,
                [one, other, ..] => {
                    tracing::error!(
                        "`console.operators`: {} and {} have the same token; nobody is let in by it",
                        one.name,
                        other.name
                    );
                    None
                }
            }
        })
    }

    /// Who has this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<Operator> {
        self.with(|all| all.iter().find(|known| known.name == name).and_then(Known::operator))
    }

    fn with<T>(&self, ask: impl FnOnce(&[Known]) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().for_each(Known::refresh);
        ask(&all)
    }
}

impl Known {
    fn refresh(&mut self) {
        let Some(secret) = self.token.look() else { return };
        let keys = secret.and_then(|secret| Keys::of(secret.expose()));
        let (name, token) = (&self.name, self.token.reference());
        match &keys {
            Ok(_) => tracing::info!(operator = name, "the token {token} of {name} is read"),
            Err(error) => tracing::error!(operator = name, "the token {token} lets {name} not in: {error:#}"),
        }
        self.keys = keys.ok();
    }

    fn operator(&self) -> Option<Operator> {
        let Keys { session, form, .. } = self.keys.clone()?;
        Some(Operator { name: self.name.clone(), may: self.may, session, form })
    }
}

impl Keys {
    fn of(token: &str) -> Result<Self> {
        check::usable(token)?;
        let derived = |purpose: &[u8]| anyhow::Ok(key(&mac(&key(token.as_bytes())?, purpose))?);
        Ok(Self {
            digest: Sha256::digest(token).into(),
            session: derived(b"windlass console: session")?,
            form: derived(b"windlass console: form")?,
        })
    }
}

fn key(bytes: &[u8]) -> Result<Key, hmac::digest::InvalidLength> {
    Hmac::new_from_slice(bytes)
}

/// The MAC of a text.
pub(crate) fn mac(key: &Key, text: &[u8]) -> [u8; 32] {
    key.clone().chain_update(text).finalize().into_bytes().into()
}

/// Whether this is the MAC of the text, in hex; in constant time.
pub(crate) fn is_mac(key: &Key, text: &[u8], stated: &str) -> bool {
    hex::decode(stated).is_ok_and(|stated| key.clone().chain_update(text).verify_slice(&stated).is_ok())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    /// Operators with tokens in this folder: a file for each name.
    pub(crate) fn operators(folder: &Path, names: &[&str]) -> Operators {
        let one = |name: &&str| {
            let token = format!("file:{}", folder.join(name).display());
            serde_json::from_value(serde_json::json!({ "name": name, "token": token })).unwrap()
        };
        Operators::new(&names.iter().map(one).collect::<Vec<Configured>>())
    }

    pub(crate) fn token(folder: &Path, name: &str, token: &str) {
        // As secrets are rotated: another file in its place.
        std::fs::write(folder.join("new"), format!("{token}\n")).unwrap();
        std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }

    #[test]
    fn a_token_is_known_by_itself_and_only_as_long_as_it_is_one_s() {
        let folder = tempfile::tempdir().unwrap();
        let (alices, bobs) = ("alice-0123456789abcdef0123", "bob-0123456789abcdef012345");
        token(folder.path(), "alice", alices);
        let operators = operators(folder.path(), &["alice", "bob"]);
        let who = |token: &str| operators.by_token(token).map(|operator| operator.name);
        assert_eq!(who(alices).as_deref(), Some("alice"));
        for other in ["", "alice", &alices[..25], &format!("{alices} "), bobs] {
            assert_eq!(who(other), None, "{other:?}");
        }
        token(folder.path(), "bob", bobs);
        assert_eq!(who(bobs).as_deref(), Some("bob"));
        token(folder.path(), "alice", "another-0123456789abcdef01");
        assert_eq!((who(alices), who("another-0123456789abcdef01").as_deref()), (None, Some("alice")));
        token(folder.path(), "alice", bobs);
        assert_eq!(who(bobs), None);
        token(folder.path(), "alice", "short");
        assert_eq!((who("short"), who(bobs).as_deref()), (None, Some("bob")));
    }
}
