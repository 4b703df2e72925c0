//! Why a registry did not say what was asked; each message names the registry, the repository and the reference.

use std::time::Duration;

use crate::network::Blocked;

/// Why a registry did not say what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OciError {
    /// No connection, no answer in time, or a connection cut.
    #[error("`{at}`: its registry cannot be reached: {why}")]
    Unreachable {
        /// Image and reference.
        at: String,
        /// The network's own words.
        why: String,
    },
    /// It, or where it sends us, lies where nobody may be asked.
    #[error("`{at}`: its registry may not be asked: {why}")]
    Blocked {
        /// Image and reference.
        at: String,
        /// What the guard says.
        why: Blocked,
    },
    /// It wants other credentials than it was given.
    #[error("`{at}`: its registry refuses: {why}")]
    Refused {
        /// Image and reference.
        at: String,
        /// What it said, and what to mend.
        why: String,
    },
    /// It was asked too often.
    #[error("`{at}`: its registry was asked too often (429)")]
    RateLimited {
        /// Image and reference.
        at: String,
        /// When it may be asked again, if it said.
        retry_after: Option<Duration>,
    },
    /// Bytes that do not hash to what they should.
    #[error("`{at}`: its registry contradicts itself: {why}")]
    Lies {
        /// Image and reference.
        at: String,
        /// What does not fit.
        why: String,
    },
    /// An answer, or a question, that the specification does not know.
    #[error("`{at}`: {why}")]
    Malformed {
        /// Image and reference.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// Any other status.
    #[error("`{at}`: its registry answered {status}{why}")]
    Status {
        /// Image and reference.
        at: String,
        /// The HTTP status.
        status: u16,
        /// What it said, after a colon; or nothing.
        why: String,
    },
}

impl OciError {
    /// Whether it may go well another time without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::RateLimited { .. } => true,
            // A 404 that is not the registry's own comes from whatever stands before it while it is away.
            Self::Status { status, .. } => *status >= 500 || matches!(status, 404 | 408 | 425),
            Self::Blocked { .. } | Self::Refused { .. } | Self::Lies { .. } | Self::Malformed { .. } => false,
        }
    }
}
