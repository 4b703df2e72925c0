//! The kit's own proof: each private server really starts, works, comes back, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::similar_names)]

#[path = "kit/argocd.rs"]
mod argocd;
#[path = "kit/fakes.rs"]
mod fakes;
#[path = "kit/proxy.rs"]
mod proxy;
#[path = "kit/servers.rs"]
mod servers;
#[path = "kit/sources.rs"]
mod sources;
