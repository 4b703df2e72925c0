//! What goes into a statement and comes out of one: the types both databases know, each in its own form.

use std::{fmt, str::FromStr, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use proto::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::de::DeserializeOwned;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::{LedgerError, Result};

/// An argument of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Null,
    Int(i64),
    Text(String),
    Bytes(Bytes),
    Uuid(Uuid),
    Time(Timestamp),
    /// Microseconds.
    Span(i64),
    /// An array; PostgreSQL only.
    List(Vec<Arg>),
}

/// A list of arguments.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Arg::from($value)),*] };
}
pub(crate) use args;

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Arg {
    /// NUL, which PostgreSQL cannot keep in a text, becomes U+FFFD.
    fn from(value: &str) -> Self {
        Self::Text(value.replace('\0', "\u{fffd}"))
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        value.as_str().into()
    }
}

impl From<Bytes> for Arg {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

impl From<Uuid> for Arg {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl From<Timestamp> for Arg {
    /// Both databases keep microseconds; PostgreSQL no year before 4713 BC, so nothing before the year 1.
    fn from(value: Timestamp) -> Self {
        const YEAR_ONE: i64 = -62_135_596_800_000_000;
        let micros = value.as_microsecond().max(YEAR_ONE);
        Self::Time(Timestamp::from_microsecond(micros).unwrap_or(value))
    }
}

impl From<Duration> for Arg {
    /// Longer than ten years is ten years.
    fn from(value: Duration) -> Self {
        const TEN_YEARS: Duration = Duration::from_hours(3653 * 24);
        Self::Span(i64::try_from(value.min(TEN_YEARS).as_micros()).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Arg {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Arg {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.as_ref().to_sql(ty, out),
            Self::Uuid(value) => value.to_sql(ty, out),
            Self::Time(value) => value.to_sql(ty, out),
            Self::Span(micros) => {
                // An interval on the wire: microseconds, days, months.
                out.put_i64(*micros);
                out.put_i32(0);
                out.put_i32(0);
                Ok(IsNull::No)
            }
            Self::List(values) => values.to_sql(ty, out),
        }
    }

    /// The statements are ours, and a test runs each: what they expect is what they are given.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl rusqlite::ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) | Self::Span(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Uuid(value) => ValueRef::Blob(value.as_bytes()),
            Self::Time(value) => ValueRef::Integer(value.as_microsecond()),
            Self::List(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("SQLite has no arrays".into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// A value as a database gave it.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Bytes),
    Uuid(Uuid),
    Time(Timestamp),
}

/// A row as a database gave it.
#[derive(Debug)]
pub(crate) struct Row(Vec<Cell>);

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Self(cells)
    }

    /// The value in a column, counted from 0.
    pub(crate) fn get<T: FromCell>(&self, column: usize) -> Result<T> {
        let cell = self.0.get(column).unwrap_or(&Cell::Null);
        T::from_cell(cell).ok_or_else(|| unreadable(column, &"another kind of value was expected"))
    }

    /// The text in a column, read as what it names.
    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(&self, column: usize) -> Result<T> {
        self.get::<String>(column)?.parse().map_err(|why: T::Err| unreadable(column, &why))
    }

    /// The same where there may be none.
    pub(crate) fn parse_optional<T: FromStr<Err: fmt::Display>>(&self, column: usize) -> Result<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|why: T::Err| unreadable(column, &why))).transpose()
    }

    /// The JSON in a column.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|why| unreadable(column, &why))
    }
}

fn unreadable(column: usize, why: &dyn fmt::Display) -> LedgerError {
    LedgerError::Unusable(format!(
        "it holds what this build cannot read (column {column}: {why}); was it written by a newer build?"
    ))
}

/// What can be read from a [`Cell`].
pub(crate) trait FromCell: Sized {
    fn from_cell(cell: &Cell) -> Option<Self>;
}

/// One line a type: which cells it is read from.
macro_rules! from_cell {
    ($($type:ty: { $($pattern:pat => $value:expr),+ $(,)? })+) => {
        $(impl FromCell for $type {
            fn from_cell(cell: &Cell) -> Option<Self> {
                match cell {
                    $($pattern => $value,)+
                    _ => None,
                }
            }
        })+
    };
}

from_cell! {
    bool: { Cell::Bool(value) => Some(*value), Cell::Int(value) => Some(*value != 0) }
    i64: { Cell::Int(value) => Some(*value) }
    u32: { Cell::Int(value) => (*value).try_into().ok() }
    String: { Cell::Text(value) => Some(value.clone()) }
    Bytes: { Cell::Bytes(value) => Some(value.clone()) }
    Uuid: { Cell::Uuid(value) => Some(*value), Cell::Bytes(value) => Self::from_slice(value).ok() }
    Timestamp: { Cell::Time(value) => Some(*value), Cell::Int(value) => Self::from_microsecond(*value).ok() }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}
