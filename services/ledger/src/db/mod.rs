//! The two databases behind one set of statements, and all in which they differ.
//!
//! Statements are written in what PostgreSQL and SQLite have in common. What they lack of each other is given here:
//! SQLite gets a function `clock_timestamp()`, and [`Arg`] writes instants, spans and UUIDs as each keeps them.
//! A module above this one names no database.

mod migrations;
mod postgres;
mod sqlite;
mod value;

use std::borrow::Cow;

use crate::{Location, Result};

pub(crate) use value::{Arg, Row, args};

/// A handle to a database; cheap to clone.
#[derive(Clone)]
pub(crate) enum Db {
    Postgres(postgres::Postgres),
    Sqlite(sqlite::Sqlite),
}

impl Db {
    pub(crate) async fn open(location: &Location) -> Result<Self> {
        match location {
            Location::Postgres(url) => postgres::Postgres::open(url, location.to_string()).await.map(Self::Postgres),
            Location::Sqlite(path) => sqlite::Sqlite::open(path).await.map(Self::Sqlite),
        }
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        match self {
            Self::Postgres(db) => db.ping().await,
            Self::Sqlite(db) => db.ping().await,
        }
    }

    /// Runs a statement that changes nothing.
    pub(crate) async fn read(&self, sql: impl Into<Cow<'static, str>>, args: Vec<Arg>) -> Result<Vec<Row>> {
        match self {
            Self::Postgres(db) => db.query(&sql.into(), &args).await,
            Self::Sqlite(db) => db.read(sql.into(), args).await,
        }
    }

    /// Runs a statement that may change rows, and returns once that is durable. It may be run a second time when the
    /// connection was lost with the answer under way, so it must bear that.
    pub(crate) async fn write(&self, sql: &'static str, args: Vec<Arg>) -> Result<Vec<Row>> {
        match self {
            Self::Postgres(db) => db.query(sql, &args).await,
            Self::Sqlite(db) => db.write(sql, vec![args]).await,
        }
    }

    /// Inserts many rows, all or none. `one` takes a row's values, `arrays` one array a column.
    pub(crate) async fn insert(
        &self,
        one: &'static str,
        arrays: &'static str,
        rows: Vec<Vec<Arg>>,
    ) -> Result<Vec<Row>> {
        match self {
            Self::Postgres(db) => db.query(arrays, &columns(rows)).await,
            Self::Sqlite(db) => db.write(one, rows).await,
        }
    }
}

/// Rows turned to columns.
fn columns(rows: Vec<Vec<Arg>>) -> Vec<Arg> {
    let mut columns = vec![Vec::with_capacity(rows.len()); rows.first().map_or(0, Vec::len)];
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    columns.into_iter().map(Arg::List).collect()
}
