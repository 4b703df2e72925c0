//! Brings the file's tables up to date, in one transaction that holds the write lock.

use std::path::Path;

use proto::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::ledger_error;
use crate::{
    LedgerError, Result,
    db::migrations::{self, Migration},
};

pub(super) fn migrate(db: &Connection, path: &Path) -> Result<()> {
    let named = |why: LedgerError| match why {
        LedgerError::Unusable(why) => LedgerError::Unusable(format!("{}: {why}", path.display())),
        passing @ LedgerError::Unavailable(_) => passing,
    };
    let applied = applied(db).map_err(|why| ledger_error(path, &why))?;
    if migrations::pending(migrations::SQLITE, &applied).map_err(named)?.is_empty() {
        return Ok(());
    }
    let locked = Transaction::new_unchecked(db, TransactionBehavior::Immediate);
    let locked = locked.map_err(|why| ledger_error(path, &why))?;
    // Read again: another process may have been here between.
    let applied = self::applied(&locked).map_err(|why| ledger_error(path, &why))?;
    let pending = migrations::pending(migrations::SQLITE, &applied).map_err(named)?;
    apply(&locked, pending).and_then(|()| locked.commit()).map_err(|why| ledger_error(path, &why))
}

fn applied(db: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    if !db.table_exists(None, "windlass_migrations")? {
        return Ok(Vec::new());
    }
    db.prepare(migrations::APPLIED)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn apply(db: &Connection, pending: &[Migration]) -> rusqlite::Result<()> {
    db.execute_batch(migrations::TABLE)?;
    for migration in pending {
        db.execute_batch(migration.sql)?;
        let now = Timestamp::now().to_string();
        db.execute(migrations::APPLY, (migration.version, migration.name, migration.checksum(), now))?;
    }
    Ok(())
}
