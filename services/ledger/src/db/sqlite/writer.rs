//! The one thread that writes. What waits together is committed together: one sync to disk serves them all.

use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    connection,
    error::{is_passing, ledger_error},
};
use crate::{
    LedgerError, Result,
    db::{Arg, Row},
};

/// Most jobs in one transaction: beyond this the sync is a small part of the cost, and other processes want the lock.
const GROUP: usize = 256;

/// One statement, to be run for each list of arguments.
struct Job {
    sql: &'static str,
    sets: Vec<Vec<Arg>>,
    reply: oneshot::Sender<Result<Vec<Row>>>,
}

/// The way to the thread; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(db: Connection, path: Arc<Path>) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || work(&db, &path, &waiting))
            .map_err(|why| LedgerError::Unavailable(format!("its thread cannot be started: {why}")))?;
        Ok(Self { jobs })
    }

    /// Returns the rows the statement returned, once they are durable.
    pub(super) async fn run(&self, sql: &'static str, sets: Vec<Vec<Arg>>) -> Result<Vec<Row>> {
        let ended = || LedgerError::Unavailable("its writer has ended; restart this program".to_owned());
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job { sql, sets, reply }).map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

fn work(db: &Connection, path: &Path, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let group = std::iter::once(first).chain(waiting.try_iter()).take(GROUP);
        // Nobody waits for the answer of a closed one: a claim made now would be nobody's.
        let group: Vec<Job> = group.filter(|job| !job.reply.is_closed()).collect();
        let outcomes = commit(db, &group);
        if outcomes.is_err() && !db.is_autocommit() {
            // Fails only when SQLite has rolled back by itself.
            let _ = db.execute_batch("ROLLBACK");
        }
        settle(path, group, outcomes);
    }
}

type Outcomes = Vec<rusqlite::Result<Vec<Row>>>;

/// Runs every job in one transaction. A job whose statement fails takes back its own changes only.
fn commit(db: &Connection, group: &[Job]) -> rusqlite::Result<Outcomes> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let outcomes = group.iter().map(|job| run(db, job)).collect::<rusqlite::Result<_>>()?;
    db.prepare_cached("COMMIT")?.execute([])?;
    Ok(outcomes)
}

/// The outer error is the machine's and ends the transaction.
fn run(db: &Connection, job: &Job) -> rusqlite::Result<rusqlite::Result<Vec<Row>>> {
    db.prepare_cached("SAVEPOINT job")?.execute([])?;
    let rows: rusqlite::Result<Vec<Vec<Row>>> =
        job.sets.iter().map(|args| connection::query(db, job.sql, args)).collect();
    let rows = rows.map(|rows| rows.into_iter().flatten().collect());
    match &rows {
        Err(why) if is_passing(why) || db.is_autocommit() => return rows.map(Ok),
        Err(_) => drop(db.prepare_cached("ROLLBACK TO job")?.execute([])?),
        Ok(_) => {}
    }
    db.prepare_cached("RELEASE job")?.execute([])?;
    Ok(rows)
}

fn settle(path: &Path, group: Vec<Job>, outcomes: rusqlite::Result<Outcomes>) {
    match outcomes {
        Ok(outcomes) => {
            for (job, outcome) in group.into_iter().zip(outcomes) {
                // A caller that went away meanwhile does not want to know.
                let _ = job.reply.send(outcome.map_err(|why| ledger_error(path, &why)));
            }
        }
        Err(why) => {
            let why = ledger_error(path, &why);
            for job in group {
                let _ = job.reply.send(Err(why.clone()));
            }
        }
    }
}
