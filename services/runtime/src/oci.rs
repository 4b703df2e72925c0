//! Registries.

/// Registries, with the configured credentials; cheap to clone.
#[derive(Clone)]
pub struct Registries;
