//! The one place where something is ordered: what pages and programs ask for alike, by whom they are known to be.

use std::time::Duration;

use bus::BusError;
use ledger::{Outline, Recorded, StoredDeadLetter};
use operate::{
    Beginning, OperateError, find,
    order::{self, Order, Word},
    replay,
};
use proto::{AppName, EnvironmentName, EventId, WorkerName};

use crate::{desk::Desk, fault::Fault, operators::Operator};

/// The source of what is ordered here.
const SOURCE: &str = "/operators/console";
/// How long looking up what an order names may take.
const FOUND: Duration = Duration::from_secs(10);
/// The most letters that are replayed at once.
pub(crate) const MOST_LETTERS: usize = 100;
/// The pause between two letters, so that what they wake is not woken all at once.
const PAUSE: Duration = Duration::from_millis(20);

/// What is ordered.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// That a release goes where it waits to go, or does not.
    Answer { approval: Beginning, granted: bool, comment: Option<String> },
    /// That nothing automatic happens in an environment, or may again.
    Hold { app: AppName, environment: EnvironmentName, held: bool, reason: String },
    /// That an environment is taken back.
    Rollback { app: AppName, environment: EnvironmentName, to: Option<String>, reason: String },
    /// That a digest may be deployed again.
    Release { app: AppName, digest: Beginning, reason: String },
    /// That a fix need not come back.
    Settle { app: AppName, commit: Beginning, reason: String },
}

/// What may be ordered of an environment: the last word of its path, for people and for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfEnvironment {
    Hold,
    Unhold,
    Rollback,
}

impl OfEnvironment {
    /// Each by its word.
    pub(crate) const WORDS: [(&str, Self); 3] =
        [("hold", Self::Hold), ("unhold", Self::Unhold), ("rollback", Self::Rollback)];

    /// By its word.
    pub(crate) fn named(word: &str) -> Result<Self, Fault> {
        let named = Self::WORDS.into_iter().find(|(known, _)| *known == word);
        named.map(|(_, order)| order).ok_or(Fault::NoSuchPage)
    }

    /// The order. `to` belongs to a rollback alone: whoever says it of another means something else.
    pub(crate) fn asked(
        self,
        app: AppName,
        environment: EnvironmentName,
        reason: String,
        to: Option<String>,
    ) -> Result<Asked, Fault> {
        match self {
            Self::Rollback => Ok(Asked::Rollback { app, environment, to, reason }),
            _ if to.is_some() => Err(Fault::Invalid("`to` belongs to a rollback".to_owned())),
            held => Ok(Asked::Hold { app, environment, held: held == Self::Hold, reason }),
        }
    }
}

impl Asked {
    fn name(&self) -> &'static str {
        match self {
            Self::Answer { granted: true, .. } => "approve",
            Self::Answer { .. } => "reject",
            Self::Hold { held: true, .. } => "hold",
            Self::Hold { .. } => "unhold",
            Self::Rollback { .. } => "rollback",
            Self::Release { .. } => "release",
            Self::Settle { .. } => "settle",
        }
    }
}

impl Desk {
    /// Orders it, and tells the event that was published. What is sent twice under one key is ordered once.
    pub(crate) async fn order(&self, by: &Operator, asked: Asked, key: Option<&str>) -> Result<EventId, Fault> {
        let name = asked.name();
        let order = within(self.find(by, asked)).await?;
        let id = key.map_or_else(EventId::fresh, |key| order.id(key));
        let event = order.into_event(SOURCE, id);
        self.confirmed(order::publish(&self.bus, &event)).await?;
        tracing::info!(event = %event.id, operator = by.name, "{} ordered: {name} ({})", by.name, event.id);
        self.metrics.ordered(name);
        Ok(event.id)
    }

    async fn find(&self, by: &Operator, asked: Asked) -> Result<Order, Fault> {
        let word = |reason: String| Word::new(&by.name, &reason);
        Ok(match asked {
            Asked::Answer { approval, granted, comment } => {
                order::answer(&self.ledger, &approval, granted, by.name.clone(), comment).await?
            }
            Asked::Hold { app, environment, held, reason } => {
                order::hold(&self.config, app, environment, held, word(reason)?)?
            }
            Asked::Rollback { app, environment, mut to, reason } => {
                find::environment(&self.config, &app, &environment)?;
                if let Some(to) = &mut to {
                    *to = find::restorable(&self.ledger, &app, &environment, to).await?;
                }
                order::rollback(&self.config, app, environment, to, word(reason)?)?
            }
            Asked::Release { app, digest, reason } => order::release(&self.ledger, app, &digest, word(reason)?).await?,
            Asked::Settle { app, commit, reason } => order::settle(&self.ledger, app, &commit, word(reason)?).await?,
        })
    }

    /// Sends an event on its way again, unless somebody has since its replays were counted.
    pub(crate) async fn replay_event(
        &self,
        by: &Operator,
        recorded: &Recorded,
        worker: Option<WorkerName>,
        counted: Option<u32>,
    ) -> Result<(), Fault> {
        if counted.is_some_and(|counted| replay::times(&recorded.message) > counted) {
            return Ok(());
        }
        replay::event(&self.bus, &self.ledger, recorded, worker, &by.name).await?;
        let (id, target) = (recorded.message.attribute("id"), replay::target(worker));
        tracing::info!(event = id, operator = by.name, "{} replayed event {id} to {target}", by.name);
        self.metrics.ordered("replay_event");
        Ok(())
    }

    /// Sends dead letters to their workers again, the oldest first.
    pub(crate) async fn replay_letters(
        &self,
        by: &Operator,
        letters: &[StoredDeadLetter<Outline>],
    ) -> Result<(), Fault> {
        for (n, letter) in letters.iter().enumerate() {
            if n > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let replayed = replay::letter(&self.bus, &self.ledger, letter, &by.name).await;
            replayed.map_err(|error| match error.into() {
                Fault::NotOrdered(why) => {
                    Fault::NotOrdered(format!("{why}; of {} dead letters {n} were replayed before", letters.len()))
                }
                other => other,
            })?;
            tracing::info!(letter = %letter.id, operator = by.name, "{} replayed dead letter {}", by.name, letter.id);
            self.metrics.ordered("replay_letter");
        }
        Ok(())
    }

    /// The dead letters with these ids, or beginnings of them; the oldest first, as they would have been handled.
    pub(crate) async fn letters(&self, ids: &[Beginning]) -> Result<Vec<StoredDeadLetter<Outline>>, Fault> {
        if ids.is_empty() {
            return Err(Fault::Invalid("`id`: choose at least one dead letter".to_owned()));
        }
        if ids.len() > MOST_LETTERS {
            return Err(Fault::Invalid(format!("`id`: at most {MOST_LETTERS} dead letters are replayed at once")));
        }
        let mut letters = Vec::new();
        for id in ids {
            letters.push(within(async { Ok(find::listed_letter(&self.ledger, id).await?) }).await?);
        }
        letters.sort_by_key(|letter| (letter.letter.parked_at, letter.id));
        letters.dedup_by_key(|letter| letter.id);
        Ok(letters)
    }

    /// The bus confirms an order in its time, or it is not known whether it took it.
    async fn confirmed(&self, published: impl Future<Output = operate::Result<()>>) -> Result<(), Fault> {
        let deadline = self.config.receiver.publish_deadline;
        let late = || OperateError::Unpublished {
            what: "publishing; nothing is known to have been ordered",
            source: BusError::Unavailable(format!("not confirmed after {deadline:?}")),
        };
        Ok(tokio::time::timeout(deadline, published).await.unwrap_or_else(|_| Err(late()))?)
    }
}

/// What is looked up in its time.
pub(crate) async fn within<T>(asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = || Fault::Away(format!("the ledger did not answer within {FOUND:?}; nothing was ordered"));
    tokio::time::timeout(FOUND, asked).await.unwrap_or_else(|_| Err(late()))
}
