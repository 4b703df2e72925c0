//! What GitHub's API says of itself, whatever it is asked (docs.github.com, REST API, version 2022-11-28).

use anyhow::Result;
use serde::de::DeserializeOwned;

use crate::answer;

/// Reads a body; the error says where in it.
pub fn parse<T: DeserializeOwned>(what: &str, body: &str) -> Result<T> {
    answer::parse("GitHub", what, body)
}
