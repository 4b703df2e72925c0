//! What happened: an event with who ran on it and its whole chain, and the forms in which programs get it.

use ledger::{EventFilter, Ledger, Recorded, Run, StoredDeadLetter};
use proto::{Event, EventId, Message};
use serde_json::{Value, json};

use crate::{OperateError, Result, describe};

/// How many events of a chain are read.
const CHAIN: u32 = 1000;
/// How soon an event leads to others, at the latest: a worker may have been away.
const LED_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// An event, and what came of it.
#[derive(Debug, Clone)]
pub struct Story {
    /// The event.
    pub event: Recorded,
    /// Who ran on it.
    pub runs: Vec<Run>,
    /// Every event of its chain, the oldest first.
    pub chain: Vec<Recorded>,
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
        let filter = EventFilter { correlation: Some(correlation), limit: CHAIN, ..EventFilter::default() };
        let mut chain = ledger.events(&filter).await?;
        if let Some(other) = led_to(ledger, &event, id, correlation).await? {
            let filter = EventFilter { correlation: Some(other), ..filter };
            chain.extend(ledger.events(&filter).await?);
            chain.sort_by_key(|recorded| std::cmp::Reverse(recorded.seq));
        }
        chain.reverse();
        Ok(Self { event, runs, chain })
    }

    /// As operators' programs get it.
    pub fn to_json(&self) -> Value {
        let chain: Vec<Value> = self.chain.iter().map(event_json).collect();
        json!({ "event": event_json(&self.event), "runs": self.runs, "chain": chain })
    }
}

/// The other chain that an event led on, if it did: an answer to what waits belongs to the chain of what it answers.
async fn led_to(ledger: &Ledger, found: &Recorded, id: EventId, own: EventId) -> Result<Option<EventId>> {
    let Ok(event) = Event::from_message(&found.message) else { return Ok(None) };
    let until = event.time.checked_add(LED_WITHIN).ok();
    let filter = EventFilter { cause: Some(id), since: Some(event.time), until, ..EventFilter::default() };
    let caused = ledger.events(&filter).await?;
    let chains = caused.iter().filter_map(|caused| caused.message.attribute("correlationid").parse().ok());
    Ok(chains.into_iter().find(|chain| *chain != own))
}

/// What a message says, in a line; or why nobody can read it.
pub fn summary(message: &Message) -> String {
    match Event::from_message(message) {
        Ok(event) => describe::line(&event),
        Err(why) => format!("cannot be read: {why}"),
    }
}

/// An event as operators' programs get it.
pub fn event_json(recorded: &Recorded) -> Value {
    let message = &recorded.message;
    let event = Event::from_message(message);
    let mut object = json!({
        "seq": recorded.seq,
        "recorded_at": recorded.recorded_at,
        "attributes": message.attributes,
        "summary": event.as_ref().map(describe::line).ok(),
        "data": event.as_ref().map(|event| event.data.to_json()).ok(),
    });
    if let Err(why) = event {
        object["unreadable"] = json!(why.to_string());
    }
    object
}

/// A dead letter as operators' programs get it.
pub fn letter_json(stored: &StoredDeadLetter) -> Value {
    let letter = &stored.letter;
    json!({
        "id": stored.id,
        "worker": letter.worker,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "parked_at": letter.parked_at,
        "replayed_at": stored.replayed_at,
        "replayed_by": stored.replayed_by,
        "attributes": letter.message.attributes,
        "data": Event::from_message(&letter.message).ok().map(|event| event.data.to_json()),
    })
}
