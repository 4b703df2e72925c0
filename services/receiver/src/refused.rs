//! Refusals in the log: the first of a kind at once, then how many there were, once a minute. So a secret that does not
//! fit is seen on the day it is changed, and whoever knocks a thousand times a second fills no disk.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use proto::SourceName;

/// The time between two words on the same.
const PAUSE: Duration = Duration::from_mins(1);

/// What was refused, by source (none where the path names none), and by outcome or what was wrong with a proof. There are
/// as many as these have values.
#[derive(Default)]
pub(crate) struct Refused(Mutex<BTreeMap<(Option<SourceName>, &'static str), Told>>);

#[derive(Default)]
struct Told {
    last: Option<Instant>,
    since: u64,
}

impl Refused {
    /// Counts one; says how many there were since the last word, this one among them, when it is time for another.
    pub(crate) fn count(&self, source: Option<&SourceName>, kind: &'static str, now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = all.entry((source.cloned(), kind)).or_default();
        told.since += 1;
        if told.last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.since))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_is_told_and_then_how_many_there_were() {
        let (refused, start) = (Refused::default(), Instant::now());
        let github: SourceName = "github".parse().unwrap();
        let count = |source, outcome, seconds| refused.count(source, outcome, start + Duration::from_secs(seconds));
        assert_eq!(count(Some(&github), "not_authentic", 0), Some(1));
        for _ in 0..99 {
            assert_eq!(count(Some(&github), "not_authentic", 30), None);
        }
        // Of another kind, or of no source of ours.
        assert_eq!((count(Some(&github), "too_slow", 31), count(None, "unknown_source", 31)), (Some(1), Some(1)));
        assert_eq!(count(Some(&github), "not_authentic", 60), Some(100));
        assert_eq!(count(Some(&github), "not_authentic", 3600), Some(1));
    }
}
