//! The ledger's tables, read beside the running services: what they tell of themselves might be wrong, and counting
//! all events through the command line would take too long.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Where the ledger is.
pub(crate) enum Book {
    /// One file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Client),
}

impl Book {
    /// Opens the ledger that the configuration names, `sqlite` being in the data folder.
    pub(crate) async fn open(ledger: &str, data: &Path) -> Result<Self> {
        if ledger == "sqlite" {
            return Ok(Self::File(data.join("ledger.db")));
        }
        let (client, connection) = tokio_postgres::connect(ledger, NoTls).await?;
        tokio::spawn(connection);
        Ok(Self::Server(client))
    }

    /// The rows of a query, each column as text.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        match self {
            Self::File(path) => of_file(path, sql),
            Self::Server(client) => {
                let rows = client.simple_query(sql).await?.into_iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                Ok(rows.map(|row| (0..row.len()).map(|n| row.get(n).unwrap_or("").to_owned()).collect()).collect())
            }
        }
    }

    /// A query's one number.
    pub(crate) async fn number(&self, sql: &str) -> Result<u64> {
        let rows = self.rows(sql).await?;
        Ok(rows.first().and_then(|row| row.first()).map_or(Ok(0), |text| text.parse())?)
    }

    /// How many events are recorded.
    pub(crate) async fn events(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM events").await
    }

    /// How many runs are under way, or are to be run again.
    pub(crate) async fn unfinished(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM claims WHERE state IN ('running', 'failed')").await
    }

    /// How an id is written as text without hyphens.
    pub(crate) fn hex(&self, column: &str) -> String {
        match self {
            Self::File(_) => format!("lower(hex({column}))"),
            Self::Server(_) => format!("replace(CAST({column} AS text), '-', '')"),
        }
    }
}

fn of_file(path: &Path, sql: &str) -> Result<Vec<Vec<String>>> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, n: usize| {
        row.get::<_, rusqlite::types::Value>(n).map(|value| match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    };
    let rows = statement.query_map([], |row| (0..columns).map(|n| text(row, n)).collect())?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
