//! Answers that never change, as what is said of commits: kept, as many as are worth their memory.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many are kept; beyond it all are forgotten, and asked for again.
const MOST: usize = 4096;

/// Answers by what was asked.
#[derive(Debug)]
pub(super) struct Kept<Q, A>(Mutex<HashMap<Q, A>>);

impl<Q, A> Default for Kept<Q, A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Q: Eq + Hash, A: Clone> Kept<Q, A> {
    pub(super) fn get(&self, question: &Q) -> Option<A> {
        self.all().get(question).cloned()
    }

    pub(super) fn put(&self, question: Q, answer: A) {
        let mut all = self.all();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(question, answer);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Q, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let kept = Kept::default();
        for n in 0..MOST {
            kept.put(n, n);
        }
        assert_eq!((kept.get(&0), kept.all().len()), (Some(0), MOST));
        kept.put(MOST, 7);
        assert_eq!((kept.get(&0), kept.get(&MOST), kept.all().len()), (None, Some(7), 1));
    }
}
