//! Which events and dead letters are asked for: the same parameters on pages and in the API.

use ledger::{DeadFilter, EventFilter};
use operate::{OperateError, find, name};
use proto::{AppName, EventId, EventType, WorkerName};
use runtime::names::there_is_no;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::{
    api::described::{Parameter, of},
    desk::Desk,
    fault::Fault,
    fields::Fields,
};

/// The most that one answer lists.
pub(crate) const MOST: u32 = 500;
/// What it lists unless more or less is asked for.
const USUAL: u32 = 50;

/// The parameters that choose events.
pub(crate) const EVENTS: &[Parameter] = &[
    Parameter { name: "type", says: "Of this type.", schema: of::<EventType> },
    Parameter { name: "app", says: "Of this app.", schema: of::<AppName> },
    SINCE,
    UNTIL,
    Parameter { name: "correlation", says: "Of the chain that this event began.", schema: of::<EventId> },
    Parameter { name: "before", says: "What an answer says that the next one is asked for by.", schema: of::<i64> },
    LIMIT,
];
/// The parameters that choose dead letters.
pub(crate) const DEAD: &[Parameter] = &[
    Parameter { name: "worker", says: "Of this worker's queue.", schema: of::<WorkerName> },
    SINCE,
    UNTIL,
    Parameter { name: "text", says: "Whose reason holds these words, in whatever case.", schema: of::<String> },
    Parameter { name: "with_replayed", says: "With those that were sent again; not unless said.", schema: of::<bool> },
    Parameter { name: "before", says: "What an answer says that the next one is asked for by.", schema: of::<String> },
    LIMIT,
];
const SINCE: Parameter = Parameter { name: "since", says: "At that time or after it.", schema: moment };
const UNTIL: Parameter = Parameter { name: "until", says: "Before that time.", schema: moment };
const LIMIT: Parameter = Parameter { name: "limit", says: "At most so many.", schema: of_limit };

fn moment(_: &mut SchemaGenerator) -> Schema {
    let says = "a time, or how long ago it was";
    json_schema!({ "type": "string", "description": says, "examples": ["2026-11-23T06:00:00Z", "2h"] })
}

fn of_limit(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL })
}

/// Refuses parameters that are none of these.
pub(crate) fn only(fields: &Fields, known: &[Parameter]) -> Result<(), Fault> {
    fields.only(&known.iter().map(|parameter| parameter.name).collect::<Vec<_>>())
}

/// The events that are asked for. What nothing is known of is a mistake: of a misspelt app no event would be told, as if
/// nothing had happened there.
pub(crate) async fn events(desk: &Desk, fields: &Fields) -> Result<EventFilter, Fault> {
    only(fields, EVENTS)?;
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
    only(fields, DEAD)?;
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
