//! Why parts of a webhook are of no use, told once a reason: a body may hold thousands of them.

use std::collections::BTreeMap;

use runtime::Outcomes;

/// The most reasons told one by one.
const MOST_REASONS: usize = 20;

/// Reasons for ignoring, and how often each.
#[derive(Default)]
pub(crate) struct Reasons {
    times: BTreeMap<String, usize>,
    others: usize,
}

impl Reasons {
    /// Once more for this reason.
    pub(crate) fn add(&mut self, reason: String) {
        if self.times.len() < MOST_REASONS || self.times.contains_key(&reason) {
            *self.times.entry(reason).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    /// One record of all of them; none where there is none.
    pub(crate) fn into_outcomes(self) -> Outcomes {
        let told = |(reason, times): (String, usize)| match times {
            1 => reason,
            _ => format!("{times} times: {reason}"),
        };
        let mut parts: Vec<_> = self.times.into_iter().map(told).collect();
        if self.others > 0 {
            parts.push(format!("{} times: for other reasons", self.others));
        }
        if parts.is_empty() { Outcomes::none() } else { Outcomes::ignored(parts.join("; ")) }
    }
}
