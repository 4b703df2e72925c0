//! The receiver over a real bus, asked by senders honest, mistaken and hostile.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod broker;
mod clicks;
mod depth;
mod doctor;
mod durable;
mod libraries;
mod limits;
mod narrow;
mod noise;
mod outage;
mod proof;
mod rotation;
mod senders;
mod slow;
mod spool;
mod story;
