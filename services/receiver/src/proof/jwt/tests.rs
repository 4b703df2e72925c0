//! What a token must be, which keys are of use, and what is done while the provider's keys change, or it is away.
#![allow(clippy::unwrap_used)]

mod fetching;
mod keys;
mod provider;
mod tokens;

pub(super) use keys::{N, SIGNATURE, SIGNED};
pub(super) use provider::{FRESH, Pair, Provider, claims};
