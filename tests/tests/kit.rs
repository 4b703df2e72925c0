//! The kit's own proof: each private server really starts, works, comes back, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "kit/fakes.rs"]
mod fakes;
#[path = "kit/servers.rs"]
mod servers;
#[path = "kit/sources.rs"]
mod sources;
