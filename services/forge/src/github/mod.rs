//! GitHub's API: [`Api`] asks, with the patience that each [`Cause`] of waiting wants, as whom [`Credentials`] say;
//! [`Gates`] are what those share who ask as the same. [`Pulls`] are a repository's pull requests.

mod api;
mod credentials;
mod gate;
mod limits;
mod pulls;
mod wire;

pub use api::{Answer, Api, Later};
pub use credentials::{Credentials, Rights};
pub use gate::Gates;
pub use limits::Cause;
pub use pulls::{Checks, Draft, Pull, Pulls, State};
pub use wire::parse;
