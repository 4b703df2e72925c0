//! The reconciler over a real bus and ledger, a real receiver, and a GitHub that has its limits and troubles.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod app;
mod command;
mod door;
mod killed;
mod limits;
mod listed;
mod outage;
mod registries;
mod tags;
mod unsent;
mod up;
mod webhook;
mod world;
