//! One SQLite file: a thread that writes, in groups, and a few connections that read.
//!
//! Several processes may have the file open; whoever writes takes SQLite's own lock for the length of a transaction.

mod connection;
mod error;
mod migrate;
mod reader;
mod writer;

use std::{borrow::Cow, path::Path, sync::Arc};

use super::{Arg, Row};
use crate::{LedgerError, Result};

use reader::Readers;
use writer::Writer;

/// A handle to the file; cheap to clone. The writer's thread ends with the last one.
#[derive(Clone)]
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let file: Arc<Path> = path.into();
        let opened = tokio::task::spawn_blocking({
            let file = file.clone();
            move || open(&file)
        });
        let writer =
            opened.await.map_err(|why| LedgerError::Unavailable(format!("opening it was stopped: {why}")))??;
        Ok(Self { writer, readers: Arc::new(Readers::new(file)) })
    }

    /// Takes and lets go of the write lock: the writer lives, the file can be read, and nobody sits on the lock.
    pub(super) async fn ping(&self) -> Result<()> {
        self.writer.run("SELECT count(*) FROM windlass_migrations", vec![Vec::new()]).await.map(drop)
    }

    pub(super) async fn read(&self, sql: Cow<'static, str>, args: Vec<Arg>) -> Result<Vec<Row>> {
        self.readers.clone().run(sql, args).await
    }

    /// Runs the statement for each list of arguments, in one transaction.
    pub(super) async fn write(&self, sql: &'static str, sets: Vec<Vec<Arg>>) -> Result<Vec<Row>> {
        self.writer.run(sql, sets).await
    }
}

fn open(path: &Arc<Path>) -> Result<Writer> {
    connection::create(path)?;
    let db = connection::open_to_write(path)?;
    migrate::migrate(&db, path)?;
    Writer::start(db, path.clone())
}
