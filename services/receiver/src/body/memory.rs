//! The memory that bodies under way hold together, and who gives way when there is none left.
//!
//! Nobody has vouched for a body before its end, so whoever likes can have large ones under way, and keep them so until
//! their deadline. Where room is missing, that body gives way which has held the most of it for the longest; unless it
//! is the one that needs more, which is refused. So a few that never end keep nobody out.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// A body that holds no more than this, in bytes, never gives way: so many of them as there are connections have room.
const SMALL: usize = 64 * 1024;
/// How long those that give way may take to let go. They do so at once, as soon as a thread comes to them.
const LET_GO: Duration = Duration::from_secs(1);

/// The memory of all.
pub(super) struct Memory {
    room: Semaphore,
    large: Mutex<Large>,
}

/// The bodies that may have to give way, by their number.
#[derive(Default)]
struct Large {
    bodies: BTreeMap<u64, Body>,
    last: u64,
}

struct Body {
    since: Instant,
    bytes: usize,
    told: CancellationToken,
}

/// A body's share of the memory; given back when it is dropped.
pub(crate) struct Share<'a> {
    memory: &'a Memory,
    room: SemaphorePermit<'a>,
    since: Instant,
    /// Its number among the large, and what tells it to give way.
    large: Option<(u64, CancellationToken)>,
}

/// There is no room, and nobody who should give way.
#[derive(Debug)]
pub(super) struct Full;

impl Memory {
    /// So many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self { room: Semaphore::new(bytes), large: Mutex::default() }
    }

    /// A share of nothing, for a body that begins now.
    pub(super) fn share(&self) -> Result<Share<'_>, Full> {
        let room = self.room.try_acquire_many(0).map_err(|_| Full)?;
        Ok(Share { memory: self, room, since: Instant::now(), large: None })
    }

    /// Tells as many to give way as it takes to make so much room, of those that weigh more than this, the heaviest
    /// first. Nobody is told where it would not be enough.
    fn tell(&self, missing: usize, weight: u128, now: Instant) -> Result<(), Full> {
        let mut large = self.large();
        let mut heavier: Vec<_> =
            large.bodies.iter().map(|(number, body)| (weigh(body.bytes, body.since, now), *number)).collect();
        heavier.retain(|(other, _)| *other > weight);
        heavier.sort_unstable();
        let (mut free, mut told) = (self.room.available_permits(), Vec::new());
        while free < missing {
            let (_, number) = heavier.pop().ok_or(Full)?;
            free += large.bodies.get(&number).map_or(0, |body| body.bytes);
            told.push(number);
        }
        for body in told.iter().filter_map(|number| large.bodies.remove(number)) {
            body.told.cancel();
        }
        Ok(())
    }

    /// What it guards is valid after every statement, so a panic elsewhere does not spoil it.
    fn large(&self) -> MutexGuard<'_, Large> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a body has cost the others: bytes times nanoseconds.
fn weigh(bytes: usize, since: Instant, now: Instant) -> u128 {
    bytes as u128 * now.saturating_duration_since(since).as_nanos()
}

impl<'a> Share<'a> {
    /// Holds so many bytes from now on, all in all, if there is room, or others give way.
    pub(super) async fn hold(&mut self, bytes: usize) -> Result<(), Full> {
        let missing = bytes.saturating_sub(self.room.num_permits());
        let permits = u32::try_from(missing).map_err(|_| Full)?;
        let room = match self.memory.room.try_acquire_many(permits) {
            Ok(room) => room,
            Err(_) => self.make_room(permits).await?,
        };
        self.room.merge(room);
        if missing > 0 {
            self.note();
        }
        Ok(())
    }

    /// Resolves when it must give way to others.
    pub(super) async fn gives_way(&self) {
        match &self.large {
            Some((_, told)) => told.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// The body is whole: it is judged and handled at once, and gives way to nobody any more.
    pub(super) fn keep(&mut self) {
        if let Some((number, _)) = self.large.take() {
            self.memory.large().bodies.remove(&number);
        }
    }

    async fn make_room(&self, missing: u32) -> Result<SemaphorePermit<'a>, Full> {
        let now = Instant::now();
        self.memory.tell(missing as usize, weigh(self.room.num_permits(), self.since, now), now)?;
        tokio::select! {
            room = self.memory.room.acquire_many(missing) => room.map_err(|_| Full),
            () = self.gives_way() => Err(Full),
            () = tokio::time::sleep(LET_GO) => Err(Full),
        }
    }

    /// Has others know what it holds, once that is much.
    fn note(&mut self) {
        let bytes = self.room.num_permits();
        if bytes <= SMALL {
            return;
        }
        let mut large = self.memory.large();
        if let Some((number, _)) = &self.large {
            // One that was told to give way is not among them any more.
            large.bodies.get_mut(number).into_iter().for_each(|body| body.bytes = bytes);
            return;
        }
        large.last += 1;
        let (number, told) = (large.last, CancellationToken::new());
        large.bodies.insert(number, Body { since: self.since, bytes, told: told.clone() });
        self.large = Some((number, told));
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn shares_are_given_back_and_what_is_held_already_costs_nothing() {
        let memory = Memory::of(100_000);
        let (mut first, mut second) = (memory.share().unwrap(), memory.share().unwrap());
        first.hold(60_000).await.unwrap();
        first.hold(60_000).await.unwrap();
        assert!(second.hold(60_000).await.is_err(), "what is small does not give way");
        drop(first);
        second.hold(60_000).await.unwrap();
        drop(second);
        assert_eq!(memory.room.available_permits(), 100_000);
    }

    #[tokio::test]
    async fn the_heaviest_gives_way_and_who_is_it_gets_no_more() {
        let memory = Memory::of(1_000_000);
        let (mut old, mut young) = (memory.share().unwrap(), memory.share().unwrap());
        old.hold(600_000).await.unwrap();
        young.hold(300_000).await.unwrap();
        assert!(old.hold(800_000).await.is_err(), "nobody weighs more than it");
        assert!(young.gives_way().now_or_never().is_none());
        let (grown, ()) = tokio::join!(young.hold(500_000), async {
            old.gives_way().await;
            drop(old);
        });
        grown.unwrap();
        assert!(young.gives_way().now_or_never().is_none());
        assert_eq!(memory.room.available_permits(), 500_000);
    }

    #[tokio::test]
    async fn what_is_whole_gives_way_no_more() {
        let memory = Memory::of(1_000_000);
        let (mut whole, mut other) = (memory.share().unwrap(), memory.share().unwrap());
        whole.hold(900_000).await.unwrap();
        whole.keep();
        assert!(other.hold(200_000).await.is_err());
        drop((whole, other));
        assert!(memory.large().bodies.is_empty());
    }
}
