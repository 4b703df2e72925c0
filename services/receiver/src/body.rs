//! Reads a body within its limits: size, time, rate, and the memory all bodies may hold together.

use std::time::Duration;

use actix_web::web;
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::{
    answer::Refusal,
    proof::{Authentic, Unverified},
};

/// What all bodies under way may hold together, in bytes: ten of the largest GitHub sends.
const MEMORY: usize = 256 * 1024 * 1024;
/// What is set aside for a body at its beginning, if it says it is that large. Never all it says: a sender that
/// declares 25 MB and sends nothing would hold them.
const FIRST_RESERVATION: usize = 64 * 1024;
/// The least a body must bring in each quarter of its deadline, in bytes. An honest sender on the worst of lines brings
/// more; one that holds a connection by a byte a second is shown out at the first quarter.
const LEAST_A_QUARTER: usize = 4 * 1024;

/// The limits of bodies, shared by all.
pub(crate) struct Limits {
    /// The largest body of a source that has no limit of its own.
    pub(crate) max_bytes: usize,
    deadline: Duration,
    memory: Semaphore,
}

/// A body's share of the memory; given back when it is dropped.
pub(crate) struct Share<'a>(SemaphorePermit<'a>);

impl Limits {
    pub(crate) fn new(max_bytes: usize, deadline: Duration) -> Self {
        Self { max_bytes, deadline, memory: Semaphore::new(MEMORY) }
    }

    /// Refuses a body that says beforehand that it is too large.
    pub(crate) fn check_declared(length: Option<u64>, max: usize) -> Result<(), Refusal> {
        if length.is_some_and(|length| length > max as u64) {
            return Err(Refusal::TooLarge(max));
        }
        Ok(())
    }

    /// Reads the body to its end and verifies it. The share lives as long as the bytes do.
    pub(crate) async fn read(
        &self,
        payload: &mut web::Payload,
        declared: Option<u64>,
        max: usize,
        mut body: Unverified,
    ) -> Result<(Authentic, Share<'_>), Refusal> {
        let mut share = self.nothing()?;
        let first = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        self.make_room(&mut body, first.min(FIRST_RESERVATION), &mut share)?;
        let mut pace = Pace::new(self.deadline);
        loop {
            match timeout_at(pace.next_look(), payload.next()).await {
                Err(_) => pace.check(body.len())?,
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(Refusal::BrokenBody),
                Ok(Some(Ok(chunk))) => {
                    if body.len() + chunk.len() > max {
                        return Err(Refusal::TooLarge(max));
                    }
                    self.make_room(&mut body, chunk.len(), &mut share)?;
                    body.push(&chunk);
                }
            }
        }
        Ok((body.verify()?, share))
    }

    fn nothing(&self) -> Result<Share<'_>, Refusal> {
        self.memory.try_acquire_many(0).map(Share).map_err(|_| Refusal::TooMuchUnderWay)
    }

    fn make_room<'a>(&'a self, body: &mut Unverified, more: usize, share: &mut Share<'a>) -> Result<(), Refusal> {
        let missing = body.reserve(more).saturating_sub(share.0.num_permits());
        let missing = u32::try_from(missing).map_err(|_| Refusal::TooLarge(self.max_bytes))?;
        share.0.merge(self.memory.try_acquire_many(missing).map_err(|_| Refusal::TooMuchUnderWay)?);
        Ok(())
    }
}

/// Whether a body comes fast enough.
struct Pace {
    quarter: Duration,
    quarter_end: Instant,
    end: Instant,
    at_quarter_start: usize,
}

impl Pace {
    fn new(deadline: Duration) -> Self {
        let (now, quarter) = (Instant::now(), deadline / 4);
        Self { quarter, quarter_end: now + quarter, end: now + deadline, at_quarter_start: 0 }
    }

    fn next_look(&self) -> Instant {
        self.quarter_end.min(self.end)
    }

    fn check(&mut self, bytes: usize) -> Result<(), Refusal> {
        if Instant::now() >= self.end || bytes < self.at_quarter_start + LEAST_A_QUARTER {
            return Err(Refusal::TooSlow);
        }
        self.at_quarter_start = bytes;
        self.quarter_end += self.quarter;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::http::header::HeaderMap;

    use super::*;
    use crate::proof::{Shown, Verifier};

    async fn body() -> Unverified {
        let open = serde_json::json!({ "kind": "github", "insecure": true });
        let verifier = Verifier::new(&serde_json::from_value(open).unwrap()).unwrap();
        verifier.begin(&Shown { headers: &HeaderMap::new(), in_path: None, peer: None }).await.unwrap()
    }

    #[tokio::test]
    async fn bodies_share_their_memory_and_give_it_back() {
        let limits = Limits { max_bytes: 1_000_000, deadline: Duration::from_secs(1), memory: Semaphore::new(100_000) };
        let (mut first, mut second) = (body().await, body().await);
        let (mut first_share, mut second_share) = (limits.nothing().unwrap(), limits.nothing().unwrap());
        limits.make_room(&mut first, 60_000, &mut first_share).unwrap();
        // Room there is already costs nothing.
        limits.make_room(&mut first, 60_000, &mut first_share).unwrap();
        let refused = limits.make_room(&mut second, 60_000, &mut second_share).unwrap_err();
        assert!(matches!(refused, Refusal::TooMuchUnderWay), "{refused}");
        drop((first, first_share));
        limits.make_room(&mut second, 60_000, &mut second_share).unwrap();
        drop(second_share);
        assert_eq!(limits.memory.available_permits(), 100_000);
    }
}
