//! PostgreSQL's errors as the ledger's: what passes by itself, and what somebody must mend.

use std::{error::Error as _, fmt, time::Duration};

use deadpool_postgres::PoolError;
use tokio_postgres::error::DbError;

use crate::LedgerError;

/// Why a statement came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection was to be had.
    Pool(PoolError),
    /// The server or the connection failed.
    Server(tokio_postgres::Error),
    /// There was no answer for so long.
    Silent(Duration),
}

impl From<PoolError> for Failure {
    fn from(why: PoolError) -> Self {
        match why {
            PoolError::Backend(why) => Self::Server(why),
            other => Self::Pool(other),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(why: tokio_postgres::Error) -> Self {
        Self::Server(why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(why) => why.fmt(f),
            Self::Server(why) => match (why.as_db_error(), why.source()) {
                (Some(said), _) => write!(f, "{} ({})", said.message(), said.code().code()),
                (None, Some(cause)) => write!(f, "{why}: {cause}"),
                (None, None) => why.fmt(f),
            },
            Self::Silent(waited) => write!(f, "no answer within {} s", waited.as_secs()),
        }
    }
}

/// Classes of SQLSTATE (PostgreSQL, appendix A) that pass by themselves: connection, rollback of a transaction that
/// met another, resources, an object in use, the operator's intervention, the system's errors.
const PASSING: [&str; 6] = ["08", "40", "53", "55", "57", "58"];
/// A standby takes no writes; after a failover the address leads to the primary again.
const READ_ONLY: &str = "25006";
/// A prepared statement that outlived its table or its session.
const STALE: [&str; 2] = ["0A000", "26000"];

fn passes(said: &DbError) -> bool {
    let code = said.code().code();
    code == READ_ONLY || PASSING.iter().any(|class| code.starts_with(class))
}

/// Whether the same statement may well succeed at once on a new connection. Not when the server is full or slow:
/// that only adds to it.
pub(super) fn is_worth_again(why: &Failure) -> bool {
    let Failure::Server(why) = why else { return false };
    match why.as_db_error() {
        Some(said) => {
            let code = said.code().code();
            STALE.contains(&code) || code.starts_with("40") || code == "57P01"
        }
        None => why.is_closed() || cause_is_io(why),
    }
}

/// The connection itself failed, rather than what was said over it.
fn cause_is_io(why: &tokio_postgres::Error) -> bool {
    why.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>) && refused_by_tls(why).is_none()
}

fn refused_by_tls(why: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let io = why.source()?.downcast_ref::<std::io::Error>()?;
    io.get_ref()?.downcast_ref::<rustls::Error>()
}

/// The error with where it was met and, where somebody must act, what to do.
pub(super) fn ledger_error(place: &str, why: &Failure) -> LedgerError {
    let Failure::Server(error) = why else { return LedgerError::Unavailable(format!("{place}: {why}")) };
    let what_to_do = match error.as_db_error() {
        Some(said) if passes(said) => None,
        Some(said) => Some(advice(said.code().code())),
        None => tls_advice(error),
    };
    match what_to_do {
        None => LedgerError::Unavailable(format!("{place}: {why}")),
        Some(what_to_do) => LedgerError::Unusable(format!("{place}: {why}: {what_to_do}")),
    }
}

fn advice(code: &str) -> &'static str {
    match code {
        _ if code.starts_with("28") => "check the user and the password in the address, and the server's pg_hba.conf",
        "3D000" => "create the database, or name another in the address",
        "42501" => "give this user leave to create and use tables in the database",
        _ if code.starts_with("42") => {
            "the tables are not as this build made them: restore them, or name an empty database"
        }
        _ => "see the server's log",
    }
}

fn tls_advice(error: &tokio_postgres::Error) -> Option<&'static str> {
    match refused_by_tls(error) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            Some("name the server as its certificate does, and give its authority's with `sslrootcert=<file>`")
        }
        Some(_) => Some("see the server's log"),
        None if cause_is_io(error) => None,
        // There is no other way to tell: the kind of the error is private.
        None if error.to_string().contains("TLS") => Some("turn TLS on at the server, or use `sslmode=prefer`"),
        None => None,
    }
}
