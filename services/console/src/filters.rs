//! Which events and dead letters are asked for: the same parameters on pages and in the API.

use ledger::{DeadFilter, EventFilter};
use operate::{OperateError, find, name};
use proto::{AppName, EventType, WorkerName};
use runtime::names::there_is_no;

use crate::{desk::Desk, fault::Fault, fields::Fields};

/// The most that one answer lists.
pub(crate) const MOST: u32 = 500;
/// What it lists unless more or less is asked for.
const USUAL: u32 = 50;

/// The parameters that choose events.
pub(crate) const EVENTS: &[&str] = &["type", "app", "since", "until", "correlation", "before", "limit"];
/// The parameters that choose dead letters.
pub(crate) const DEAD: &[&str] = &["worker", "since", "until", "text", "with_replayed", "before", "limit"];

/// The events that are asked for. What nothing is known of is a mistake: of a misspelt app no event would be told, as if
/// nothing had happened there.
pub(crate) async fn events(desk: &Desk, fields: &Fields) -> Result<EventFilter, Fault> {
    fields.only(EVENTS)?;
    Ok(EventFilter {
        kind: fields.parse_by("type", event_type)?,
        app: app(desk, fields).await?,
        since: fields.parse_by("since", name::moment)?,
        until: fields.parse_by("until", name::moment)?,
        correlation: fields.parse("correlation")?,
        before: fields.parse("before")?,
        limit: limit(fields)?,
        ..EventFilter::default()
    })
}

pub(crate) fn dead(fields: &Fields) -> Result<DeadFilter, Fault> {
    fields.only(DEAD)?;
    Ok(DeadFilter {
        worker: fields.parse_by("worker", worker)?,
        since: fields.parse_by("since", name::moment)?,
        until: fields.parse_by("until", name::moment)?,
        text: fields.get("text").map(ToOwned::to_owned),
        id_prefix: None,
        with_replayed: fields.parse("with_replayed")?.unwrap_or(false),
        before: fields.parse("before")?,
        limit: limit(fields)?,
    })
}

/// The last that a full answer lists: behind it there may be more.
pub(crate) fn last_of<T>(listed: &[T], limit: u32) -> Option<&T> {
    listed.last().filter(|_| u32::try_from(listed.len()).is_ok_and(|count| count == limit))
}

/// One of the configuration, or one that has a history.
async fn app(desk: &Desk, fields: &Fields) -> Result<Option<AppName>, Fault> {
    let Some(app) = fields.parse("app")? else { return Ok(None) };
    match find::known(&desk.ledger, &desk.config, &app).await {
        Ok(()) => Ok(Some(app)),
        Err(OperateError::NotFound { says, .. }) => Err(Fault::Invalid(format!("`app`: {says}"))),
        Err(other) => Err(other.into()),
    }
}

fn event_type(text: &str) -> Result<EventType, String> {
    let names: Vec<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    text.parse().map_err(|_| there_is_no("event type", text, &names))
}

fn worker(text: &str) -> Result<WorkerName, String> {
    text.parse().map_err(|_| there_is_no("worker", text, &WorkerName::ALL.map(WorkerName::as_str)))
}

fn limit(fields: &Fields) -> Result<u32, Fault> {
    let limit = fields.parse("limit")?.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(Fault::Invalid(format!("`limit`: it is from 1 to {MOST}")))
}
