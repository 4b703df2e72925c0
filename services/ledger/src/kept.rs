//! What a run leaves for the next of its kind: the newest version of some state, written with the run's outcomes.

use crate::{
    Kept, Ledger, Result,
    db::{Row, args},
};

const NEWEST: &str = "
    SELECT kept_for, kept_version, kept FROM claims WHERE kept_for = $1 ORDER BY kept_version DESC LIMIT 1";
const EVERY: &str = "
    SELECT kept_for, kept_version, kept FROM claims
    WHERE kept_for IS NOT NULL AND kept_version =
        (SELECT max(kept_version) FROM claims AS others WHERE others.kept_for = claims.kept_for)
    ORDER BY kept_for";

impl Ledger {
    /// What was left last under this name.
    pub async fn kept(&self, name: &str) -> Result<Option<Kept>> {
        self.db.read(NEWEST, args![name]).await?.first().map(kept).transpose()
    }

    /// What was left last under each name, in their order.
    pub async fn all_kept(&self) -> Result<Vec<Kept>> {
        self.db.read(EVERY, args![]).await?.iter().map(kept).collect()
    }
}

fn kept(row: &Row) -> Result<Kept> {
    Ok(Kept { name: row.get(0)?, version: row.get(1)?, state: row.get(2)? })
}
