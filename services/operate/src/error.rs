//! Why something could not be done for an operator.

use std::fmt;

use bus::BusError;
use ledger::LedgerError;
use proto::AppName;

/// Why it could not be done; the text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// There is nothing of that name.
    #[error("{says}{}", hint(see.as_ref()))]
    NotFound {
        /// What there is not.
        says: String,
        /// Where to look what there is.
        see: Option<See>,
    },
    /// Several things have names that begin so.
    #[error("{0}")]
    Ambiguous(String),
    /// It cannot be done as it was asked for.
    #[error("{0}")]
    Invalid(String),
    /// The bus did not confirm it.
    #[error("{what}")]
    Unpublished {
        /// What was tried, and what was not done then.
        what: &'static str,
        /// The bus's words.
        source: BusError,
    },
    /// It was published, and the ledger did not take the note of it.
    #[error("recording the replay, which is under way")]
    Unrecorded(#[source] LedgerError),
    /// The ledger did not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Where to look what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum See {
    /// How it stands, with all apps or with one.
    Status(Option<AppName>),
    /// The history.
    Events,
    /// The dead letters.
    Dead,
    /// What must not be deployed.
    Quarantine,
}

impl fmt::Display for See {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(None) => f.write_str("windlass status"),
            Self::Status(Some(app)) => write!(f, "windlass status {app}"),
            Self::Events => f.write_str("windlass events"),
            Self::Dead => f.write_str("windlass dead list"),
            Self::Quarantine => f.write_str("windlass quarantine list"),
        }
    }
}

fn hint(see: Option<&See>) -> String {
    see.map(|see| format!("; see `{see}`")).unwrap_or_default()
}
