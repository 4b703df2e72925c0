//! History: every event, once, in the order in which it was written down.

use proto::{AppName, EventId, EventType, Message};

use crate::{
    EventFilter, Ledger, Outline, Recorded, Result,
    columns::{self, Read},
    db::{Row, args},
    filter,
};

/// How many events go to the database at once, and how many bytes of bodies: what one statement may hold in memory.
const BATCH: (usize, usize) = (1000, 16 * 1024 * 1024);

const RECORD: &str = "
    INSERT INTO events
        (id, replay, type, app, subject, source, correlation, cause, proof, time, recorded_at, attributes, content_type,
        body)
    VALUES
        ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, clock_timestamp()), clock_timestamp(), $11, $12, $13)
    ON CONFLICT (id, replay) DO NOTHING
    RETURNING seq";

// The same for many rows, one array a column.
const RECORD_ARRAYS: &str = "
    INSERT INTO events
        (id, replay, type, app, subject, source, correlation, cause, proof, time, recorded_at, attributes, content_type,
        body)
    SELECT id, replay, type, app, subject, source, correlation, cause, proof, coalesce(time, clock_timestamp()),
        clock_timestamp(), CAST(attributes AS json), content_type, body
    FROM unnest(CAST($1 AS uuid[]), CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]),
        CAST($6 AS text[]), CAST($7 AS uuid[]), CAST($8 AS uuid[]), CAST($9 AS text[]), CAST($10 AS timestamptz[]),
        CAST($11 AS text[]), CAST($12 AS text[]), CAST($13 AS bytea[])) WITH ORDINALITY AS
        fresh(id, replay, type, app, subject, source, correlation, cause, proof, time, attributes, content_type, body,
        place)
    ORDER BY place
    ON CONFLICT (id, replay) DO NOTHING
    RETURNING seq";

const EVENT: &str = "
    SELECT seq, recorded_at, CAST(attributes AS text), content_type, body
    FROM events WHERE id = $1 ORDER BY replay DESC LIMIT 1";

const AT: &str = "
    SELECT seq, recorded_at, CAST(attributes AS text), content_type, body FROM events WHERE seq = $1";

const NEWEST: &str = "
    SELECT seq, recorded_at, CAST(attributes AS text), content_type, body
    FROM events WHERE type = $1 AND app = $2 AND subject = $3 ORDER BY seq DESC LIMIT 1";

const OF_CHAIN: &str = "SELECT count(*) FROM events WHERE correlation = $1";

impl Ledger {
    /// Writes events, readable or not; one that is there already (same id and replay) is left as it is.
    /// Returns how many were new.
    pub async fn record(&self, messages: &[Message]) -> Result<u64> {
        let mut new = 0;
        for batch in batches(messages) {
            let rows = batch.iter().map(columns::of_event).collect::<Result<_>>()?;
            new += self.db.insert(RECORD, RECORD_ARRAYS, rows).await?.len() as u64;
        }
        Ok(new)
    }

    /// Events as they travelled, newest first: for whoever reads what those of a type say. Of raw webhooks it may be more
    /// than fits the memory.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Recorded>> {
        self.found(filter, columns::MESSAGE, columns::message).await
    }

    /// Events as lists have them, newest first.
    pub async fn list_events(&self, filter: &EventFilter) -> Result<Vec<Recorded<Outline>>> {
        self.found(filter, &columns::of_outline("type <> 'webhook.received'"), columns::outline).await
    }

    async fn found<M>(&self, filter: &EventFilter, columns: &str, read: Read<M>) -> Result<Vec<Recorded<M>>> {
        let columns = format!("seq, recorded_at, {columns}");
        let Some(query) = filter::events(filter, &columns) else { return Ok(Vec::new()) };
        self.db.read(query.sql, query.args).await?.iter().map(|row| recorded(row, read)).collect()
    }

    /// The event with this id, at its highest replay.
    pub async fn event(&self, id: EventId) -> Result<Option<Recorded>> {
        self.db.read(EVENT, args![id.0]).await?.first().map(as_it_travelled).transpose()
    }

    /// The event at this place.
    pub async fn event_at(&self, seq: i64) -> Result<Option<Recorded>> {
        self.db.read(AT, args![seq]).await?.first().map(as_it_travelled).transpose()
    }

    /// How many events a chain has, each replay counted.
    pub async fn chain_events(&self, correlation: EventId) -> Result<u64> {
        let rows = self.db.read(OF_CHAIN, args![correlation.0]).await?;
        rows.first().map_or(Ok(0), |row| row.get::<i64>(0).map(i64::unsigned_abs))
    }

    /// The newest event of this type, app and subject.
    pub async fn newest(&self, kind: EventType, app: &AppName, subject: &str) -> Result<Option<Recorded>> {
        let args = args![kind.as_str(), app.as_str(), columns::clipped(subject)];
        self.db.read(NEWEST, args).await?.first().map(as_it_travelled).transpose()
    }
}

/// Cuts the messages into runs within [`BATCH`]; one too large for it goes alone.
fn batches(messages: &[Message]) -> impl Iterator<Item = &[Message]> {
    let mut bytes = 0;
    let mut count = 0;
    messages.chunk_by(move |last, next| {
        bytes += last.body.len();
        count += 1;
        let fits = count < BATCH.0 && bytes + next.body.len() <= BATCH.1;
        if !fits {
            (bytes, count) = (0, 0);
        }
        fits
    })
}

fn as_it_travelled(row: &Row) -> Result<Recorded> {
    recorded(row, columns::message)
}

fn recorded<M>(row: &Row, read: Read<M>) -> Result<Recorded<M>> {
    Ok(Recorded { seq: row.get(0)?, recorded_at: row.get(1)?, message: read(row, 2)? })
}
