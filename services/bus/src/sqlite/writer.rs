//! The one thread that writes. Whatever queued up during one fsync shares the next transaction.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use proto::{Message, WorkerName};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    LONGEST, closed, lock, no_taker, now,
    queue::{Claim, Queue},
    store::{self, ENTRY_BITS},
};
use crate::BusError;

/// Jobs that may wait for the writer; who comes later waits outside, under his own deadline.
const WAITING: usize = 1024;
/// A transaction takes no further job once it has this many, or this many bytes of bodies.
const GROUP_JOBS: usize = 512;
const GROUP_BYTES: usize = 16 << 20;
/// How often a writer that failed tries whether it still does.
const PROBE: Duration = Duration::from_secs(1);

/// A message about to be stored.
pub(super) struct Draft {
    pub(super) attributes: String,
    pub(super) content_type: String,
    pub(super) body: Bytes,
    pub(super) targets: Vec<Target>,
}

/// A queue a message goes to, and why, where it goes to the unrouted.
#[derive(Clone)]
pub(super) struct Target {
    queue: Arc<Queue>,
    unrouted: Option<String>,
}

impl Target {
    pub(super) fn plain(queue: &Arc<Queue>) -> Self {
        Self { queue: Arc::clone(queue), unrouted: None }
    }

    pub(super) fn unrouted(queue: &Arc<Queue>, message: &Message) -> Self {
        Self { queue: Arc::clone(queue), unrouted: Some(no_taker(message)) }
    }
}

/// How a delivery ends.
pub(super) enum End {
    Done,
    Again { failures: u32, after: Duration },
    Dead { dead: Arc<Queue>, worker: Option<WorkerName>, reason: String, attempts: u32 },
}

type Reply = oneshot::Sender<Result<(), BusError>>;

enum Job {
    Publish(Vec<Draft>, Reply, OwnedSemaphorePermit),
    Settle(Claim, End, Reply),
    Stop,
}

/// What the writer last ran into, if it did.
type Health = Arc<Mutex<Option<String>>>;

#[derive(Clone)]
pub(super) struct Handle {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<Semaphore>,
    health: Health,
}

impl Handle {
    pub(super) async fn publish(&self, drafts: Vec<Draft>) -> Result<(), BusError> {
        let place = Arc::clone(&self.waiting).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Publish(drafts, reply, place)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Settles even if the returned future is dropped: from here on the writer holds the claim.
    pub(super) async fn settle(&self, claim: Claim, end: End) -> Result<(), BusError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Settle(claim, end, reply)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(super) fn health(&self) -> Result<(), String> {
        lock(&self.health).clone().map_or(Ok(()), Err)
    }

    /// Ends the thread once it has done what waits before this.
    pub(super) fn stop(&self) {
        // Gone already is as good.
        let _ = self.jobs.send(Job::Stop);
    }
}

pub(super) fn start(connection: Connection, path: PathBuf) -> (Handle, JoinHandle<()>) {
    let (jobs, queue) = mpsc::channel();
    let health = Health::default();
    let mut writer = Writer { connection, path, queue, health: Arc::clone(&health) };
    let thread = std::thread::spawn(move || writer.run());
    (Handle { jobs, waiting: Arc::new(Semaphore::new(WAITING)), health }, thread)
}

struct Writer {
    connection: Connection,
    path: PathBuf,
    queue: mpsc::Receiver<Job>,
    health: Health,
}

impl Writer {
    fn run(&mut self) {
        while let Some(first) = self.next() {
            let (group, last) = self.gather(first);
            let outcome = commit(&mut self.connection, &group);
            let outcome = outcome.map_err(|error| store::in_use(&self.path, &error));
            self.note(outcome.as_ref().err());
            for job in group {
                finish(job, &outcome);
            }
            if last {
                return;
            }
        }
    }

    /// The next job to begin a group with; `None` at the end. While it fails, it tries by itself whether it still does.
    fn next(&mut self) -> Option<Job> {
        loop {
            let job = if lock(&self.health).is_some() {
                self.queue.recv_timeout(PROBE)
            } else {
                self.queue.recv().map_err(RecvTimeoutError::from)
            };
            match job {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => self.probe(),
            }
        }
    }

    fn probe(&mut self) {
        let version = self.connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
        let outcome = version.and_then(|version| self.connection.pragma_update(None, "user_version", version));
        let error = outcome.err().map(|error| store::in_use(&self.path, &error));
        self.note(error.as_ref());
    }

    fn note(&self, error: Option<&BusError>) {
        let mut health = lock(&self.health);
        match (&*health, error) {
            (None, Some(error)) => tracing::error!(%error, "the embedded bus cannot write"),
            (Some(_), None) => tracing::info!("the embedded bus writes again"),
            _ => {}
        }
        *health = error.map(ToString::to_string);
    }

    fn gather(&self, first: Job) -> (Vec<Job>, bool) {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_JOBS && bytes < GROUP_BYTES {
            match self.queue.try_recv() {
                Ok(Job::Stop) => return (group, true),
                Ok(job) => {
                    bytes += job.bytes();
                    group.push(job);
                }
                Err(_) => break,
            }
        }
        (group, false)
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Publish(drafts, ..) => drafts.iter().map(|draft| draft.body.len()).sum(),
            Self::Settle(..) | Self::Stop => 0,
        }
    }
}

fn commit(connection: &mut Connection, group: &[Job]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        match job {
            Job::Publish(drafts, ..) => drafts.iter().try_for_each(|draft| insert(&transaction, draft))?,
            Job::Settle(claim, end, _) => settle(&transaction, claim.entry, end)?,
            Job::Stop => {}
        }
    }
    transaction.commit()
}

fn insert(transaction: &Transaction<'_>, draft: &Draft) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO messages (content_type, attributes, body) VALUES (?1, ?2, ?3)")?
        .execute(params![draft.content_type, draft.attributes, &draft.body[..]])?;
    let message = transaction.last_insert_rowid();
    let mut insert = transaction.prepare_cached(
        "INSERT INTO entries (id, queue, due, failures, reason, parked_at) VALUES (?1, ?2, 0, 0, ?3, ?4)",
    )?;
    for (number, target) in (0_i64..).zip(&draft.targets) {
        let parked_at = target.unrouted.as_ref().map(|_| now());
        insert.execute(params![(message << ENTRY_BITS) + number, target.queue.name, target.unrouted, parked_at])?;
    }
    Ok(())
}

fn settle(transaction: &Transaction<'_>, entry: i64, end: &End) -> rusqlite::Result<()> {
    match end {
        End::Done => remove(transaction, entry),
        End::Again { failures, after } => {
            let after = i64::try_from((*after).min(LONGEST).as_millis()).unwrap_or(i64::MAX);
            transaction
                .prepare_cached("UPDATE entries SET due = ?2, failures = ?3 WHERE id = ?1")?
                .execute(params![entry, now().saturating_add(after), failures])
                .map(drop)
        }
        End::Dead { dead, worker, reason, attempts } => {
            let parked_at = now();
            let worker = worker.map(WorkerName::as_str);
            transaction
                .prepare_cached(
                    "UPDATE entries SET queue = ?2, due = ?3, failures = ?4, worker = ?5, reason = ?6, parked_at = ?3
                     WHERE id = ?1",
                )?
                .execute(params![entry, dead.name, parked_at, attempts, worker, reason])
                .map(drop)
        }
    }
}

/// Removes an entry, and with its message's last entry the message.
fn remove(transaction: &Transaction<'_>, entry: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?.execute([entry])?;
    let message = entry >> ENTRY_BITS;
    transaction
        .prepare_cached(
            "DELETE FROM messages WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE id BETWEEN ?2 AND ?3)",
        )?
        .execute([message, message << ENTRY_BITS, ((message + 1) << ENTRY_BITS) - 1])
        .map(drop)
}

/// Tells memory and the caller. A claim whose settlement was not committed goes back by being dropped.
fn finish(job: Job, outcome: &Result<(), BusError>) {
    // A caller that no longer waits has been told nothing, and so must take it as unknown.
    match job {
        Job::Publish(drafts, reply, _place) => {
            if outcome.is_ok() {
                drafts.iter().flat_map(|draft| &draft.targets).for_each(|target| target.queue.wake());
            }
            let _ = reply.send(outcome.clone());
        }
        Job::Settle(claim, end, reply) => {
            if outcome.is_ok() {
                let queue = Arc::clone(&claim.queue);
                claim.settled();
                match end {
                    End::Done => {}
                    End::Again { .. } => queue.wake(),
                    End::Dead { dead, .. } => dead.wake(),
                }
            }
            let _ = reply.send(outcome.clone());
        }
        Job::Stop => {}
    }
}
