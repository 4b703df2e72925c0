//! Why a program could not be run at all; how it ended is no error.

use std::{io, path::PathBuf};

use crate::Failure;

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is no such program.
    #[error(
        "there is no program `{program}` here; install it where this worker runs, or name another in the configuration"
    )]
    NotFound {
        /// As it was called.
        program: String,
    },
    /// It is there and cannot be started.
    #[error("cannot start `{program}`: {why}")]
    Start {
        /// As it was called.
        program: String,
        /// The system's words.
        why: io::Error,
    },
    /// It is to run in a folder that is not there.
    #[error("cannot start `{program}`: there is no folder {dir}")]
    NoFolder {
        /// As it was called.
        program: String,
        /// The folder.
        dir: PathBuf,
    },
    /// Its output cannot be written down.
    #[error("cannot write the log {path}: {why}")]
    Log {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: io::Error,
    },
    /// The system fails while it runs.
    #[error("lost hold of `{program}`: {why}")]
    Io {
        /// As it was called.
        program: String,
        /// The system's words.
        why: io::Error,
    },
    /// A secret it needs cannot be read.
    #[error("`{program}` needs a secret: {why}")]
    Secret {
        /// As it was called.
        program: String,
        /// Which, and why not.
        why: String,
    },
}

impl ExecError {
    /// Whether it may go well another time with nothing mended.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::NoFolder { .. } | Self::Secret { .. } => false,
            // Too many processes, or a file that is just being written, come and go.
            Self::Start { why, .. } => why.kind() != io::ErrorKind::PermissionDenied,
            Self::Log { .. } | Self::Io { .. } => true,
        }
    }
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        if error.is_transient() { Self::Transient(error.into()) } else { Self::Permanent(error.into()) }
    }
}
