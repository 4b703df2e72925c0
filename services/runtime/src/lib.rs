//! What every service stands on: config, telemetry, the worker harness, shutdown, and the guarded ways out
//! (HTTP, programs, Git, registries).
//!
//! Workers built on this return what should happen; only the harness publishes, retries, parks and acknowledges.
//! Nothing here knows what any one worker does.

pub mod config;
pub mod exec;
#[cfg(test)]
mod fuzz;
pub mod git;
pub mod github_app;
pub mod harness;
pub mod http;
pub mod logs;
pub mod names;
pub mod network;
pub mod oci;
pub mod ops;
pub mod order;
pub mod programs;
pub mod service;
pub mod telemetry;
pub mod workspace;

pub use config::{Config, Secret, SecretRef};
pub use harness::{Failure, Outcome, Outcomes, Worker};
pub use service::{Base, Context, run_worker};
