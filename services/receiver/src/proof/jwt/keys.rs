//! An identity provider's keys, kept at hand.
//!
//! Everybody looks first, and only who asks the provider holds a lock: a provider that hangs holds up nobody whose key
//! is known. One question is under way at a time, and the next comes no sooner than a pause later, so that tokens with
//! invented keys cannot flood the provider.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use super::{super::IssuerKeys, key::Jwk};

/// How long the provider may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the one who asks waits for the answer when his key is known, but old: most providers answer within that,
/// and then a key that was withdrawn is not believed once more.
const SOON: Duration = Duration::from_millis(500);
/// The largest key set, in bytes.
const LARGEST_SET: usize = 256 * 1024;

/// How long a provider's keys serve while it tells no others: a night, in which nobody mends it. Whoever withdraws all of
/// them at once is heeded after that.
pub(crate) const STALE: Duration = Duration::from_hours(12);

/// When keys are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long they are used before they are asked for again.
    pub(super) fresh: Duration,
    /// How long they are used while the provider does not answer, or tells none that could verify anything.
    pub(super) stale: Duration,
    /// The least time between two questions.
    pub(super) pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { fresh: Duration::from_hours(1), stale: STALE, pause: Duration::from_secs(30) }
    }
}

/// The keys of one provider.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    url: String,
    client: reqwest::Client,
    times: Times,
    known: RwLock<Known>,
    /// Held by who asks.
    turn: Arc<Mutex<()>>,
}

/// A provider's keys by their ids. Several may have the same, and those without any have the empty one.
type ById = BTreeMap<String, Vec<Jwk>>;

#[derive(Default)]
struct Known {
    by_id: ById,
    fetched: Option<Instant>,
    asked: Option<Instant>,
    /// Whether the last question was answered.
    answered: bool,
}

/// The provider was asked and did not answer, so nobody can say whether a key is its own.
#[derive(Debug)]
pub(super) struct Away;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    pub(super) fn new(url: String, client: reqwest::Client, times: Times) -> Self {
        Self(Arc::new(Inner { url, client, times, known: RwLock::default(), turn: Arc::default() }))
    }

    /// The keys of this id, as many as the provider has; mostly one, or none.
    pub(super) async fn find(&self, id: &str) -> Result<Vec<Jwk>, Away> {
        match self.0.age(id) {
            Some(age) if age < self.0.times.fresh => {}
            Some(age) if age < self.0.times.stale => {
                // Where somebody asks already, it goes on with what there is.
                if let Ok(turn) = Arc::clone(&self.0.turn).try_lock_owned() {
                    let _ = timeout(SOON, self.ask(turn)).await;
                }
            }
            _ => {
                let turn = Arc::clone(&self.0.turn).lock_owned().await;
                // While it waited for its turn, another may have brought the key.
                if self.0.age(id).is_none_or(|age| age >= self.0.times.fresh) {
                    self.ask(turn).await;
                }
            }
        }
        self.0.verdict(id)
    }

    /// The keys of this id once the provider was asked again, unless it was just now: those that are known verified
    /// nothing, and a provider may have another key under the same id.
    pub(super) async fn find_anew(&self, id: &str) -> Result<Vec<Jwk>, Away> {
        let since = Instant::now();
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        // While it waited for its turn, another may have asked.
        if self.0.fetched().is_none_or(|at| at < since) {
            self.ask(turn).await;
        }
        self.0.verdict(id)
    }

    /// How many the provider tells now, and how many of them could verify anything.
    pub(super) async fn count(&self) -> Result<IssuerKeys> {
        let told = self.0.ask().await?;
        let usable = told.iter().cloned().filter_map(read).filter(Jwk::is_usable).count();
        Ok(IssuerKeys { told: told.len(), usable })
    }

    /// Asks the provider, unless it was asked just now. Goes on by itself when nobody waits for it any more.
    async fn ask(&self, turn: OwnedMutexGuard<()>) {
        if !self.0.may_ask() {
            return;
        }
        let inner = Arc::clone(&self.0);
        let asking = tokio::spawn(async move {
            let answer = inner.fetch().await;
            inner.note(answer);
            drop(turn);
        });
        if let Err(error) = asking.await {
            tracing::error!("asking for the keys at `proof.jwt.jwks` did not end in good order: {error}");
        }
    }
}

impl Inner {
    /// How long ago the key of this id was fetched; `None` when it is not known.
    fn age(&self, id: &str) -> Option<Duration> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.fetched.filter(|_| known.by_id.contains_key(id)).map(|at| at.elapsed())
    }

    fn fetched(&self) -> Option<Instant> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).fetched
    }

    fn verdict(&self, id: &str) -> Result<Vec<Jwk>, Away> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let usable = known.fetched.is_some_and(|at| known.answered || at.elapsed() < self.times.stale);
        match known.by_id.get(id).filter(|_| usable) {
            Some(keys) => Ok(keys.clone()),
            None if known.answered => Ok(Vec::new()),
            None => Err(Away),
        }
    }

    /// Whether it is time for a question; if so, it counts as put.
    fn may_ask(&self) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let may = known.asked.is_none_or(|at| at.elapsed() >= self.times.pause);
        if may {
            known.asked = Some(Instant::now());
        }
        may
    }

    fn note(&self, answer: Result<ById>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.answered = answer.is_ok();
        match answer {
            Ok(by_id) => (known.by_id, known.fetched) = (by_id, Some(Instant::now())),
            // The keys we have are as good as before, for a while.
            Err(error) => tracing::warn!(
                "the keys at `proof.jwt.jwks` are not to be had: {error:#}; those it told last serve for {:?}",
                self.times.stale
            ),
        }
    }

    async fn fetch(&self) -> Result<ById> {
        let told = self.ask().await?;
        let count = told.len();
        let mut by_id = ById::new();
        // Keys of other kinds may stand among them.
        for key in told.into_iter().filter_map(read).filter(Jwk::is_usable) {
            by_id.entry(key.kid.clone()).or_default().push(key);
        }
        if by_id.is_empty() {
            // A provider has keys: one that tells none is being set up anew, or is none. Believed, nobody would be known.
            bail!("of the {count} keys it tells none verifies a token");
        }
        Ok(by_id)
    }

    async fn ask(&self) -> Result<Vec<serde_json::Value>> {
        let answer = self.client.get(&self.url).timeout(ANSWER).send().await;
        let answer = answer.map_err(runtime::http::HttpError::from)?;
        if !answer.status().is_success() {
            bail!("it answered {}", answer.status());
        }
        let body = runtime::http::read_bounded(answer, LARGEST_SET).await?;
        let set: KeySet = serde_json::from_slice(&body).context("it is no JSON Web Key Set")?;
        Ok(set.keys)
    }
}

fn read(key: serde_json::Value) -> Option<Jwk> {
    serde_json::from_value(key).ok()
}
