//! The file: its tables, its pragmas, its lock, and its errors in words.
//!
//! A body is stored once; each queue that took the message has an entry. An entry's id holds the message's in its
//! upper bits, so "has this message entries left" is a range of one index, and entry order is publishing order.
//! `due` is 0 for what was never retried, else the millisecond from which it may be given out.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use proto::{
    WorkerName,
    topology::{DEAD, UNROUTED},
};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use crate::{BusError, folders};

/// Bits of an entry's id that number the entries of one message: 32, and there are eight workers.
pub(super) const ENTRY_BITS: u32 = 5;
/// Marks the file as ours (`PRAGMA application_id`): "wndl".
const APPLICATION: i32 = 0x776e_646c;
const VERSION: i32 = 1;
/// How long a statement waits for another process's write transaction.
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        content_type TEXT NOT NULL,
        attributes TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        queue TEXT NOT NULL,
        due INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        worker TEXT,
        reason TEXT,
        parked_at INTEGER
    ) STRICT;
    CREATE INDEX entries_by_queue ON entries (queue, due);
    CREATE TABLE queues (worker TEXT PRIMARY KEY) STRICT;
";

/// Opens the file for writing and makes it if need be; gives the workers whose queues messages are routed to.
pub(super) fn open(path: &Path, workers: &[WorkerName]) -> Result<(Connection, Vec<WorkerName>), BusError> {
    create(path).map_err(|error| unusable(path, &error.to_string()))?;
    let mut connection = connect(path).map_err(|error| on_open(path, &error))?;
    let known = prepare(&mut connection, path, workers)?;
    Ok((connection, if workers.is_empty() { known } else { workers.to_vec() }))
}

/// Payloads are nobody else's business, so the file is its owner's alone; SQLite gives the same mode to the log.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        folders::make(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop)
}

/// A connection with what every one needs. `FULL` is what makes a commit in WAL mode survive a power cut.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The log is rewound at 16 MiB and cut back to 64 MiB after a burst.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, path: &Path, workers: &[WorkerName]) -> Result<Vec<WorkerName>, BusError> {
    let failed = |error: rusqlite::Error| on_open(path, &error);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(unusable(path, "its file system does not support SQLite's WAL mode"));
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    migrate(&transaction, path)?;
    for worker in workers {
        let insert = "INSERT OR IGNORE INTO queues (worker) VALUES (?1)";
        transaction.execute(insert, [worker.as_str()]).map_err(failed)?;
    }
    let known = read_declared(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(known)
}

fn migrate(transaction: &Transaction<'_>, path: &Path) -> Result<(), BusError> {
    let failed = |error: rusqlite::Error| on_open(path, &error);
    let pragma = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION, VERSION) => Ok(()),
        (APPLICATION, _) => Err(unusable(path, "a newer windlass made it; use that one, or another file")),
        (0, 0) if is_empty(transaction).map_err(failed)? => {
            transaction.execute_batch(SCHEMA).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(failed)
        }
        _ => Err(unusable(path, "it is another program's database; name another file")),
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn read_declared(connection: &Connection) -> rusqlite::Result<Vec<WorkerName>> {
    let mut select = connection.prepare("SELECT worker FROM queues")?;
    let names = select.query_map([], |row| row.get::<_, String>(0))?;
    let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The workers whose queues any process has declared in this file.
pub(super) fn declared(path: &Path) -> Result<Vec<WorkerName>, BusError> {
    connect(path).and_then(|c| read_declared(&c)).map_err(|error| in_use(path, &error))
}

/// Entries in each queue, whatever their state.
pub(super) fn depths(path: &Path) -> Result<Vec<(String, u64)>, BusError> {
    let count = || {
        let connection = connect(path)?;
        let mut depths: std::collections::BTreeMap<String, u64> =
            read_declared(&connection)?.into_iter().map(|worker| (worker.queue().name(), 0)).collect();
        depths.extend([(DEAD.to_owned(), 0), (UNROUTED.to_owned(), 0)]);
        let mut select = connection.prepare("SELECT queue, count(*) FROM entries GROUP BY queue")?;
        let counted = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        depths.extend(counted.collect::<rusqlite::Result<Vec<_>>>()?);
        Ok(depths.into_iter().collect())
    };
    count().map_err(|error| in_use(path, &error))
}

/// What lies in a file, whoever published it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// Messages that wait in workers' queues.
    pub waiting: u64,
    /// What those hold, in bytes: bodies, content types and attributes as JSON.
    pub bytes: u64,
    /// Dead letters.
    pub dead: u64,
}

/// What lies in a file, and how it came to that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// How much.
    pub stock: Stock,
    /// When the oldest that waits came, if it says.
    pub oldest: Option<Timestamp>,
    /// Why the last dead letter is one.
    pub dead_because: Option<String>,
}

/// SQLite knows a value's length without reading it, so this costs little however large the bodies are.
const COUNT: &str = "
    SELECT count(*) FILTER (WHERE queue NOT IN (?1, ?2)), count(*) FILTER (WHERE queue = ?1),
        coalesce(sum(length(body) + octet_length(attributes) + octet_length(content_type))
            FILTER (WHERE queue NOT IN (?1, ?2)), 0)
    FROM entries e JOIN messages m ON m.id = e.id >> ?3";
const OLDEST: &str = "
    SELECT attributes FROM entries e JOIN messages m ON m.id = e.id >> ?3
    WHERE queue NOT IN (?1, ?2) ORDER BY e.id LIMIT 1";
const LAST_DEAD: &str = "SELECT reason FROM entries WHERE queue = ?1 ORDER BY id DESC LIMIT 1";

pub(super) fn stock(path: &Path) -> Result<Stock, BusError> {
    connect(path).and_then(|connection| count(&connection)).map_err(|error| in_use(path, &error))
}

fn count(connection: &Connection) -> rusqlite::Result<Stock> {
    connection.query_row(COUNT, (DEAD, UNROUTED, ENTRY_BITS), |row| {
        let number = |n| row.get::<_, i64>(n).map(i64::unsigned_abs);
        Ok(Stock { waiting: number(0)?, dead: number(1)?, bytes: number(2)? })
    })
}

/// Looks into a file of another process without writing to it, or to anything beside it.
pub(super) fn inspect(path: &Path) -> Result<Inspected, BusError> {
    let look = || {
        let connection = connect_to_read(path)?;
        let oldest: Option<String> =
            connection.query_row(OLDEST, (DEAD, UNROUTED, ENTRY_BITS), |row| row.get(0)).optional()?;
        let attributes: Option<BTreeMap<String, String>> =
            oldest.and_then(|attributes| serde_json::from_str(&attributes).ok());
        let oldest = attributes.and_then(|attributes| attributes.get("time")?.parse().ok());
        let dead_because: Option<Option<String>> =
            connection.query_row(LAST_DEAD, [DEAD], |row| row.get(0)).optional()?;
        Ok(Inspected { stock: count(&connection)?, oldest, dead_because: dead_because.flatten() })
    };
    look().map_err(|error| in_use(path, &error))
}

/// Reads all of a file; what is wrong with it, if anything is. Nothing is written to it.
pub(super) fn check(path: &Path) -> rusqlite::Result<Option<String>> {
    let connection = connect_to_read(path)?;
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// To read in WAL mode SQLite wants the log's index, and makes it where it is missing. Where there is no log nobody has
/// the file open, so it can be taken for one that does not change (sqlite.org/wal.html, "Read-Only Databases").
fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let still = if Path::new(&log).exists() { "" } else { "?immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{escaped}{still}"), flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// What makes this process the file's consumer for as long as it is there; a crash lets go of it too.
pub(super) struct Consuming(File);

impl Consuming {
    /// Takes the lock, or says who must stop.
    pub(super) fn begin(path: &Path) -> Result<Self, BusError> {
        let beside = beside(path);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&beside);
        let file = open.map_err(|error| unusable(&beside, &error.to_string()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(BusError::Unusable(format!(
                "another process consumes from {}: stop it, or give this one a file of its own; several consumers \
                 at once need RabbitMQ",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(unusable(&beside, &error.to_string())),
        }
    }

    /// The last entry that any process has given out, as far as is known.
    pub(super) fn given_out(&self) -> i64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0).map_or(0, |()| i64::from_le_bytes(bytes))
    }

    /// Notes it, so that the next process can tell what comes again. Not worth an fsync.
    pub(super) fn note_given_out(&self, entry: i64) {
        if let Err(error) = self.0.write_all_at(&entry.to_le_bytes(), 0) {
            tracing::debug!(%error, "cannot note what was given out");
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// An error while opening: what will not mend itself is unusable.
pub(super) fn on_open(path: &Path, error: &rusqlite::Error) -> BusError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            unusable(path, &error.to_string())
        }
        _ => in_use(path, error),
    }
}

/// An error while running: a full disk or a busy file mends itself, a damaged file does not.
pub(super) fn in_use(path: &Path, error: &rusqlite::Error) -> BusError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => BusError::Unusable(format!(
            "{} is damaged or no SQLite file ({error}): stop windlass, move the file away (`sqlite3 FILE .recover` \
             may read what is left), and start again",
            path.display()
        )),
        _ => BusError::Unavailable(format!("{}: {error}", path.display())),
    }
}

fn unusable(path: &Path, why: &str) -> BusError {
    BusError::Unusable(format!("{}: {why}", path.display()))
}
