//! What happened: an event with who ran on it and its whole chain, and the forms in which programs get it.

use std::collections::BTreeMap;

use ledger::{EventFilter, Ledger, Outline, Recorded, Run, StoredDeadLetter};
use proto::{Data, DecodeError, Event, EventId, EventType, Message, Timestamp, WorkerName};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{OperateError, Result, describe};

/// How many events of a chain are shown with an event, the newest.
pub const CHAIN: u32 = 1000;
/// How soon an event leads to others, at the latest: a worker may have been away.
const LED_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// An event, and what came of it.
#[derive(Debug, Clone)]
pub struct Story {
    /// The event.
    pub event: Recorded,
    /// Who ran on it.
    pub runs: Vec<Run>,
    /// The events of its chain, and of the one that it led on, the oldest first.
    pub chain: Vec<Recorded<Outline>>,
    /// What of them is missing.
    pub cut: Vec<Cut>,
}

/// A chain that is too long to be shown with an event: of it only the newest events are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cut {
    /// What the events of a list are asked for by to see all of it, page by page (`correlation`).
    pub correlation: EventId,
    /// How many of its events are there.
    pub shown: u64,
    /// How many it has.
    pub events: u64,
}

impl Story {
    /// Who ran on an event, and its chain.
    pub async fn of(ledger: &Ledger, event: Recorded) -> Result<Self> {
        let id: EventId = event
            .message
            .attribute("id")
            .parse()
            .map_err(|why| OperateError::Invalid(format!("the event has no readable id: {why}")))?;
        let runs = ledger.runs(id).await?;
        let correlation = event.message.attribute("correlationid").parse().unwrap_or(id);
        let (mut chain, mut cut) = (Vec::new(), Vec::new());
        let other = led_to(ledger, &event, id, correlation).await?;
        for correlation in [correlation].into_iter().chain(other) {
            let filter = EventFilter { correlation: Some(correlation), limit: CHAIN, ..EventFilter::default() };
            let newest = ledger.list_events(&filter).await?;
            cut.extend(missing(ledger, correlation, newest.len() as u64).await?);
            chain.extend(newest);
        }
        chain.sort_by_key(|recorded| recorded.seq);
        Ok(Self { event, runs, chain, cut })
    }

    /// As operators' programs get it.
    pub fn to_json(&self) -> StoryJson {
        let chain = self.chain.iter().map(event_json).collect();
        StoryJson { event: event_json(&self.event.outline()), runs: self.runs.clone(), chain, cut: self.cut.clone() }
    }
}

/// An event and what came of it, as operators' programs get it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Story")]
pub struct StoryJson {
    /// The event.
    pub event: EventJson,
    /// Who ran on it.
    pub runs: Vec<Run>,
    /// The events of its chain, the oldest first; those of the chain that it led on too.
    pub chain: Vec<EventJson>,
    /// The chains of which only the newest 1000 events are there; none where all are.
    pub cut: Vec<Cut>,
}

/// An event as operators' programs get it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct EventJson {
    /// Its place in the history; grows.
    pub seq: i64,
    /// When it was written down.
    #[schemars(with = "String")]
    pub recorded_at: Timestamp,
    /// Its attributes as they travelled (CloudEvents 1.0): `id`, `source`, `type`, `time`, `app` and others.
    pub attributes: BTreeMap<String, String>,
    /// What it says, in a line; nothing where nobody can read it.
    pub summary: Option<String>,
    /// What it carries, by its type: `proto/schemas` has a schema for each. Nothing where nobody can read it.
    pub data: Option<Value>,
    /// How many bytes it carries, where that is more than a list reads: then `summary` and `data` are nothing here, and
    /// the event asked for by its id has both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// Why nobody can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// A dead letter as operators' programs get it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub struct LetterJson {
    /// Its id.
    pub id: String,
    /// Whose queue it came from; nobody's where no queue took it.
    pub worker: Option<WorkerName>,
    /// The error and its causes.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    #[schemars(with = "String")]
    pub parked_at: Timestamp,
    /// When it was last sent to its worker again.
    #[schemars(with = "Option<String>")]
    pub replayed_at: Option<Timestamp>,
    /// By whom.
    pub replayed_by: Option<String>,
    /// The attributes of what it holds, as they travelled.
    pub attributes: BTreeMap<String, String>,
    /// What it carries; nothing where nobody can read it.
    pub data: Option<Value>,
    /// How many bytes it carries, where that is more than a list reads: then `data` is nothing here, and the dead letter
    /// asked for by its id has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
}

/// What is missing of a chain of which so many events are shown.
async fn missing(ledger: &Ledger, correlation: EventId, shown: u64) -> Result<Option<Cut>> {
    if shown < CHAIN.into() {
        return Ok(None);
    }
    let events = ledger.chain_events(correlation).await?;
    Ok((events > shown).then_some(Cut { correlation, shown, events }))
}

/// The other chain that an event led on, if it did: an answer to what waits belongs to the chain of what it answers.
async fn led_to(ledger: &Ledger, found: &Recorded, id: EventId, own: EventId) -> Result<Option<EventId>> {
    let Ok(event) = Event::from_message(&found.message) else { return Ok(None) };
    let until = event.time.checked_add(LED_WITHIN).ok();
    let filter = EventFilter { cause: Some(id), since: Some(event.time), until, ..EventFilter::default() };
    let caused = ledger.list_events(&filter).await?;
    let chains = caused.iter().filter_map(|caused| caused.message.attribute("correlationid").parse().ok());
    Ok(chains.into_iter().find(|chain| *chain != own))
}

/// What can be said of a message in a list.
enum Said {
    /// All that it says.
    Event(Event),
    /// It is a raw webhook of so many bytes, which are not at hand.
    Webhook(Event, u64),
    /// Nobody can read it.
    Unreadable(DecodeError),
    /// It carries so many bytes, more than a list reads.
    LeftOut(u64),
}

impl Said {
    fn by(outline: &Outline) -> Self {
        // Of a raw webhook everything but its bytes stands in the attributes.
        let is_webhook = outline.attribute("type") == EventType::WebhookReceived.as_str();
        if outline.body.is_none() && outline.bytes > Outline::MOST.into() && !is_webhook {
            return Self::LeftOut(outline.bytes);
        }
        let Outline { attributes, content_type, bytes, body } = outline.clone();
        match Event::from_message(&Message { attributes, content_type, body: body.unwrap_or_default() }) {
            Ok(event) if is_webhook => Self::Webhook(event, bytes),
            Ok(event) => Self::Event(event),
            Err(why) => Self::Unreadable(why),
        }
    }

    fn line(&self) -> Option<String> {
        match self {
            Self::Event(event) => Some(describe::line(event)),
            Self::Webhook(Event { subject, data: Data::WebhookReceived(webhook), .. }, bytes) => {
                Some(describe::webhook(webhook, subject, *bytes))
            }
            Self::Webhook(..) | Self::Unreadable(_) | Self::LeftOut(_) => None,
        }
    }

    fn data(&self) -> Option<Value> {
        let (Self::Event(event) | Self::Webhook(event, _)) = self else { return None };
        let mut data = event.data.to_json();
        if let Self::Webhook(_, bytes) = self {
            data["body_bytes"] = (*bytes).into();
        }
        Some(data)
    }

    fn left_out(&self) -> Option<u64> {
        if let Self::LeftOut(bytes) = self { Some(*bytes) } else { None }
    }
}

/// What a message says, in a line; or why it cannot be said.
pub fn summary(outline: &Outline) -> String {
    let said = Said::by(outline);
    said.line().unwrap_or_else(|| match said {
        Said::Unreadable(why) => format!("cannot be read: {why}"),
        _ => format!("carries {} bytes, more than a list reads; it is shown alone", outline.bytes),
    })
}

/// An event as operators' programs get it.
pub fn event_json(recorded: &Recorded<Outline>) -> EventJson {
    let said = Said::by(&recorded.message);
    EventJson {
        seq: recorded.seq,
        recorded_at: recorded.recorded_at,
        attributes: recorded.message.attributes.clone(),
        summary: said.line(),
        data: said.data(),
        left_out: said.left_out(),
        unreadable: if let Said::Unreadable(why) = said { Some(why.to_string()) } else { None },
    }
}

/// A dead letter as operators' programs get it.
pub fn letter_json(stored: &StoredDeadLetter<Outline>) -> LetterJson {
    let (letter, said) = (&stored.letter, Said::by(&stored.letter.message));
    LetterJson {
        id: stored.id.to_string(),
        worker: letter.worker,
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        parked_at: letter.parked_at,
        replayed_at: stored.replayed_at,
        replayed_by: stored.replayed_by.clone(),
        attributes: letter.message.attributes.clone(),
        data: said.data(),
        left_out: said.left_out(),
    }
}
