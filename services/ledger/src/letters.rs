//! Dead letters: kept until somebody replays them, and after.

use proto::WorkerName;
use uuid::Uuid;

use crate::{
    DeadFilter, Ledger, NewDeadLetter, OpenLetters, Outline, Result, StoredDeadLetter,
    columns::{self, Read},
    db::{Row, args},
    filter,
};

// One that was replayed and came back without its replay count raised died again: it is open again. The same letter
// delivered twice has the same `parked_at`, and reopens nothing.
const BURY: &str = "
    INSERT INTO dead_letters (id, worker, reason, reason_folded, attempts, parked_at, attributes, content_type, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (id) DO UPDATE
    SET reason = excluded.reason, reason_folded = excluded.reason_folded, attempts = excluded.attempts,
        parked_at = excluded.parked_at, replayed_at = NULL, replayed_by = NULL
    WHERE dead_letters.replayed_at IS NOT NULL AND dead_letters.parked_at <> excluded.parked_at
    RETURNING id";

const MARK: &str = "
    UPDATE dead_letters SET replayed_at = clock_timestamp(), replayed_by = $1 WHERE id = $2 RETURNING id";

const OPEN: &str = "
    SELECT worker, count(*), min(parked_at) FROM dead_letters WHERE replayed_at IS NULL GROUP BY worker ORDER BY 2 DESC";

/// The columns [`stored`] reads, with these of the message.
pub(crate) fn columns(message: &str) -> String {
    format!("id, worker, reason, attempts, parked_at, replayed_at, replayed_by, {message}")
}

impl Ledger {
    /// Keeps a dead letter; the same one again (same worker, message id and replay) is left as it is, unless it was
    /// replayed and died anew: then it is open again. Returns its id, and whether it was new or is open again.
    pub async fn bury(&self, letter: &NewDeadLetter) -> Result<(Uuid, bool)> {
        let worker = letter.worker.map(WorkerName::as_str);
        let id = columns::letter_id(worker.unwrap_or_default(), &letter.message)?;
        let [attributes, content_type, body] = columns::whole(&letter.message)?;
        let args = args![
            id,
            worker,
            letter.reason.as_str(),
            letter.reason.to_lowercase(),
            letter.attempts,
            letter.parked_at,
            attributes,
            content_type,
            body
        ];
        Ok((id, !self.db.write(BURY, args).await?.is_empty()))
    }

    /// Dead letters as lists have them, newest first.
    pub async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<StoredDeadLetter<Outline>>> {
        let Some(query) = filter::dead_letters(filter) else { return Ok(Vec::new()) };
        self.db.read(query.sql, query.args).await?.iter().map(|row| stored(row, columns::outline)).collect()
    }

    /// How many dead letters wait for a replay, by worker, the most first.
    pub async fn open_letters(&self) -> Result<Vec<OpenLetters>> {
        self.db.read(OPEN, args![]).await?.iter().map(open).collect()
    }

    /// One dead letter, with all that it carries.
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<StoredDeadLetter>> {
        let sql = format!("SELECT {} FROM dead_letters WHERE id = $1", columns(columns::MESSAGE));
        self.db.read(sql, args![id]).await?.first().map(|row| stored(row, columns::message)).transpose()
    }

    /// Notes that a dead letter was published again, and by whom.
    pub async fn mark_replayed(&self, id: Uuid, by: &str) -> Result<()> {
        self.db.write(MARK, args![by, id]).await.map(drop)
    }
}

fn open(row: &Row) -> Result<OpenLetters> {
    let count: i64 = row.get(1)?;
    Ok(OpenLetters { worker: row.parse_optional(0)?, count: count.unsigned_abs(), oldest: row.get(2)? })
}

fn stored<M>(row: &Row, read: Read<M>) -> Result<StoredDeadLetter<M>> {
    Ok(StoredDeadLetter {
        id: row.get(0)?,
        letter: NewDeadLetter {
            message: read(row, 7)?,
            worker: row.parse_optional(1)?,
            reason: row.get(2)?,
            attempts: row.get(3)?,
            parked_at: row.get(4)?,
        },
        replayed_at: row.get(5)?,
        replayed_by: row.get(6)?,
    })
}
