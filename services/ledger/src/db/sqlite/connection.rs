//! Connections to the file, set up alike, and statements run over them.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use proto::Timestamp;
use rusqlite::{Connection, OpenFlags, functions::FunctionFlags, types::ValueRef};

use super::error::{ledger_error, unusable};
use crate::{
    Result,
    db::{Arg, Row, value::Cell},
};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared: all there are, with room for the filters' combinations.
const STATEMENTS: usize = 64;
/// What the log may keep on disk once it was written back.
const LOG_LIMIT: u32 = 64 * 1024 * 1024;

/// Makes the file when there is none, readable by its owner alone: events can hold what is nobody else's business.
pub(super) fn create(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|why| unusable(path, &why))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(unusable(path, &why)),
        _ => Ok(()),
    }
}

/// A connection that may write, with the write-ahead log on and every commit synced.
pub(super) fn open_to_write(path: &Path) -> Result<Connection> {
    let db = open(path).map_err(|why| ledger_error(path, &why))?;
    let mode = use_log(&db).map_err(|why| ledger_error(path, &why))?;
    if mode != "wal" {
        return Err(unusable(path, &"SQLite cannot keep a write-ahead log there (is it a network folder?)"));
    }
    let settle = || {
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "journal_size_limit", LOG_LIMIT)
    };
    settle().map_err(|why| ledger_error(path, &why))?;
    Ok(db)
}

/// A connection that cannot write.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let db = open(path)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // What PostgreSQL calls its clock; here it is the machine's.
    db.create_scalar_function("clock_timestamp", 0, FunctionFlags::SQLITE_UTF8, |_| {
        Ok(Timestamp::now().as_microsecond())
    })?;
    // As PostgreSQL has it: where a text begins in another, counted in characters from 1, or 0.
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("strpos", 2, pure, |arguments| {
        let (text, sought) = (arguments.get_raw(0).as_str()?, arguments.get_raw(1).as_str()?);
        let place = text.find(sought).map_or(0, |at| text[..at].chars().count() + 1);
        Ok(i64::try_from(place).unwrap_or(i64::MAX))
    })?;
    Ok(db)
}

/// Turns the write-ahead log on. While others do the same to a new file SQLite answers "busy" at once, without
/// waiting as it does elsewhere, so the waiting is done here.
fn use_log(db: &Connection) -> rusqlite::Result<String> {
    let until = Instant::now() + BUSY;
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(why) if super::error::is_busy(&why) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
}

/// Runs a statement and returns its rows.
pub(super) fn query(db: &Connection, sql: &str, args: &[Arg]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = db.prepare_cached(sql)?;
    for (place, arg) in (1..).zip(args) {
        debug_assert_eq!(statement.parameter_name(place), Some(format!("${place}").as_str()), "out of order: {sql}");
        statement.raw_bind_parameter(place, arg)?;
    }
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|column| row.get_ref(column).and_then(cell)).collect::<rusqlite::Result<_>>()?;
        found.push(Row::new(cells));
    }
    Ok(found)
}

fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Text(_) => Cell::Text(value.as_str()?.to_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec().into()),
        // No column holds a floating-point number.
        ValueRef::Null | ValueRef::Real(_) => Cell::Null,
    })
}
