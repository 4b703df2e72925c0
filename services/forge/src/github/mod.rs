//! GitHub's API: [`Api`] asks, with the patience that each [`Cause`] of waiting wants, as whom [`Credentials`] say;
//! [`Gates`] are what those share who ask as the same. [`Pulls`] are a repository's pull requests.

mod access;
mod api;
mod credentials;
mod exchange;
mod pulls;
mod wire;

pub use crate::{answer::Answer, gate::Gates, limits::Cause};
pub use api::Api;
pub use credentials::{Credentials, Rights};
pub use pulls::Pulls;
pub use wire::parse;
