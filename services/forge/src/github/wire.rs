//! What GitHub's API says of itself, whatever it is asked (docs.github.com, REST API, version 2022-11-28).

use anyhow::Result;
use proto::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use crate::answer;

/// An installation of an App.
#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
}

/// An installation's token.
#[derive(Debug, Deserialize)]
pub(super) struct InstallationToken {
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
}

/// Reads a body; the error says where in it.
pub fn parse<T: DeserializeOwned>(what: &str, body: &str) -> Result<T> {
    answer::parse("GitHub", what, body)
}
