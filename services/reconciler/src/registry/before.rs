//! What is known from the look before: when each tag was last looked at. A tag that is seen for the first time is new
//! only if it would have been seen then.

use std::collections::{BTreeMap, BTreeSet};

use ledger::Swept;
use proto::Timestamp;
use serde::{Deserialize, Serialize};

/// What a look leaves for the next, in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Left {
    /// The tags that were looked at, where others were left out.
    pub(crate) only: Option<BTreeSet<String>>,
    /// The tags that were not looked at, for they could not be or the registry's limit ended the look, and when each last was.
    pub(crate) broken: BTreeMap<String, Option<Timestamp>>,
    /// The tag that its limit ended the look at: the next begins there, so that none is starved by those before it.
    pub(crate) from: Option<String>,
    /// Tags that were told of since a look last came to all, and when what they stand for was made.
    pub(crate) told: BTreeMap<String, Timestamp>,
}

/// The look before.
#[derive(Debug, Default)]
pub(crate) struct Before {
    begun: Option<Timestamp>,
    pub(crate) left: Left,
}

impl Left {
    /// As the ledger keeps it.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Option<Swept>> for Before {
    fn from(swept: Option<Swept>) -> Self {
        let Some(Swept { watermark, swept_at: Some(ended), left }) = swept else { return Self::default() };
        // What another build left may say other things; then each tag was looked at, as before there were any to say.
        let left = left.and_then(|left| serde_json::from_str(&left).ok()).unwrap_or_default();
        Self { begun: Some(watermark.unwrap_or(ended)), left }
    }
}

impl Before {
    /// These tags, beginning with the one that the look before ended at.
    pub(crate) fn in_turn(&self, tags: &BTreeSet<String>) -> Vec<String> {
        let mut tags: Vec<_> = tags.iter().cloned().collect();
        let begins = self.left.from.as_ref().map_or(0, |from| tags.partition_point(|tag| tag < from));
        tags.rotate_left(begins);
        tags
    }

    /// When this tag was last looked at, there or not; `None` when it never was, or nobody knows.
    pub(crate) fn looked_at(&self, tag: &str) -> Option<Timestamp> {
        if let Some(last) = self.left.broken.get(tag) {
            return *last;
        }
        let left_out = self.left.only.as_ref().is_some_and(|only| !only.contains(tag));
        self.begun.filter(|_| !left_out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_tag_was_looked_at_unless_it_was_left_out_or_could_not_be() {
        let (begun, ended) = (Some(time("2026-05-15T12:00:00Z")), Some(time("2026-05-15T12:01:00Z")));
        let earlier = Some(time("2026-05-14T12:00:00Z"));
        let broken = BTreeMap::from([("broken".to_owned(), earlier), ("never".to_owned(), None)]);
        let left = Left { only: Some(BTreeSet::from(["a".to_owned()])), broken, ..Left::default() };
        let swept = |watermark, left: Option<&Left>| {
            Before::from(Some(Swept { watermark, swept_at: ended, left: left.map(Left::to_text) }))
        };
        let before = swept(begun, Some(&left));
        let known = ["a", "b", "broken", "never"].map(|tag| before.looked_at(tag));
        assert_eq!(known, [begun, None, earlier, None]);
        assert_eq!(swept(begun, Some(&Left::default())).looked_at("b"), begun);
        assert_eq!(swept(None, None).looked_at("b"), ended, "an earlier build noted no more than that");
        let first = Swept { watermark: None, swept_at: None, left: Some(left.to_text()) };
        assert_eq!(Before::from(Some(first)).looked_at("a"), None);
        assert_eq!(Before::from(None).looked_at("a"), None);
    }

    #[test]
    fn a_look_begins_where_the_one_before_ended_even_if_that_tag_is_gone() {
        let tags = BTreeSet::from(["a", "c", "d"].map(ToOwned::to_owned));
        for (from, turn) in
            [(None, "acd"), (Some("a"), "acd"), (Some("b"), "cda"), (Some("d"), "dac"), (Some("e"), "acd")]
        {
            let left = Left { from: from.map(ToOwned::to_owned), ..Left::default() };
            assert_eq!(Before { begun: None, left }.in_turn(&tags).concat(), turn, "{from:?}");
        }
    }
}
