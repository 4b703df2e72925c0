//! Patience with others who write to the same branch.

use std::time::Duration;

use tracing::info;

use super::{Kept, Trouble};

/// How often others may push first before the asks go back to their queue.
const TRIES: u32 = 10;

/// Attempts that others may come before, again and again.
pub(super) struct Tries<'a> {
    kept: &'a Kept,
    /// What it means that one came to nothing, in words.
    others: String,
    made: u32,
    healed: bool,
}

impl<'a> Tries<'a> {
    pub(super) fn new(kept: &'a Kept, others: String) -> Self {
        Self { kept, others, made: 0, healed: false }
    }

    /// What is to become of an attempt that gave this, `None` when somebody else was first. `None` when there is to be
    /// another attempt: then its time has come. A damaged clone is made anew, once.
    pub(super) async fn outcome<T>(&mut self, attempt: Result<Option<T>, Trouble>) -> Option<Result<T, Trouble>> {
        self.made += 1;
        match attempt {
            Ok(Some(done)) => return Some(Ok(done)),
            Ok(None) => info!(repository = self.kept.shown(), n = self.made, "{}; once more", self.others),
            Err(Trouble::Damaged(why)) if !self.healed => {
                self.healed = true;
                if let Err(trouble) = self.kept.forget(&why).await {
                    return Some(Err(trouble));
                }
            }
            Err(trouble) => return Some(Err(trouble)),
        }
        if self.made == TRIES {
            return Some(Err(Trouble::Away(format!("{} {TRIES} times in a row", self.others))));
        }
        // Two writers that began together must not meet again and again.
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..=50 * u64::from(self.made)))).await;
        None
    }
}
