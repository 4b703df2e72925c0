//! Filters as statements. Only fixed text enters the SQL; whatever a caller gave is an argument.

use std::fmt::Write as _;

use proto::{EventType, WorkerName};
use uuid::Uuid;

use crate::{DeadFilter, EventFilter, columns, db::Arg, letters};

/// What a limit of 0 stands for.
const DEFAULT_LIMIT: u32 = 100;

/// A statement with its arguments.
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) args: Vec<Arg>,
}

impl Query {
    fn select(columns: &str, table: &str) -> Self {
        Self { sql: format!("SELECT {columns} FROM {table} WHERE TRUE"), args: Vec::new() }
    }

    /// Adds a condition when there is something to compare with.
    fn and(&mut self, condition: &str, arg: Option<impl Into<Arg>>) {
        let Some(arg) = arg else { return };
        self.args.push(arg.into());
        // Writing to a string cannot fail.
        let _ = write!(self.sql, " AND {}", condition.replace('?', &format!("${}", self.args.len())));
    }

    /// Adds the condition on the id; `None` when no id begins so.
    fn and_id_begins(&mut self, prefix: Option<&str>) -> Option<()> {
        let Some(prefix) = prefix else { return Some(()) };
        let (first, last) = id_range(prefix)?;
        self.and("id >= ?", Some(first));
        self.and("id <= ?", Some(last));
        Some(())
    }

    fn newest(mut self, order: &str, limit: u32) -> Self {
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit };
        self.args.push(limit.into());
        let _ = write!(self.sql, " ORDER BY {order} LIMIT ${}", self.args.len());
        self
    }
}

/// These columns of the events a filter asks for; `None` when there can be none.
pub(crate) fn events(filter: &EventFilter, columns: &str) -> Option<Query> {
    let mut query = Query::select(columns, "events");
    query.and("type = ?", filter.kind.map(EventType::as_str));
    query.and("app = ?", filter.app.as_ref().map(proto::AppName::as_str));
    query.and("correlation = ?", filter.correlation.map(|id| id.0));
    query.and("cause = ?", filter.cause.map(|id| id.0));
    query.and_id_begins(filter.id_prefix.as_deref())?;
    query.and("time >= ?", filter.since);
    query.and("time < ?", filter.until);
    query.and("seq > ?", filter.after);
    query.and("seq < ?", filter.before);
    Some(query.newest("seq DESC", filter.limit))
}

/// The dead letters a filter asks for; `None` when there can be none.
pub(crate) fn dead_letters(filter: &DeadFilter) -> Option<Query> {
    let mut query = Query::select(&letters::columns(&columns::of_outline("TRUE")), "dead_letters");
    if !filter.with_replayed {
        query.sql.push_str(" AND replayed_at IS NULL");
    }
    query.and("worker = ?", filter.worker.map(WorkerName::as_str));
    query.and("parked_at >= ?", filter.since);
    query.and("parked_at < ?", filter.until);
    query.and_id_begins(filter.id_prefix.as_deref())?;
    // LIKE tries every place of a long text against every other: one question could keep a database busy for minutes.
    query.and("strpos(reason_folded, ?) > 0", filter.text.as_deref().map(str::to_lowercase));
    query.and("(parked_at, id) < (SELECT parked_at, id FROM dead_letters WHERE id = ?)", filter.before);
    Some(query.newest("parked_at DESC, id DESC", filter.limit))
}

/// The first and the last id that begin so, which an index can find; `None` when no id does.
fn id_range(prefix: &str) -> Option<(Uuid, Uuid)> {
    const FIRST: &str = "00000000-0000-0000-0000-000000000000";
    const LAST: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    let filled = |with: &str| format!("{prefix}{}", with.get(prefix.len()..)?).parse().ok();
    Some((filled(FIRST)?, filled(LAST)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range_of_ids_or_none() {
        let range = |prefix| id_range(prefix).map(|(first, last)| (first.to_string(), last.to_string()));
        let (first, last) = range("0a1b2c3d-4").unwrap();
        assert_eq!(first, "0a1b2c3d-4000-0000-0000-000000000000");
        assert_eq!(last, "0a1b2c3d-4fff-ffff-ffff-ffffffffffff");
        assert_eq!(range("").unwrap().0, "00000000-0000-0000-0000-000000000000");
        for none in ["xyz", "0a1b2c3d4", "0a-", "%", "ü", &"0".repeat(37)] {
            assert_eq!(range(none), None, "{none}");
        }
    }
}
