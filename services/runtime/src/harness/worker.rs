//! What a worker is, and what it may answer.

use std::time::Duration;

use ledger::Kept;
use proto::{Data, Event, EventId, WorkerName};
use tokio::sync::OwnedMutexGuard;

use crate::{Config, programs::Needed};

/// One kind of work. Every effect of `handle` has a natural key and is a no-op the second time: a run is repeated
/// when a process died between the effect and the note that it is done.
pub trait Worker: Send + Sync + 'static {
    /// Whose queue it takes from.
    const NAME: WorkerName;

    /// The programs it runs, as this configuration asks for them; none unless said.
    fn programs(_config: &Config) -> Vec<Needed> {
        Vec::new()
    }

    /// Handles one event. Cancelled (dropped) when it outlives its deadline or loses its claim.
    fn handle(&self, event: &Event) -> impl Future<Output = Result<Outcomes, Failure>> + Send;
}

/// What came of an event. A red build is an outcome.
#[derive(Debug, Default)]
pub struct Outcomes {
    list: Vec<Outcome>,
    chain: Option<EventId>,
    kept: Option<Kept>,
    /// Held until they are durable.
    turn: Option<OwnedMutexGuard<()>>,
}

/// One outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An event to publish; its id is derived from its cause, its type, its app and this subject.
    Event {
        /// What it is about, unique within the cause, the type and the app.
        subject: String,
        /// What happened.
        data: Box<Data>,
    },
    /// Rightly nothing, and why; published as `event.ignored`.
    Ignored {
        /// Why, and what would have to be different.
        reason: String,
    },
}

impl Outcomes {
    /// Nothing worth telling.
    pub fn none() -> Self {
        Self::default()
    }

    /// One event.
    pub fn one(subject: impl Into<String>, data: impl Into<Data>) -> Self {
        Self::none().and(subject, data)
    }

    /// Rightly nothing, and why.
    pub fn ignored(reason: impl Into<String>) -> Self {
        Self { list: vec![Outcome::Ignored { reason: reason.into() }], ..Self::default() }
    }

    /// One event more.
    #[must_use]
    pub fn and(mut self, subject: impl Into<String>, data: impl Into<Data>) -> Self {
        self.list.push(Outcome::Event { subject: subject.into(), data: Box::new(data.into()) });
        self
    }

    /// These as well.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.list.extend(others.list);
        self.chain = others.chain.or(self.chain);
        self.kept = others.kept.or(self.kept);
        self.turn = others.turn.or(self.turn);
        self
    }

    /// They belong to the chain of this correlation, and not to their cause's: an answer belongs to what it answers.
    #[must_use]
    pub fn joining(mut self, chain: EventId) -> Self {
        self.chain = Some(chain);
        self
    }

    /// The correlation of the chain they belong to, where it is not their cause's.
    pub fn chain(&self) -> Option<EventId> {
        self.chain
    }

    /// What the run leaves for the next of its kind, durable together with these. The next one that builds on it waits
    /// for the turn, which ends when they are.
    #[must_use]
    pub fn keeping(mut self, kept: Kept, turn: OwnedMutexGuard<()>) -> Self {
        (self.kept, self.turn) = (Some(kept), Some(turn));
        self
    }

    /// What the run leaves for the next of its kind.
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Outcome> {
        self.list.iter()
    }
}

/// Why an event could not be handled: our own infrastructure failed, not the user's build.
#[derive(Debug)]
pub enum Failure {
    /// It may go well another time: the network, a server that answers 503.
    Transient(anyhow::Error),
    /// It never will, until somebody mends something: a missing program, wrong credentials.
    Permanent(anyhow::Error),
    /// Its time has not come; no attempt is spent.
    NotYet {
        /// How long to wait before asking again.
        after: Duration,
        /// For what.
        reason: String,
    },
}

impl Failure {
    /// A transient failure in words.
    pub fn transient(what: impl std::fmt::Display) -> Self {
        Self::Transient(anyhow::anyhow!("{what}"))
    }

    /// A permanent failure in words.
    pub fn permanent(what: impl std::fmt::Display) -> Self {
        Self::Permanent(anyhow::anyhow!("{what}"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transient(error) | Self::Permanent(error) => write!(f, "{error:#}"),
            Self::NotYet { reason, .. } => f.write_str(reason),
        }
    }
}

/// Errors are transient unless a worker says otherwise: trying again is cheap, giving up is not.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Transient(error)
    }
}
