//! Connections that read, made when first needed and kept; the write-ahead log lets them read beside the writer.

use std::{
    borrow::Cow,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{connection, error::ledger_error};
use crate::{
    LedgerError, Result,
    db::{Arg, Row},
};

/// Readers at once: more would only wait for the same disk.
const READERS: usize = 4;

pub(super) struct Readers {
    path: Arc<Path>,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Readers {
    pub(super) fn new(path: Arc<Path>) -> Self {
        Self { path, idle: Mutex::default(), places: Semaphore::new(READERS) }
    }

    pub(super) async fn run(self: Arc<Self>, sql: Cow<'static, str>, args: Vec<Arg>) -> Result<Vec<Row>> {
        let stopped = |why: &dyn std::fmt::Display| LedgerError::Unavailable(format!("reading was stopped: {why}"));
        let _place = self.places.acquire().await.map_err(|why| stopped(&why))?;
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || readers.read(&sql, &args));
        read.await.map_err(|why| stopped(&why))?
    }

    /// A connection that failed is not kept.
    fn read(&self, sql: &str, args: &[Arg]) -> Result<Vec<Row>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let read = || {
            let db = idle.map_or_else(|| connection::open_to_read(&self.path), Ok)?;
            Ok((connection::query(&db, sql, args)?, db))
        };
        let (rows, db) = read().map_err(|why| ledger_error(&self.path, &why))?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        Ok(rows)
    }
}
