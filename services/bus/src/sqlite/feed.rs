//! From the reader to a consumer: one task a subscription, and the settling of what it handed out.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use proto::WorkerName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    queue::{Claim, Queue},
    reader::{self, Taken},
    within,
    writer::{self, End},
};
use crate::{BusError, DeadLetter, Delivery, Parcel, delivery};

/// How long to wait after the file could not be read.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// The right to take from a queue that lets only one take; what was taken with it holds it too, so the next one's
/// turn comes when all of it is settled or back.
type Turn = Arc<tokio::sync::OwnedMutexGuard<()>>;

/// A subscription to one queue.
pub(super) struct Feed {
    pub(super) queue: Arc<Queue>,
    /// One for each delivery that may be unsettled.
    pub(super) permits: Arc<Semaphore>,
    pub(super) reader: reader::Handle,
    pub(super) writer: writer::Handle,
    pub(super) dead: Arc<Queue>,
    pub(super) deadline: Duration,
    pub(super) closed: CancellationToken,
}

impl Feed {
    /// Hands deliveries out until the consumer goes or the bus is closed.
    pub(super) async fn deliver(self, into: mpsc::Sender<Delivery>, single: bool) {
        let turn = async {
            let turn = if single { Some(Arc::new(Arc::clone(&self.queue.single).lock_owned().await)) } else { None };
            self.run(&into, |taken, permit| self.delivery(taken, permit, turn.clone())).await;
        };
        tokio::select! {
            () = turn => {}
            () = into.closed() => {}
            () = self.closed.cancelled() => {}
        }
    }

    /// The same for dead letters.
    pub(super) async fn deliver_letters(self, into: mpsc::Sender<Parcel>) {
        tokio::select! {
            () = self.run(&into, |taken, permit| self.parcel(taken, permit)) => {}
            () = into.closed() => {}
            () = self.closed.cancelled() => {}
        }
    }

    async fn run<T>(&self, into: &mpsc::Sender<T>, wrap: impl Fn(Taken, OwnedSemaphorePermit) -> T) {
        let mut changed = self.queue.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let Ok(mut permits) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let rest = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
            if let Ok(more) = Arc::clone(&self.permits).try_acquire_many_owned(rest) {
                permits.merge(more);
            }
            let page = self.reader.take(&self.queue, permits.num_permits()).await;
            let next_due = match page {
                Ok(page) if page.rows.is_empty() => page.next_due,
                Ok(page) => {
                    let unused = permits.num_permits().saturating_sub(page.rows.len());
                    drop(permits.split(unused));
                    for taken in page.rows {
                        let Some(permit) = permits.split(1) else { return };
                        if into.send(wrap(taken, permit)).await.is_err() {
                            return;
                        }
                    }
                    continue;
                }
                Err(error) => {
                    tracing::warn!(queue = self.queue.name, %error, "cannot take from the queue");
                    Some(AFTER_ERROR)
                }
            };
            // Held while waiting, they would starve whoever shares them.
            drop(permits);
            tokio::select! {
                _ = changed.changed() => {}
                () = sleep(next_due) => {}
            }
        }
    }

    fn delivery(&self, taken: Taken, permit: OwnedSemaphorePermit, turn: Option<Turn>) -> Delivery {
        let Taken { claim, message, failures, redelivered, .. } = taken;
        Delivery { message, failures, redelivered, settle: delivery::Settle::Sqlite(self.settle(claim, permit, turn)) }
    }

    fn parcel(&self, taken: Taken, permit: OwnedSemaphorePermit) -> Parcel {
        let Taken { claim, message, failures, worker, reason, parked_at, .. } = taken;
        let letter = DeadLetter {
            message,
            worker: worker.and_then(|name| name.parse().ok()),
            reason: reason.unwrap_or_default(),
            attempts: failures,
            parked_at: parked_at.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or_default(),
        };
        Parcel { letter, settle: delivery::Settle::Sqlite(self.settle(claim, permit, None)) }
    }

    fn settle(&self, claim: Claim, permit: OwnedSemaphorePermit, turn: Option<Turn>) -> Settle {
        let (writer, dead) = (self.writer.clone(), Arc::clone(&self.dead));
        Settle { claim, writer, dead, deadline: self.deadline, _permit: permit, _turn: turn }
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        // A millisecond more, since instants in the file are cut to milliseconds.
        Some(time) => tokio::time::sleep(time + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}

/// The right to settle one delivery. Dropped, it goes back to its queue.
pub(crate) struct Settle {
    claim: Claim,
    writer: writer::Handle,
    dead: Arc<Queue>,
    deadline: Duration,
    _permit: OwnedSemaphorePermit,
    _turn: Option<Turn>,
}

impl Settle {
    pub(crate) async fn ack(self) -> Result<(), BusError> {
        within(self.deadline, self.writer.settle(self.claim, End::Done)).await
    }

    pub(crate) async fn retry(self, failures: u32, after: Duration) -> Result<(), BusError> {
        within(self.deadline, self.writer.settle(self.claim, End::Again { failures, after })).await
    }

    pub(crate) async fn park(self, attempts: u32, reason: &str) -> Result<(), BusError> {
        let worker: Option<WorkerName> =
            self.claim.queue.name.strip_prefix("windlass.").and_then(|name| name.parse().ok());
        let reason = crate::codec::bounded(reason).to_owned();
        let end = End::Dead { dead: self.dead, worker, reason, attempts };
        within(self.deadline, self.writer.settle(self.claim, end)).await
    }
}
