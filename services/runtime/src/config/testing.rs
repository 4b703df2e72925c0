//! What tests of the configuration share.

use super::{Config, ConfigError};

/// What of a configuration contradicts itself; nothing when it is in order.
pub(super) fn contradictions(text: &str) -> Vec<String> {
    match Config::parse(text, "windlass.yaml".as_ref()) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Contradictions { problems, .. }) => problems,
        Err(other) => panic!("{other}"),
    }
}
