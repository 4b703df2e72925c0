//! The worker harness: it takes deliveries, claims them, runs the worker, keeps and publishes what came of it, and
//! settles. A worker gets an event and returns outcomes or a failure, and does none of that itself.

mod claim;
mod consume;
mod delivery;
mod insist;
mod worker;

pub use consume::work;
pub use insist::{Away, insist};
pub use worker::{Failure, Outcome, Outcomes, Worker};
