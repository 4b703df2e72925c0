//! The embedded bus: one SQLite file, for one machine and one consuming process.
//!
//! - [`store`] is the file: its tables, its pragmas, its errors in words, its lock.
//! - [`writer`] is the one thread that writes. It commits in groups: whatever queued up during one fsync shares the next.
//! - [`reader`] is the one thread that takes from queues, once this process consumes.
//! - [`queue`] is what memory knows of a queue: what is out, what came back, how far was read. It dies with the
//!   process, so after a crash everything unsettled is ready again.
//!
//! Other processes may open the same file and publish; only one consumes. Nothing here reads a payload.

mod damage;
mod feed;
mod queue;
mod reader;
mod store;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use proto::{Message, WorkerName, topology::RETRY_STEPS};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{BusError, Deliveries, Letters, Location, QueueState, Settings, codec};
pub use damage::Damaged;
pub(crate) use feed::Settle;
use queue::{Queue, Queues};
pub use store::{Inspected, Stock};
use writer::{Draft, Target};

/// The longest that a retry waits, as on RabbitMQ. What would have to wait longer was put off by a clock that was ahead.
const LONGEST: Duration = RETRY_STEPS[RETRY_STEPS.len() - 1];

/// A handle to the embedded bus; cheap to clone.
#[derive(Clone)]
pub struct SqliteBus(Arc<Inner>);

struct Inner {
    path: PathBuf,
    workers: Vec<WorkerName>,
    deadline: Duration,
    writer: writer::Handle,
    queues: Queues,
    /// Runs from the first `consume` on, and holds the lock that makes consuming exclusive.
    reader: Mutex<Option<(reader::Handle, JoinHandle<()>)>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    closed: CancellationToken,
}

impl SqliteBus {
    /// Opens the file, and makes it if need be. It is then published to and consumed from as [`crate::Bus::Sqlite`].
    pub async fn open(settings: Settings) -> Result<Self, BusError> {
        let Location::Sqlite(path) = settings.location else {
            return Err(BusError::Unusable(format!("{} is no file", settings.location)));
        };
        let (file, declared) = (path.clone(), settings.workers.clone());
        let (connection, workers) = blocking(move || store::open(&file, &declared)).await?;
        let (writer, thread) = writer::start(connection, path.clone());
        Ok(Self(Arc::new(Inner {
            path,
            workers,
            deadline: settings.publish_deadline,
            writer,
            queues: Queues::new(),
            reader: Mutex::new(None),
            writing: Mutex::new(Some(thread)),
            closed: CancellationToken::new(),
        })))
    }

    /// Reads a file that nobody has open through, and puts it out of the way if it is damaged; the next
    /// [`SqliteBus::open`] makes a new one. Fails where another process consumes from it, or it cannot be moved.
    pub async fn set_aside_if_damaged(path: PathBuf) -> Result<Option<Damaged>, BusError> {
        blocking(move || damage::set_aside(&path)).await
    }

    /// The files that were put out of the way beside this one and lie there still, the oldest first.
    pub fn set_aside(path: &Path) -> Vec<PathBuf> {
        damage::beside(path)
    }

    pub(crate) async fn publish(&self, messages: &[Message]) -> Result<(), BusError> {
        self.publish_within(self.0.deadline, messages).await
    }

    pub(crate) async fn publish_within(&self, deadline: Duration, messages: &[Message]) -> Result<(), BusError> {
        self.store(messages, deadline, |message| self.0.targets(message)).await
    }

    pub(crate) async fn publish_to(&self, worker: WorkerName, messages: &[Message]) -> Result<(), BusError> {
        self.0.check_declared(worker).await?;
        let target = [Target::plain(self.0.queues.of(worker))];
        self.store(messages, self.0.deadline, |_| target.to_vec()).await
    }

    async fn store(
        &self,
        messages: &[Message],
        deadline: Duration,
        targets: impl Fn(&Message) -> Vec<Target>,
    ) -> Result<(), BusError> {
        if messages.is_empty() {
            return Ok(());
        }
        let drafts = messages.iter().map(|m| draft(m, targets(m))).collect::<Result<Vec<_>, _>>()?;
        let stored = self.0.writer.publish(drafts);
        within(deadline, stored).await
    }

    pub(crate) fn consume(&self, worker: WorkerName, prefetch: u16) -> Result<Deliveries, BusError> {
        let source = self.feed(self.0.queues.of(worker), &permits(prefetch))?;
        // One place: what is read ahead stays with the reader's page, which is bounded in bytes.
        let (into, receiver) = mpsc::channel(1);
        tokio::spawn(source.deliver(into, worker.queue().single_active));
        Ok(Deliveries::new(receiver, self.0.closed.clone()))
    }

    pub(crate) fn dead_letters(&self, prefetch: u16) -> Result<Letters, BusError> {
        let permits = permits(prefetch);
        let (into, receiver) = mpsc::channel(1);
        for queue in [&self.0.queues.dead, &self.0.queues.unrouted] {
            tokio::spawn(self.feed(queue, &permits)?.deliver_letters(into.clone()));
        }
        Ok(Letters::new(receiver, self.0.closed.clone()))
    }

    fn feed(&self, queue: &Arc<Queue>, permits: &Arc<Semaphore>) -> Result<feed::Feed, BusError> {
        Ok(feed::Feed {
            queue: Arc::clone(queue),
            permits: Arc::clone(permits),
            reader: self.0.reader()?,
            writer: self.0.writer.clone(),
            dead: Arc::clone(&self.0.queues.dead),
            deadline: self.0.deadline,
            closed: self.0.closed.clone(),
        })
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.0.closed.is_cancelled() {
            return Err("the bus is closed".to_owned());
        }
        self.0.writer.health()
    }

    pub(crate) async fn queues(&self) -> Result<Vec<QueueState>, BusError> {
        let path = self.0.path.clone();
        let depths = blocking(move || store::depths(&path)).await?;
        // To try the lock that a consumer holds would keep a consumer that starts at that moment from it.
        Ok(depths.into_iter().map(|(name, waiting)| QueueState { name, waiting, consumers: None }).collect())
    }

    /// What lies in the file.
    pub async fn stock(&self) -> Result<Stock, BusError> {
        let path = self.0.path.clone();
        blocking(move || store::stock(&path)).await
    }

    /// What lies in a file that is another process's, or nobody's; nothing is written to it.
    pub async fn inspect(path: PathBuf) -> Result<Inspected, BusError> {
        blocking(move || store::inspect(&path)).await
    }

    pub(crate) async fn close(&self) {
        self.0.closed.cancel();
        self.0.writer.stop();
        let reader = lock(&self.0.reader).take();
        let writer = lock(&self.0.writing).take();
        let ended = tokio::task::spawn_blocking(move || {
            let reader = reader.map(|(handle, thread)| (handle.stop(), thread.join()));
            (reader, writer.map(JoinHandle::join))
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the embedded bus did not end in good order");
        }
    }
}

impl Inner {
    /// Where a published message goes: to whom its type is bound, or to the unrouted.
    fn targets(&self, message: &Message) -> Vec<Target> {
        let kind = message.attribute("type").parse().ok();
        let takes = |worker: &&WorkerName| kind.map_or(worker.queue().hears.is_empty(), |k| worker.queue().takes(k));
        let targets: Vec<_> = self.workers.iter().filter(takes).map(|w| Target::plain(self.queues.of(*w))).collect();
        if targets.is_empty() { vec![Target::unrouted(&self.queues.unrouted, message)] } else { targets }
    }

    /// A worker that this installation does not run has no queue: what is published to it would lie there for good.
    async fn check_declared(&self, worker: WorkerName) -> Result<(), BusError> {
        if self.workers.contains(&worker) {
            return Ok(());
        }
        let path = self.path.clone();
        let declared = blocking(move || store::declared(&path)).await?;
        if declared.contains(&worker) { Ok(()) } else { Err(codec::no_queue(worker)) }
    }

    fn reader(&self) -> Result<reader::Handle, BusError> {
        let mut slot = lock(&self.reader);
        if self.closed.is_cancelled() {
            return Err(closed());
        }
        if let Some((handle, _)) = &*slot {
            return Ok(handle.clone());
        }
        let (handle, thread) = reader::start(&self.path, self.queues.clone())?;
        *slot = Some((handle.clone(), thread));
        Ok(handle)
    }
}

fn draft(message: &Message, targets: Vec<Target>) -> Result<Draft, BusError> {
    codec::check_body(message)?;
    let attributes =
        serde_json::to_string(&message.attributes).map_err(|error| BusError::Refused(error.to_string()))?;
    Ok(Draft { attributes, content_type: message.content_type.clone(), body: message.body.clone(), targets })
}

/// The reason kept with a message that no queue took.
pub(crate) fn no_taker(message: &Message) -> String {
    format!("no queue takes `{}`", message.routing_key())
}

fn closed() -> BusError {
    BusError::Unavailable("the bus is closed".to_owned())
}

fn permits(prefetch: u16) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::from(prefetch.max(1))))
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let late = |_| BusError::Unavailable(format!("the disk did not confirm within {deadline:?}"));
    tokio::time::timeout(deadline, work).await.map_err(late)?
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(BusError::Unavailable(format!("the runtime stopped: {error}"))),
    }
}

/// State behind these locks is valid after every statement, so a panic elsewhere does not spoil it.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since the epoch, as the file keeps instants.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
