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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proto::{AppName, EventId, EventType};

    use super::*;
    use crate::{EventFilter, filter};

    #[test]
    fn the_newest_are_read_in_their_order_and_nothing_is_sorted_for_a_few() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(migrations::TABLE).unwrap();
        apply(&db, migrations::SQLITE).unwrap();
        let (kind, app) = (Some(EventType::ImagePushed), AppName::new("shop").ok());
        let any = EventFilter::default();
        for filter in [
            EventFilter { kind, ..any.clone() },
            EventFilter { kind, before: Some(7), ..any.clone() },
            EventFilter { app: app.clone(), ..any.clone() },
            EventFilter { kind, app, ..any.clone() },
            EventFilter { correlation: Some(EventId::fresh()), ..any },
        ] {
            let sql = format!("EXPLAIN QUERY PLAN {}", filter::events(&filter, "seq, body").unwrap().sql);
            let mut plan = db.prepare(&sql).unwrap();
            let mut rows = plan.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            assert!(steps.len() == 1 && steps[0].starts_with("SEARCH events USING INDEX"), "{sql}: {steps:?}");
        }
    }
}
