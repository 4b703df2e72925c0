//! SQLite's errors as the ledger's: what passes by itself, and what somebody must mend.

use std::{fmt, path::Path};

use rusqlite::ErrorCode;

use crate::LedgerError;

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the error is the machine's (disk, memory, locks), not the statement's or the file's.
pub(super) fn is_passing(error: &rusqlite::Error) -> bool {
    is_busy(error)
        || matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::OutOfMemory
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::OperationInterrupted
            )
        )
}

pub(super) fn ledger_error(path: &Path, error: &rusqlite::Error) -> LedgerError {
    if is_passing(error) {
        return LedgerError::Unavailable(format!("{}: {error}", path.display()));
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => LedgerError::Unusable(format!(
            "{}: {error}: move it away and put a backup in its place, or point `ledger` at another file",
            path.display()
        )),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => unusable(path, error),
        _ => LedgerError::Unusable(format!("{}: {}", path.display(), without_statement(error))),
    }
}

/// The error without the statement's text, which says nothing to whoever reads it.
fn without_statement(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// The file cannot be opened or written.
pub(super) fn unusable(path: &Path, why: &dyn fmt::Display) -> LedgerError {
    LedgerError::Unusable(format!(
        "{}: {why}: give this user leave to write the file and its folder, or point `ledger` at another file",
        path.display()
    ))
}
