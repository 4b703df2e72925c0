//! Reads a body within its limits: size, time, rate, and the memory all bodies may hold together.

mod memory;

use std::time::Duration;

use actix_web::web;
use futures_util::StreamExt;
use tokio::{
    select,
    time::{Instant, timeout_at},
};

use crate::{
    answer::Refusal,
    proof::{Authentic, Unverified},
};
pub(crate) use memory::Share;
use memory::{Full, Memory};

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
    memory: Memory,
}

impl Limits {
    pub(crate) fn new(max_bytes: usize, deadline: Duration) -> Self {
        Self { max_bytes, deadline, memory: Memory::of(MEMORY) }
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
        let mut share = self.memory.share()?;
        let first = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        share.hold(body.reserve(first.min(FIRST_RESERVATION))).await?;
        let mut pace = Pace::new(self.deadline);
        loop {
            let next = select! {
                next = timeout_at(pace.next_look(), payload.next()) => next,
                () = share.gives_way() => return Err(Refusal::TooMuchUnderWay),
            };
            match next {
                Err(_) => pace.check(body.len())?,
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(Refusal::BrokenBody),
                Ok(Some(Ok(chunk))) => {
                    if body.len() + chunk.len() > max {
                        return Err(Refusal::TooLarge(max));
                    }
                    share.hold(body.reserve(chunk.len())).await?;
                    body.push(&chunk);
                }
            }
        }
        share.keep();
        Ok((body.verify()?, share))
    }
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Self {
        Self::TooMuchUnderWay
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
    use actix_web::{FromRequest, dev, error::PayloadError, http::header::HeaderMap, test::TestRequest};
    use bytes::Bytes;
    use futures_util::{FutureExt, stream, stream::FuturesUnordered};

    use super::*;
    use crate::proof::{Shown, Verifier};

    async fn body() -> Unverified {
        let open = serde_json::json!({ "kind": "github", "insecure": true });
        let verifier = Verifier::new(&serde_json::from_value(open).unwrap()).unwrap();
        verifier.begin(&Shown { headers: &HeaderMap::new(), in_path: None, peer: None }).await.unwrap()
    }

    /// What brings so many bytes at once, and then its end, or nothing more.
    async fn bringing(bytes: usize, ends: bool) -> web::Payload {
        let bytes = Ok::<_, PayloadError>(Bytes::from(vec![b'x'; bytes]));
        let rest = if ends { stream::empty().boxed_local() } else { stream::pending().boxed_local() };
        let mut payload = dev::Payload::Stream { payload: stream::iter([bytes]).chain(rest).boxed_local() };
        web::Payload::from_request(&TestRequest::default().to_http_request(), &mut payload).await.unwrap()
    }

    #[tokio::test]
    async fn bodies_that_never_end_do_not_hold_the_memory_of_all() {
        let limits = Limits { max_bytes: 1_000_000, deadline: Duration::from_mins(1), memory: Memory::of(1_000_000) };
        let read = async |bytes, ends| {
            let (mut payload, body) = (bringing(bytes, ends).await, body().await);
            limits
                .read(&mut payload, None, limits.max_bytes, body)
                .await
                .map(|(body, share)| (body.bytes().len(), share))
        };
        let mut endless: FuturesUnordered<_> = (0..6).map(|_| read(150_000, false)).collect();
        assert!(endless.next().now_or_never().is_none());
        let (whole, ()) = tokio::join!(read(300_000, true), async {
            for _ in 0..2 {
                let gone = endless.next().await.unwrap();
                assert!(matches!(gone, Err(Refusal::TooMuchUnderWay)));
            }
        });
        assert_eq!(whole.unwrap().0, 300_000);
        assert!(endless.next().now_or_never().is_none() && endless.len() == 4, "no more than had to give way");
    }
}
