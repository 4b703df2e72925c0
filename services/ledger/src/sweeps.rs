//! Sweeps for what never came: who sweeps a place now, how far it was swept, and what has been asked or seen there.
//!
//! As with claims, leases are by the database's clock and each change of one is one statement. Unlike a claim a sweep
//! is never done for good: the place is swept again after a while, and at once where the last sweep lies ahead, for then
//! the clock did.

use std::time::Duration;

use proto::{Digest, ImageName, Timestamp};
use uuid::Uuid;

use crate::{
    AskedFor, Ledger, Redelivery, Result, SeenTag, SweepEnd, SweepState, Swept,
    claims::longest,
    db::{Arg, Row, args},
};

// Parameters are numbered in the order in which they first appear: SQLite goes by it.
const BEGIN: &str = "
    INSERT INTO sweeps (target, owner, lease_until) VALUES ($1, $2, clock_timestamp() + CAST($3 AS interval))
    ON CONFLICT (target) DO UPDATE
    SET owner = excluded.owner, lease_until = excluded.lease_until, waits_until = NULL
    WHERE (sweeps.swept_at IS NULL OR sweeps.swept_at <= clock_timestamp() - CAST($4 AS interval)
           OR sweeps.swept_at > clock_timestamp())
      AND (sweeps.lease_until <= clock_timestamp()
           OR sweeps.lease_until > clock_timestamp() + CAST($5 AS interval))
    RETURNING watermark, swept_at, left_over";

const EXTEND: &str = "
    UPDATE sweeps SET lease_until = clock_timestamp() + CAST($1 AS interval), waits_until = $2
    WHERE target = $3 AND owner = $4 RETURNING target";

const END: &str = "
    UPDATE sweeps SET watermark = coalesce($1, watermark), left_over = coalesce($2, left_over), trouble = $3,
        swept_at = clock_timestamp(), ended_at = clock_timestamp(), lease_until = clock_timestamp()
    WHERE target = $4 AND owner = $5 RETURNING target";

const BREAK_OFF: &str = "
    UPDATE sweeps SET watermark = coalesce($1, watermark), left_over = coalesce($2, left_over), trouble = $3,
        ended_at = clock_timestamp(), lease_until = clock_timestamp()
    WHERE target = $4 AND owner = $5 RETURNING target";

const LET_GO: &str = "
    UPDATE sweeps SET lease_until = clock_timestamp() WHERE target = $1 AND owner = $2 RETURNING target";

const SWEPT: &str = "SELECT watermark, swept_at, left_over FROM sweeps WHERE target = $1";

const STATES: &str = "
    SELECT target, swept_at, ended_at, trouble, lease_until > clock_timestamp(), waits_until
    FROM sweeps ORDER BY target";

const ASKED: &str = "
    INSERT INTO redeliveries (target, delivery, times, attempt, first_at, asked_at)
    VALUES ($1, $2, $3, $4, $5, clock_timestamp())
    ON CONFLICT (target, delivery) DO UPDATE SET times = redeliveries.times + excluded.times,
        attempt = coalesce(excluded.attempt, redeliveries.attempt),
        first_at = coalesce(excluded.first_at, redeliveries.first_at), asked_at = excluded.asked_at
    RETURNING times";

const ASKED_ARRAYS: &str = "
    INSERT INTO redeliveries (target, delivery, times, attempt, first_at, asked_at)
    SELECT target, delivery, times, attempt, first_at, clock_timestamp()
    FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bigint[]), CAST($4 AS bigint[]),
        CAST($5 AS timestamptz[])) AS fresh(target, delivery, times, attempt, first_at)
    ON CONFLICT (target, delivery) DO UPDATE SET times = redeliveries.times + excluded.times,
        attempt = coalesce(excluded.attempt, redeliveries.attempt),
        first_at = coalesce(excluded.first_at, redeliveries.first_at), asked_at = excluded.asked_at
    RETURNING times";

const SETTLED: &str = "DELETE FROM redeliveries WHERE target = $1 AND delivery = $2 RETURNING delivery";

const SETTLED_ARRAYS: &str = "
    DELETE FROM redeliveries USING unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS came(target, delivery)
    WHERE redeliveries.target = came.target AND redeliveries.delivery = came.delivery
    RETURNING redeliveries.delivery";

const REDELIVERIES: &str = "SELECT delivery, times, asked_at, attempt, first_at FROM redeliveries WHERE target = $1";

const FORGET: &str = "DELETE FROM redeliveries WHERE target = $1 AND asked_at < $2 RETURNING delivery";

const SEEN: &str = "SELECT digest, changes, seen_at FROM seen_tags WHERE image = $1 AND tag = $2";

// Of several who saw the same change one writes it; who saw an older one writes nothing.
const SEE: &str = "
    INSERT INTO seen_tags (image, tag, digest, changes, seen_at) VALUES ($1, $2, $3, $4, clock_timestamp())
    ON CONFLICT (image, tag) DO UPDATE
    SET digest = excluded.digest, changes = excluded.changes, seen_at = excluded.seen_at
    WHERE seen_tags.changes < excluded.changes
    RETURNING changes";

impl Ledger {
    /// Takes the place for `owner` until `lease` from now. `None` when somebody sweeps it, or has swept it within
    /// `every`.
    pub async fn begin_sweep(
        &self,
        target: &str,
        owner: Uuid,
        lease: Duration,
        every: Duration,
    ) -> Result<Option<Swept>> {
        let rows = self.db.write(BEGIN, args![target, owner, lease, every, longest(lease)]).await?;
        rows.first().map(swept).transpose()
    }

    /// Extends the lease, and notes until when the sweep waits; false when the place is no longer `owner`'s.
    pub async fn extend_sweep(
        &self,
        target: &str,
        owner: Uuid,
        lease: Duration,
        waits_until: Option<Timestamp>,
    ) -> Result<bool> {
        Ok(!self.db.write(EXTEND, args![lease, waits_until, target, owner]).await?.is_empty())
    }

    /// Ends a sweep that went well. False when the place is no longer `owner`'s; then nothing is written.
    pub async fn end_sweep(&self, target: &str, owner: Uuid, end: &SweepEnd) -> Result<bool> {
        Ok(!self.db.write(END, of_end(end, target, owner)).await?.is_empty())
    }

    /// Ends one that did not: anybody may begin at once. False when the place is no longer `owner`'s; then nothing is
    /// written.
    pub async fn break_off_sweep(&self, target: &str, owner: Uuid, end: &SweepEnd) -> Result<bool> {
        Ok(!self.db.write(BREAK_OFF, of_end(end, target, owner)).await?.is_empty())
    }

    /// Lets the place go without a word about how the sweep went; anybody may begin at once.
    pub async fn let_sweep_go(&self, target: &str, owner: Uuid) -> Result<()> {
        self.db.write(LET_GO, args![target, owner]).await.map(drop)
    }

    /// How far the place was swept; `None` when nobody ever began.
    pub async fn swept(&self, target: &str) -> Result<Option<Swept>> {
        self.db.read(SWEPT, args![target]).await?.first().map(swept).transpose()
    }

    /// How it stands with every place that was ever swept, in the order of their names.
    pub async fn sweeps(&self) -> Result<Vec<SweepState>> {
        let state = |row: &Row| {
            let (target, swept_at, ended_at, trouble) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let under_way: bool = row.get(4)?;
            let waits_until = if under_way { row.get(5)? } else { None };
            Ok(SweepState { target, swept_at, ended_at, trouble, under_way, waits_until })
        };
        self.db.read(STATES, args![]).await?.iter().map(state).collect()
    }

    /// Notes that the sender was asked for these.
    pub async fn note_redeliveries(&self, target: &str, asked: &[AskedFor]) -> Result<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let row = |a: &AskedFor| args![target, a.delivery.as_str(), a.times, a.attempt, a.first_at];
        self.db.insert(ASKED, ASKED_ARRAYS, asked.iter().map(row).collect()).await.map(drop)
    }

    /// What the sender was asked for and has not come.
    pub async fn redeliveries(&self, target: &str) -> Result<Vec<Redelivery>> {
        let redelivery = |row: &Row| {
            let (delivery, times, asked_at) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Redelivery { delivery, times, asked_at, attempt: row.get(3)?, first_at: row.get(4)? })
        };
        self.db.read(REDELIVERIES, args![target]).await?.iter().map(redelivery).collect()
    }

    /// Forgets what was noted of these: they came.
    pub async fn settle_redeliveries(&self, target: &str, deliveries: &[String]) -> Result<()> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let rows = deliveries.iter().map(|delivery| args![target, delivery.as_str()]).collect();
        self.db.insert(SETTLED, SETTLED_ARRAYS, rows).await.map(drop)
    }

    /// Forgets what the sender was last asked for before this time.
    pub async fn forget_redeliveries(&self, target: &str, before: Timestamp) -> Result<()> {
        self.db.write(FORGET, args![target, before]).await.map(drop)
    }

    /// What the tag stood for when it was last looked at.
    pub async fn seen_tag(&self, image: &ImageName, tag: &str) -> Result<Option<SeenTag>> {
        let seen = |row: &Row| Ok(SeenTag { digest: row.parse(0)?, changes: row.get(1)?, seen_at: row.get(2)? });
        self.db.read(SEEN, args![image.as_str(), tag]).await?.first().map(seen).transpose()
    }

    /// Notes what the tag stands for after so many changes, unless as many are known already.
    pub async fn see_tag(&self, image: &ImageName, tag: &str, digest: &Digest, changes: u32) -> Result<()> {
        self.db.write(SEE, args![image.as_str(), tag, digest.as_str(), changes]).await.map(drop)
    }
}

fn of_end(end: &SweepEnd, target: &str, owner: Uuid) -> Vec<Arg> {
    args![end.watermark, end.left.clone(), end.trouble.clone(), target, owner]
}

fn swept(row: &Row) -> Result<Swept> {
    Ok(Swept { watermark: row.get(0)?, swept_at: row.get(1)?, left: row.get(2)? })
}
