//! What tests of the configuration share.

use super::{Config, ConfigError};

/// What is wrong with a configuration, each thing by itself where it contradicts itself; nothing when it is in order.
pub(super) fn contradictions(text: &str) -> Vec<String> {
    match Config::parse(text, "windlass.yaml".as_ref()) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Contradictions { problems, .. }) => problems,
        Err(other) => vec![other.to_string()],
    }
}
