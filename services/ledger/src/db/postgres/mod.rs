//! PostgreSQL: a pool of connections, each statement with a deadline, and connections made anew after a restart.

mod error;
mod migrate;
mod tls;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use deadpool_postgres::{Client, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use proto::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::{Arg, Row, value::Cell};
use crate::{LedgerError, Result};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for one of the pool to come free.
const WAIT: Duration = Duration::from_secs(10);
/// How long the server may run one statement.
const STATEMENT: Duration = Duration::from_secs(30);
/// How much longer the answer may take to arrive.
const GRACE: Duration = Duration::from_secs(5);
/// Connections a process: a dozen processes fit PostgreSQL's default of 100.
const CONNECTIONS: usize = 8;

/// A handle to the pool; cheap to clone.
#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Pool,
    /// The address without its password, for errors.
    place: Arc<str>,
}

impl Postgres {
    pub(super) async fn open(url: &str, place: String) -> Result<Self> {
        let (config, tls) = tls::settings(url).map_err(|why| LedgerError::Unusable(format!("{place}: {why}")))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(bounded(config), tls, recycling);
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT + GRACE))
            .recycle_timeout(Some(GRACE))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|why| LedgerError::Unusable(format!("{place}: {why}")))?;
        let db = Self { pool, place: place.into() };
        migrate::migrate(&mut db.client().await?, &db.place).await?;
        Ok(db)
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.query("SELECT 1", &[]).await.map(drop)
    }

    /// Runs a statement; a second time on a new connection when the first was lost, as a pooled one is after the
    /// server's restart, or when the server itself says "again".
    pub(super) async fn query(&self, sql: &str, args: &[Arg]) -> Result<Vec<Row>> {
        match self.attempt(sql, args).await {
            Err(why) if error::is_worth_again(&why) => {
                tracing::debug!(ledger = %self.place, %why, "the statement is run again on a new connection");
                self.pool.retain(|_, _| false);
                self.attempt(sql, args).await
            }
            outcome => outcome,
        }
        .map_err(|why| error::ledger_error(&self.place, &why))
    }

    async fn attempt(&self, sql: &str, args: &[Arg]) -> std::result::Result<Vec<Row>, error::Failure> {
        let client = self.pool.get().await?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        let run = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, &args).await
        };
        let Ok(rows) = tokio::time::timeout(STATEMENT + GRACE, run).await else {
            // Whoever is silent for so long is not asked again.
            drop(Object::take(client));
            return Err(error::Failure::Silent(STATEMENT + GRACE));
        };
        rows?.iter().map(|row| row_of(row).map_err(error::Failure::Server)).collect()
    }

    async fn client(&self) -> Result<Client> {
        self.pool.get().await.map_err(|why| error::ledger_error(&self.place, &why.into()))
    }
}

/// The address's own settings, with limits where it has none.
fn bounded(mut config: tokio_postgres::Config) -> tokio_postgres::Config {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_application_name().is_none() {
        config.application_name("windlass");
    }
    let limit = format!("-c statement_timeout={}", STATEMENT.as_millis());
    let options = config.get_options().map_or(limit.clone(), |own| format!("{limit} {own}"));
    config.options(options).keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(STATEMENT);
    config
}

fn row_of(row: &tokio_postgres::Row) -> std::result::Result<Row, tokio_postgres::Error> {
    (0..row.len()).map(|column| cell(row, column)).collect::<std::result::Result<_, _>>().map(Row::new)
}

fn cell(row: &tokio_postgres::Row, column: usize) -> std::result::Result<Cell, tokio_postgres::Error> {
    let kind = row.columns()[column].type_();
    Ok(match *kind {
        Type::BOOL => row.try_get::<_, Option<bool>>(column)?.map(Cell::Bool),
        Type::INT4 => row.try_get::<_, Option<i32>>(column)?.map(|value| Cell::Int(value.into())),
        Type::INT8 => row.try_get::<_, Option<i64>>(column)?.map(Cell::Int),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column)?.map(|value| Cell::Bytes(Bytes::from(value))),
        Type::UUID => row.try_get::<_, Option<Uuid>>(column)?.map(Cell::Uuid),
        Type::TIMESTAMPTZ => row.try_get::<_, Option<Timestamp>>(column)?.map(Cell::Time),
        _ => row.try_get::<_, Option<String>>(column)?.map(Cell::Text),
    }
    .unwrap_or(Cell::Null))
}
