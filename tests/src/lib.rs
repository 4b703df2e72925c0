//! Private real servers and faithful fakes, for the integration tests and the demo.
//!
//! Everything here has ports, folders and secrets of its own, on loopback, and is gone when its value is dropped or
//! the process that made it ends, however it ends. Nothing is started as the system's service, nothing waits for a
//! time where it can wait for a fact, and of Windlass only the vocabulary and the names of its programs are known here.

pub mod argocd;
pub mod backing;
pub mod engine;
pub mod folder;
pub mod forge_api;
pub mod fuzz;
pub mod githttp;
pub mod github;
pub mod github_api;
pub mod http;
pub mod line;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod pulls;
pub mod rabbitmq;
pub mod registry;
pub mod registry_proxy;
pub mod sentry;
pub mod shop;
pub mod slack;
pub mod sshd;
pub mod wait;
