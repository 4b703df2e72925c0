//! Writes that the disk has not confirmed. Each holds its event in memory, so they are bounded; and when the oldest is
//! not confirmed in its time, the disk hangs, and nobody should wait for it in line.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::level::Shut;

/// Writes under way at once: two of the file's groups. Who comes later waits outside, under his own deadline, with a
/// body that counts among those under way.
const EVENTS: usize = 1024;
/// What they hold together, in bytes: four of the file's groups, or the one event that is larger.
const BYTES: usize = 64 << 20;
/// What one permit stands for, in bytes.
const PERMIT: usize = 1024;

/// The writes under way.
pub(super) struct Pending {
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    permits: usize,
    /// How long the disk may take.
    deadline: Duration,
    begun: Mutex<Begun>,
}

/// When each was begun, by its number: the first is the oldest.
#[derive(Default)]
struct Begun {
    times: BTreeMap<u64, Instant>,
    last: u64,
}

/// One write under way, until it is dropped.
pub(super) struct Write {
    pending: Arc<Pending>,
    number: u64,
    _room: [OwnedSemaphorePermit; 2],
}

impl Pending {
    pub(super) fn new(deadline: Duration) -> Self {
        Self::bounded(EVENTS, BYTES, deadline)
    }

    fn bounded(events: usize, bytes: usize, deadline: Duration) -> Self {
        let permits = bytes / PERMIT;
        let (events, bytes) = (Arc::new(Semaphore::new(events)), Arc::new(Semaphore::new(permits)));
        Self { events, bytes, permits, deadline, begun: Mutex::default() }
    }

    /// Waits for room for an event of so many bytes, in the order of asking; `None` never comes while this is there.
    pub(super) async fn begin(self: &Arc<Self>, weight: u64) -> Option<Write> {
        let permits = usize::try_from(weight).unwrap_or(usize::MAX).div_ceil(PERMIT).min(self.permits);
        let event = Arc::clone(&self.events).acquire_owned().await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(u32::try_from(permits).ok()?).await.ok()?;
        let mut begun = self.begun();
        begun.last += 1;
        let number = begun.last;
        begun.times.insert(number, Instant::now());
        drop(begun);
        Some(Write { pending: Arc::clone(self), number, _room: [event, bytes] })
    }

    /// Whether the disk confirms in time, as far as writes under way tell.
    pub(super) fn check(&self) -> Result<(), Shut> {
        let oldest = self.begun().times.first_key_value().map(|(_, begun)| begun.elapsed());
        match oldest {
            Some(age) if age > self.deadline => Err(Shut::Hangs(age)),
            _ => Ok(()),
        }
    }

    /// What it guards is valid after every statement, so a panic elsewhere does not spoil it.
    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.pending.begun().times.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn writes_are_bounded_in_number_and_in_bytes() {
        let pending = Arc::new(Pending::bounded(3, 100 << 10, LONG));
        let begin = |bytes: u64| pending.begin(bytes).now_or_never().flatten();
        let (first, second) = (begin(60 << 10).unwrap(), begin(40 << 10).unwrap());
        assert!(begin(1).is_none(), "there is no room for a byte");
        drop(second);
        let small = [begin(1).unwrap(), begin(1).unwrap()];
        assert!(begin(1).is_none(), "there is no room for a fourth");
        drop((first, small));
        // One that is larger than all of it has it to itself.
        let large = begin(1 << 30).unwrap();
        assert!(begin(1).is_none());
        drop(large);
        assert_eq!((pending.events.available_permits(), pending.bytes.available_permits()), (3, 100));
    }

    #[tokio::test]
    async fn the_oldest_says_whether_the_disk_hangs() {
        let pending = Arc::new(Pending::bounded(3, 1 << 20, Duration::ZERO));
        assert!(pending.check().is_ok(), "nothing is written");
        let (oldest, next) = (pending.begin(1).await.unwrap(), pending.begin(1).await.unwrap());
        assert!(matches!(pending.check(), Err(Shut::Hangs(_))));
        drop(oldest);
        assert!(matches!(pending.check(), Err(Shut::Hangs(_))));
        drop(next);
        assert!(pending.check().is_ok(), "all are confirmed, or failed");
        let patient = Arc::new(Pending::bounded(3, 1 << 20, LONG));
        let _write = patient.begin(1).await.unwrap();
        assert!(patient.check().is_ok());
    }
}
