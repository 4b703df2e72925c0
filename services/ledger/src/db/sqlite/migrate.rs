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
    let failed = |why: rusqlite::Error| ledger_error(path, &why);
    if db.table_exists(None, "windlass_migrations").map_err(failed)? {
        let applied = applied(db).map_err(failed)?;
        if migrations::pending(migrations::SQLITE, &applied).map_err(named)?.is_empty() {
            return Ok(());
        }
    }
    let locked = Transaction::new_unchecked(db, TransactionBehavior::Immediate).map_err(failed)?;
    // Made rather than looked for: a look may answer from before the wait.
    locked.execute_batch(migrations::TABLE).map_err(failed)?;
    let applied = applied(&locked).map_err(failed)?;
    let pending = migrations::pending(migrations::SQLITE, &applied).map_err(named)?;
    apply(&locked, pending).and_then(|()| locked.commit()).map_err(failed)
}

fn applied(db: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    db.prepare(migrations::APPLIED)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn apply(db: &Connection, pending: &[Migration]) -> rusqlite::Result<()> {
    for migration in pending {
        db.execute_batch(migration.sql)?;
        let now = Timestamp::now().to_string();
        db.execute(migrations::APPLY, (migration.version, migration.name, migration.checksum(), now))?;
    }
    Ok(())
}
