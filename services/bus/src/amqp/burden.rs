//! What is on its way to the broker with nobody waiting for it: retries, dead letters, replays, what a spool hands on.
//!
//! Such a message has time as it has bytes, and as there are bytes before it on the one line: given up while the line is
//! only slow, all of it would be sent again, and go round for ever.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use proto::Message;

/// The slowest line that carries everything, in bytes a second: a megabit a second.
const LEAST_RATE: usize = 128 << 10;
/// The longest that bytes have: at that rate the largest body is through. RabbitMQ takes a delivery back after 30 minutes.
const LONGEST: Duration = Duration::from_secs((crate::MAX_BODY / LEAST_RATE) as u64);

/// The bytes that are on their way.
#[derive(Default)]
pub(super) struct Burden(AtomicUsize);

/// Some of them, until it is dropped.
pub(super) struct Load<'a> {
    burden: &'a Burden,
    own: usize,
    /// With those that were on their way before.
    all: usize,
}

impl Burden {
    /// Counts these as on their way.
    pub(super) fn take_on(&self, messages: &[Message]) -> Load<'_> {
        let own = messages.iter().map(|message| message.body.len()).sum();
        let before = self.0.fetch_add(own, Ordering::Relaxed);
        Load { burden: self, own, all: before.saturating_add(own) }
    }
}

impl Load<'_> {
    /// How long they may take, where something small may take so long.
    pub(super) fn deadline(&self, small: Duration) -> Duration {
        small + Duration::from_millis((self.all.saturating_mul(1000) / LEAST_RATE) as u64).min(LONGEST)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.burden.0.fetch_sub(self.own, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> [Message; 1] {
        [Message { attributes: <_>::default(), content_type: String::new(), body: vec![0; bytes].into() }]
    }

    #[test]
    fn bytes_have_their_time_and_those_before_them_too_up_to_a_bound() {
        let (burden, small) = (Burden::default(), Duration::from_secs(5));
        let first = burden.take_on(&of(10 * LEAST_RATE));
        assert_eq!(first.deadline(small), Duration::from_secs(15));
        let second = burden.take_on(&of(0));
        assert_eq!(second.deadline(small), Duration::from_secs(15), "it comes behind the first");
        drop((first, second));
        assert_eq!(burden.take_on(&of(LEAST_RATE / 2)).deadline(small), Duration::from_millis(5500));
        let _largest = burden.take_on(&of(crate::MAX_BODY));
        assert_eq!(burden.take_on(&of(crate::MAX_BODY)).deadline(small), small + LONGEST);
    }
}
