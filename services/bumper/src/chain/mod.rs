//! The chain: how an app's releases go from environment to environment, as pure functions from what is known and what
//! happens to what is known then and what is to be done.
//!
//! ```text
//!            offered ──┬── the gate is closed ──► waiting ── superseded, rejected, expired, barred ──► ended, and told
//!                      │                             │
//!                      └──── the gate is open ◄──────┘ asked again at its time
//!                                  │
//!                                  ▼
//!              asked for (a commit in the GitOps repository, under way until there is a verdict)
//!                  │                                        │
//!               healthy                                 unhealthy
//!                  │                                        │
//!   offered to the environments after it      barred, and what was last healthy is asked for instead
//! ```
//!
//! [`Step`] takes one event. It ends with the chain as it is then, what is to be told, and what the GitOps repository
//! is to be asked for; the answers of the repository are put back into it. What it must know of the source it asks as
//! [`Question`]s, and is taken again with the answers. Nothing here reads a clock, a file or a network, so that all of it
//! can be tried with any order of events, and each of them lost, late or twice.
//!
//! Kept here, whatever happens:
//! - an environment is asked to run only what every gate of its config let through for exactly these digests, or what
//!   was healthy there before; of a component that nothing healthy there names, what it had then, or was replaced;
//! - a barred digest is never asked for;
//! - no event takes an environment back to source that is an ancestor of what it runs, and none undoes a fix that is owed
//!   to the deploy branches: a rollback, a person's own commit and `windlass settle` do;
//! - a release goes to an environment once, however often it is offered;
//! - one deployment of an environment is under way at a time, so each gets its verdict; only the fast path, a rollback
//!   and a verdict that is long overdue go past one;
//! - of what waits for an environment the newest goes, and the others are told that they are superseded.

mod ahead;
mod facts;
mod gate;
mod guard;
mod names;
mod people;
mod proposal;
mod step;
#[cfg(test)]
mod tests;
mod verdict;
mod verified;
mod waits;

use ledger::Chain;
use proto::{EnvironmentName, Lane, Timestamp};
use runtime::config::App;

pub(crate) use facts::{Facts, Order, Question};
pub(crate) use guard::noted;
pub(crate) use people::choose;
pub(crate) use proposal::LOOK;
pub(crate) use step::{Cause, Step, Wish, nothing};

/// What is known of an app, under the names that the configuration has for its components now.
pub(crate) fn as_configured(app: &App, mut chain: Chain) -> Chain {
    names::chain(app, &mut chain);
    chain
}

/// For what the release that waits in a lane waits now, in words that follow "waits for"; `None` when nothing waits, or
/// it is about to go.
pub fn waits_for(chain: &Chain, app: &App, name: &EnvironmentName, lane: Lane, now: Timestamp) -> Option<String> {
    let (config, waiting) = (app.environments.get(name)?, chain.place(name)?.waiting(lane)?);
    if let Some(proposed) = waiting.proposed.as_ref().filter(|_| app.merge(name).is_some()) {
        return Some(proposed.waits_for.clone());
    }
    match (gate::Gates { chain, app, name, config, now }).ask(&waiting.offer, Some(waiting)) {
        gate::Gate::Closed(wait) => Some(wait.waits_for),
        gate::Gate::Never(why) => Some(format!("nothing any more: {why}")),
        gate::Gate::Open => None,
    }
}
