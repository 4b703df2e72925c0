//! What proved the webhooks of a source: which secret is in use, and which is not.

use proto::{SourceName, Timestamp};

use crate::{
    Ledger, Proven, Result, columns,
    db::{Row, args},
};

// The condition on the type is the index's, to the letter, or it would not be used.
const PROVEN: &str = "
    SELECT proof, count(*), min(time), max(time) FROM events
    WHERE type = 'webhook.received' AND source = $1 AND time > $2 AND proof IS NOT NULL
    GROUP BY proof ORDER BY max(time) DESC";

impl Ledger {
    /// What proved this source's webhooks that came after a time, the last used first.
    pub async fn proven(&self, source: &SourceName, after: Timestamp) -> Result<Vec<Proven>> {
        let source = format!("/webhooks/{source}");
        self.db.read(PROVEN, args![columns::clipped(&source), after]).await?.iter().map(proven).collect()
    }
}

impl Proven {
    /// Whether it was this: a secret's reference, or another way's name.
    pub fn is_by(&self, reference: &str) -> bool {
        self.by == columns::clipped(reference)
    }
}

fn proven(row: &Row) -> Result<Proven> {
    let count: i64 = row.get(1)?;
    Ok(Proven { by: row.get(0)?, count: count.unsigned_abs(), first: row.get(2)?, last: row.get(3)? })
}
