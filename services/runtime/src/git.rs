//! Git as a program.

/// Git, with the configured credentials; cheap to clone.
#[derive(Clone)]
pub struct Git;
