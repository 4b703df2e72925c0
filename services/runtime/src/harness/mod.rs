//! The worker harness: it takes deliveries, claims them, runs the worker, keeps and publishes what came of it, and
//! settles. A worker gets an event and returns outcomes or a failure, and does none of that itself.

mod run;
mod worker;


pub use worker::{Failure, Outcome, Outcomes, Worker};
