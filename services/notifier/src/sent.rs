//! What this process has posted lately, and which routes asked for a pause. A help, not a promise: it is not kept.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use proto::EventId;

/// How many posts are remembered: far more than can wait for another try at once.
const REMEMBERED: usize = 10_000;

/// An event in one replay, and a route.
type Key = (EventId, u32, usize);

#[derive(Default)]
pub(crate) struct Sent {
    known: HashSet<Key>,
    order: VecDeque<Key>,
    pauses: HashMap<usize, Instant>,
}

impl Sent {
    /// Whether this was posted.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.known.contains(&key)
    }

    /// It was posted.
    pub(crate) fn note(&mut self, key: Key) {
        if self.known.insert(key) {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// How long the route is still to be left alone, if at all.
    pub(crate) fn pause(&self, route: usize) -> Option<Duration> {
        self.pauses.get(&route)?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The route is to be left alone for so long.
    pub(crate) fn pause_for(&mut self, route: usize, long: Duration) {
        self.pauses.insert(route, Instant::now() + long);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_the_oldest_first_and_stays_small() {
        let (first, mut sent) = (EventId::fresh(), Sent::default());
        sent.note((first, 0, 0));
        assert!(sent.has((first, 0, 0)) && !sent.has((first, 1, 0)) && !sent.has((first, 0, 1)));
        let others: Vec<_> = (0..REMEMBERED).map(|_| EventId::fresh()).collect();
        for id in &others {
            sent.note((*id, 0, 0));
        }
        assert!(!sent.has((first, 0, 0)) && sent.has((others[0], 0, 0)));
        assert_eq!(sent.known.len(), REMEMBERED);
    }
}
