//! The embedded bus against raw group commits.
//!
//! Both sides write the same rows (a message of 8 KB and an entry for each of two queues) into the same tables of a
//! fresh file with the same pragmas (WAL, `synchronous=FULL`: a commit is on disk). Raw: one thread, prepared
//! statements, 128 messages a transaction, nobody to answer. Ours: 128 publishers at once, each publishing one message
//! and waiting until it is durable; the bus makes its groups of them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use bus::{Bus, Location, Settings};
use proto::{Message, WorkerName};
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::task::JoinSet;

use crate::{
    push,
    rounds::{Done, Measure, Plan, Turn, alternate},
};

pub(crate) const NAME: &str = "embedded bus, 8 KB messages, 128 publishers, SQLite";
const AIM: f64 = 0.70;
const PUBLISHERS: usize = 128;
/// The workers whose queues hear a webhook.
const HEAR: [WorkerName; 2] = [WorkerName::Normalizer, WorkerName::Recorder];

pub(crate) async fn measure(plan: Plan) -> Result<Measure> {
    let messages: Arc<[Message]> = push::messages().into();
    let rows: Arc<[Row]> = messages.iter().map(Row::of).collect();
    let raw = async || {
        let file = File::fresh().await?;
        let rows = Arc::clone(&rows);
        tokio::task::spawn_blocking(move || commit_groups(&file, &rows, plan)).await?
    };
    let ours = async || {
        let file = File::fresh().await?;
        let bus = file.open().await?;
        let turn = Turn::begin(plan.turn);
        let mut publishers = JoinSet::new();
        for first in 0..PUBLISHERS {
            publishers.spawn(publish(bus.clone(), Arc::clone(&messages), first, turn));
        }
        let done = publishers.join_all().await.into_iter().sum::<Result<Done>>()?;
        bus.close().await;
        file.check(done)?;
        Ok(turn.rate(done))
    };
    alternate(NAME, AIM, plan, raw, ours).await
}

async fn publish(bus: Bus, messages: Arc<[Message]>, first: usize, turn: Turn) -> Result<Done> {
    let mut done = Done::default();
    for message in messages.iter().cycle().skip(first) {
        bus.publish(std::slice::from_ref(message)).await?;
        if !turn.count(&mut done, 1) {
            break;
        }
    }
    Ok(done)
}

/// What a message is in the bus's own table.
struct Row {
    content_type: String,
    attributes: String,
    body: bytes::Bytes,
}

impl Row {
    fn of(message: &Message) -> Self {
        let attributes = serde_json::to_string(&message.attributes).unwrap();
        Self { content_type: message.content_type.clone(), attributes, body: message.body.clone() }
    }
}

fn commit_groups(file: &File, rows: &[Row], plan: Plan) -> Result<f64> {
    let mut connection = file.connect()?;
    let queues = HEAR.map(|worker| worker.queue().name());
    let mut rows = rows.iter().cycle();
    let mut done = Done::default();
    let turn = Turn::begin(plan.turn);
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in rows.by_ref().take(PUBLISHERS) {
            insert(&transaction, row, &queues)?;
        }
        transaction.commit()?;
        if !turn.count(&mut done, PUBLISHERS as u64) {
            break;
        }
    }
    drop(connection);
    file.check(done)?;
    Ok(turn.rate(done))
}

fn insert(connection: &Connection, row: &Row, queues: &[String]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO messages (content_type, attributes, body) VALUES (?1, ?2, ?3)")?
        .execute(params![row.content_type, row.attributes, &row.body[..]])?;
    let message = connection.last_insert_rowid();
    let mut entry =
        connection.prepare_cached("INSERT INTO entries (id, queue, due, failures) VALUES (?1, ?2, 0, 0)")?;
    for (number, queue) in (0_i64..).zip(queues) {
        entry.execute(params![(message << 5) + number, queue])?;
    }
    Ok(())
}

/// A bus file with its tables, in a folder of its own that goes with it.
struct File(tempfile::TempDir);

impl File {
    async fn fresh() -> Result<Self> {
        let file = Self(tempfile::tempdir()?);
        file.open().await?.close().await;
        Ok(file)
    }

    async fn open(&self) -> Result<Bus> {
        let settings = Settings {
            location: Location::Sqlite(self.path()),
            workers: HEAR.to_vec(),
            publish_deadline: Duration::from_secs(30),
            name: "windlass-bench".to_owned(),
        };
        Ok(Bus::open(settings).await?)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("bus.db")
    }

    /// A connection as the bus makes its own.
    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(self.path())?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        Ok(connection)
    }

    /// All that was durable must be there.
    fn check(&self, done: Done) -> Result<()> {
        let connection = self.connect()?;
        let count = |table: &str| -> rusqlite::Result<i64> {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        };
        let (messages, entries) = (count("messages")?.unsigned_abs(), count("entries")?.unsigned_abs());
        ensure!(messages == done.all, "{} were durable, the file holds {messages}", done.all);
        ensure!(entries == done.all * HEAR.len() as u64, "{messages} messages have {entries} entries");
        Ok(())
    }
}
