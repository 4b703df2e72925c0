//! The APIs of the hosts of Git repositories, for whichever worker needs one. Nothing here decides anything, or knows of
//! an event.
//!
//! [`Forge`] is the pull requests of one repository, whatever hosts it; [`github`] is more of GitHub's API, for what only
//! that has. All ask within the limits they are told of, and those who ask as the same share a gate of [`Gates`].

mod access;
mod answer;
mod forge;
mod gate;
mod gitea;
pub mod github;
mod gitlab;
mod limits;
mod pulls;
mod rest;
mod server;

pub use access::{Certainty, Fault, Wanted};
pub use forge::Forge;
pub use gate::Gates;
pub use limits::{Cause, Later};
pub use pulls::{Checks, Draft, Merging, Pull, Readiness, State};
