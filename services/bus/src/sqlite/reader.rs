//! The one thread that takes from queues. It holds the lock that makes this process the file's consumer, and
//! notices what other processes publish.
//!
//! Who asks for a page gives up nothing: rows that nobody receives go back by being dropped.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use proto::Message;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::oneshot;

use super::{
    LONGEST, closed, lock, now,
    queue::{Claim, Queue, Queues},
    store::{self, Consuming, ENTRY_BITS},
};
use crate::BusError;

/// How often to look whether another process has published.
const LOOK: Duration = Duration::from_millis(200);
/// A page ends with the message that reaches this, so a queue of large bodies is not read ahead.
const PAGE_BYTES: usize = 4 << 20;
/// Messages in a page, whatever the prefetch.
const PAGE: usize = 512;

const COLUMNS: &str =
    "e.id, e.failures, e.worker, e.reason, e.parked_at, m.content_type, m.attributes, m.body FROM entries e
     JOIN messages m ON m.id = e.id >> ";

/// One entry with its message.
pub(super) struct Taken {
    pub(super) claim: Claim,
    pub(super) message: Message,
    pub(super) failures: u32,
    pub(super) redelivered: bool,
    pub(super) worker: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) parked_at: Option<i64>,
}

/// What a queue had to give.
pub(super) struct Page {
    pub(super) rows: Vec<Taken>,
    /// When the next entry falls due, if one waits for its time.
    pub(super) next_due: Option<Duration>,
}

struct Ask {
    queue: Arc<Queue>,
    most: usize,
    reply: oneshot::Sender<Result<Page, BusError>>,
}

#[derive(Clone)]
pub(super) struct Handle(mpsc::Sender<Option<Ask>>);

impl Handle {
    /// Takes up to so many from the queue.
    pub(super) async fn take(&self, queue: &Arc<Queue>, most: usize) -> Result<Page, BusError> {
        let (reply, page) = oneshot::channel();
        self.0.send(Some(Ask { queue: Arc::clone(queue), most, reply })).map_err(|_| closed())?;
        page.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(super) fn stop(&self) {
        // Gone already is as good.
        let _ = self.0.send(None);
    }
}

pub(super) fn start(path: &Path, queues: Queues) -> Result<(Handle, JoinHandle<()>), BusError> {
    let consuming = Consuming::begin(path)?;
    let connection = store::connect(path).map_err(|error| store::on_open(path, &error))?;
    let (asks, inbox) = mpsc::channel();
    let reader = Reader {
        connection,
        path: path.to_owned(),
        inbox,
        queues,
        found: consuming.given_out(),
        given_out: Cell::new(consuming.given_out()),
        seen: 0,
        consuming,
    };
    Ok((Handle(asks), std::thread::spawn(move || reader.run())))
}

struct Reader {
    connection: Connection,
    path: PathBuf,
    inbox: mpsc::Receiver<Option<Ask>>,
    queues: Queues,
    /// The last entry that an earlier process gave out: up to it, it may have given out others too.
    found: i64,
    /// The last entry that any process gave out.
    given_out: Cell<i64>,
    /// `PRAGMA data_version` at the last look.
    seen: i64,
    consuming: Consuming,
}

impl Reader {
    fn run(mut self) {
        let mut looked = Instant::now();
        loop {
            match self.inbox.recv_timeout(LOOK.saturating_sub(looked.elapsed())) {
                Ok(Some(ask)) => self.answer(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(None) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK {
                self.look();
                looked = Instant::now();
            }
        }
    }

    /// Our own commits change the version too: the wake-up they cost finds nothing, five times a second at most.
    fn look(&mut self) {
        let version = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0));
        if let Ok(version) = version
            && version != self.seen
        {
            self.seen = version;
            self.queues.wake_all();
        }
    }

    fn answer(&self, ask: Ask) {
        let page = self.page(&ask.queue, ask.most.min(PAGE));
        // Nobody there any more: the rows go back.
        let _ = ask.reply.send(page.map_err(|error| store::in_use(&self.path, &error)));
    }

    fn page(&self, queue: &Arc<Queue>, most: usize) -> rusqlite::Result<Page> {
        let mut page = Filling { queue, found: self.found, most, bytes: 0, rows: Vec::new() };
        self.take_returned(&mut page)?;
        self.take_due(&mut page)?;
        self.take_fresh(&mut page)?;
        if let Some(last) = page.rows.iter().map(|row| row.claim.entry).max()
            && last > self.given_out.get()
        {
            self.given_out.set(last);
            self.consuming.note_given_out(last);
        }
        let next_due = if page.rows.is_empty() { self.next_due(queue)? } else { None };
        Ok(Page { rows: page.rows, next_due })
    }

    /// What came back unsettled.
    fn take_returned(&self, page: &mut Filling<'_>) -> rusqlite::Result<()> {
        while !page.full() {
            let Some(entry) = lock(&page.queue.state).returned.pop_first() else { return Ok(()) };
            let claim = Claim::new(page.queue, entry);
            let mut select =
                self.connection.prepare_cached(&format!("SELECT {COLUMNS} {ENTRY_BITS} WHERE e.id = ?1"))?;
            match select.query_row([entry], |row| read(row, true)).optional()? {
                Some(row) => page.push(row.with(claim)),
                None => claim.settled(),
            }
        }
        Ok(())
    }

    /// What waited for its time, and what would wait longer than anything does: the clock was set back since.
    fn take_due(&self, page: &mut Filling<'_>) -> rusqlite::Result<()> {
        let now = now();
        self.take_due_between(page, 1, now)?;
        let longest = i64::try_from(LONGEST.as_millis()).unwrap_or(i64::MAX);
        self.take_due_between(page, now.saturating_add(longest).saturating_add(1), i64::MAX)
    }

    /// What is out must be known before the query sees the file: settled in between, it would be given out again.
    fn take_due_between(&self, page: &mut Filling<'_>, first: i64, last: i64) -> rusqlite::Result<()> {
        if page.full() {
            return Ok(());
        }
        let taken = lock(&page.queue.state).taken.clone();
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} {ENTRY_BITS} WHERE e.queue = ?1 AND e.due BETWEEN ?2 AND ?3 ORDER BY e.due, e.id"
        ))?;
        let mut rows = select.query((&page.queue.name, first, last))?;
        while !page.full()
            && let Some(row) = rows.next()?
        {
            let entry = row.get(0)?;
            if !taken.contains(&entry) {
                page.push(read(row, entry <= page.found)?.with(Claim::new(page.queue, entry)));
            }
        }
        Ok(())
    }

    /// What was never given out by this process.
    fn take_fresh(&self, page: &mut Filling<'_>) -> rusqlite::Result<()> {
        if page.full() {
            return Ok(());
        }
        let after = lock(&page.queue.state).read_up_to;
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} {ENTRY_BITS} WHERE e.queue = ?1 AND e.due = 0 AND e.id > ?2 ORDER BY e.id"
        ))?;
        let mut rows = select.query((&page.queue.name, after))?;
        while !page.full()
            && let Some(row) = rows.next()?
        {
            let entry = row.get(0)?;
            let row = read(row, entry <= page.found)?.with(Claim::new(page.queue, entry));
            lock(&page.queue.state).read_up_to = entry;
            page.push(row);
        }
        Ok(())
    }

    fn next_due(&self, queue: &Queue) -> rusqlite::Result<Option<Duration>> {
        let now = now();
        let mut select =
            self.connection.prepare_cached("SELECT min(due) FROM entries WHERE queue = ?1 AND due > ?2")?;
        let due: Option<i64> = select.query_row((&queue.name, now), |row| row.get(0))?;
        Ok(due.map(|due| Duration::from_millis(due.abs_diff(now))))
    }
}

struct Filling<'a> {
    queue: &'a Arc<Queue>,
    found: i64,
    most: usize,
    bytes: usize,
    rows: Vec<Taken>,
}

impl Filling<'_> {
    fn full(&self) -> bool {
        self.rows.len() >= self.most || self.bytes >= PAGE_BYTES
    }

    fn push(&mut self, row: Taken) {
        self.bytes += row.message.body.len();
        self.rows.push(row);
    }
}

/// A row as read, before it is marked as out.
struct Read {
    message: Message,
    failures: u32,
    redelivered: bool,
    worker: Option<String>,
    reason: Option<String>,
    parked_at: Option<i64>,
}

impl Read {
    fn with(self, claim: Claim) -> Taken {
        let Self { message, failures, redelivered, worker, reason, parked_at } = self;
        Taken { claim, message, failures, redelivered, worker, reason, parked_at }
    }
}

fn read(row: &Row<'_>, redelivered: bool) -> rusqlite::Result<Read> {
    let attributes: String = row.get(6)?;
    Ok(Read {
        message: Message {
            // Written by this crate; whatever became of it, the body still goes to its worker.
            attributes: serde_json::from_str(&attributes).unwrap_or_default(),
            content_type: row.get(5)?,
            body: row.get::<_, Vec<u8>>(7)?.into(),
        },
        failures: row.get(1)?,
        redelivered,
        worker: row.get(2)?,
        reason: row.get(3)?,
        parked_at: row.get(4)?,
    })
}
