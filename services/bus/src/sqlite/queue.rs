//! What memory knows of a queue: what is out, what came back, and how far the file was read.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex},
};

use proto::{
    WorkerName,
    topology::{DEAD, UNROUTED},
};
use tokio::sync::watch;

use super::lock;

/// Every queue there can be; made once, so all speak of the same state.
#[derive(Clone)]
pub(super) struct Queues {
    workers: Arc<[Arc<Queue>]>,
    pub(super) dead: Arc<Queue>,
    pub(super) unrouted: Arc<Queue>,
}

impl Queues {
    pub(super) fn new() -> Self {
        Self {
            workers: WorkerName::ALL.iter().map(|worker| Queue::new(worker.queue().name())).collect(),
            dead: Queue::new(DEAD.to_owned()),
            unrouted: Queue::new(UNROUTED.to_owned()),
        }
    }

    pub(super) fn of(&self, worker: WorkerName) -> &Arc<Queue> {
        // Made from `ALL`, which stands in the enum's order.
        &self.workers[worker as usize]
    }

    /// Something may have changed in the file.
    pub(super) fn wake_all(&self) {
        self.workers.iter().chain([&self.dead, &self.unrouted]).for_each(|queue| queue.wake());
    }
}

/// One queue's state in this process.
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) state: Mutex<State>,
    /// Changes whenever there may be something to take.
    pub(super) changed: watch::Sender<()>,
    /// Held by the one consumer that takes, where only one may.
    pub(super) single: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
pub(super) struct State {
    /// Entries that no query may give out: with a consumer, or in `returned`.
    pub(super) taken: HashSet<i64>,
    /// Entries that came back unsettled, in order; they go out before anything else.
    pub(super) returned: BTreeSet<i64>,
    /// The last never-retried entry given out.
    pub(super) read_up_to: i64,
}

impl Queue {
    fn new(name: String) -> Arc<Self> {
        Arc::new(Self { name, state: Mutex::default(), changed: watch::Sender::new(()), single: Arc::default() })
    }

    pub(super) fn wake(&self) {
        self.changed.send_replace(());
    }
}

/// An entry that is out. Dropped before it is settled, it goes back.
pub(super) struct Claim {
    pub(super) queue: Arc<Queue>,
    pub(super) entry: i64,
    settled: bool,
}

impl Claim {
    /// Marks the entry as out.
    pub(super) fn new(queue: &Arc<Queue>, entry: i64) -> Self {
        lock(&queue.state).taken.insert(entry);
        Self { queue: Arc::clone(queue), entry, settled: false }
    }

    /// The file says what becomes of the entry, and it is committed.
    pub(super) fn settled(mut self) {
        self.settled = true;
        lock(&self.queue.state).taken.remove(&self.entry);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.settled {
            lock(&self.queue.state).returned.insert(self.entry);
            self.queue.wake();
        }
    }
}
