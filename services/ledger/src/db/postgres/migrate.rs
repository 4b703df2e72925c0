//! Brings the database's tables up to date, in one transaction under an advisory lock.

use deadpool_postgres::{Client, Transaction};
use proto::Timestamp;
use tokio_postgres::{Error, GenericClient};

use super::error::{self, Failure};
use crate::{
    LedgerError, Result,
    db::migrations::{self, Migration},
};

/// Ours alone among the advisory locks of a database: `windlass` in ASCII.
const LOCK: i64 = 0x7769_6e64_6c61_7373;

pub(super) async fn migrate(client: &mut Client, place: &str) -> Result<()> {
    let failed = |why: Error| error::ledger_error(place, &Failure::Server(why));
    let named = |why: LedgerError| match why {
        LedgerError::Unusable(why) => LedgerError::Unusable(format!("{place}: {why}")),
        passing @ LedgerError::Unavailable(_) => passing,
    };
    // Without the lock first: a user who may not create tables can use those that are there.
    if is_current(client).await.map_err(failed)?.map_err(named)? {
        return Ok(());
    }
    let locked = lock(client).await.map_err(failed)?;
    let applied = applied(&*locked).await.map_err(failed)?;
    let pending = migrations::pending(migrations::POSTGRES, &applied).map_err(named)?;
    apply(&locked, pending).await.map_err(failed)?;
    locked.commit().await.map_err(failed)
}

async fn is_current(client: &Client) -> std::result::Result<Result<bool>, Error> {
    let there = client.query_one("SELECT to_regclass('windlass_migrations') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(Ok(false));
    }
    let applied = applied(&***client).await?;
    Ok(migrations::pending(migrations::POSTGRES, &applied).map(<[_]>::is_empty))
}

/// Begins a transaction and waits its turn. What others do before us may take longer than one statement should.
async fn lock(client: &mut Client) -> std::result::Result<Transaction<'_>, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL statement_timeout = '10min'").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // Made rather than looked for: a look may answer from before the wait.
    transaction.batch_execute(migrations::TABLE).await?;
    Ok(transaction)
}

async fn applied(db: &impl GenericClient) -> std::result::Result<Vec<(i64, String)>, Error> {
    let rows = db.query(migrations::APPLIED, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn apply(db: &Transaction<'_>, pending: &[Migration]) -> std::result::Result<(), Error> {
    for migration in pending {
        db.batch_execute(migration.sql).await?;
        let (checksum, now) = (migration.checksum(), Timestamp::now().to_string());
        db.execute(migrations::APPLY, &[&migration.version, &migration.name, &checksum, &now]).await?;
    }
    Ok(())
}
