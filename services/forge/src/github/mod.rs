//! GitHub's API: [`Api`] asks, with the patience that each [`Cause`] of waiting wants, as whom [`Credentials`] say;
//! [`Gates`] are what those share who ask as the same.

mod api;
mod credentials;
mod gate;
mod limits;
mod wire;

pub use api::{Answer, Api};
pub use credentials::{Credentials, Rights};
pub use gate::Gates;
pub use limits::Cause;
pub use wire::parse;
