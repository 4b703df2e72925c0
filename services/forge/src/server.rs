//! What all questions to one API have in common, whichever client asks them: its address, the gate before it, and what is
//! said where there is no answer to go on with.

use std::{fmt::Display, sync::Arc, time::Duration};

use proto::Timestamp;
use tokio::time::Instant;

use crate::{
    answer::Answer,
    gate::{Gate, Gates},
    limits::{Cause, Later},
};

/// An API, within somebody's limit.
pub(crate) struct Server {
    /// Its address, without a slash at its end.
    pub(crate) base: String,
    /// Questions go one after the other.
    pub(crate) gate: Arc<Gate>,
}

impl Server {
    /// The API at this address. Those made with the same `gates` share limits where the host counts them together.
    pub(crate) fn new(base: &str, limited_as: String, gates: &Gates) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let gate = gates.of(&base, limited_as);
        Self { base, gate }
    }

    /// Why a question is not asked now; `None` when it may be.
    pub(crate) fn rests(&self, question: &impl Display) -> Option<Later> {
        let after = self.gate.rest()?;
        let why = format!("{question} at {}: what is left of the limit is left to others", self.base);
        Some(Later { cause: Cause::Primary, after, why })
    }

    /// That a question is to be asked again. A limit holds for all who share it.
    pub(crate) fn later(&self, cause: Cause, after: Duration, question: &impl Display, why: &str) -> Later {
        if cause != Cause::Trouble {
            self.gate.rest_until(Some(Instant::now() + after));
        }
        Later { cause, after, why: format!("{question} at {}: {why}", self.base) }
    }

    /// Leaves to others what an answer says is to be left to them.
    pub(crate) fn heed(&self, answer: &Answer) {
        let rest = answer.limits.rest(Timestamp::now().as_second());
        self.gate.rest_until(rest.map(|wait| Instant::now() + wait));
    }

    /// That nothing will come of a question, and what to mend.
    pub(crate) fn refusal(&self, question: &impl Display, why: &str, answer: &Answer, hint: &str) -> String {
        format!("{question} at {}: {why} ({}); {hint}", self.base, answer.said())
    }
}
