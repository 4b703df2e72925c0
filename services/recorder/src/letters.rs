//! Every dead letter into the ledger, and an event that says so.

use anyhow::Result;
use bus::{BusError, DeadLetter, Parcel};
use ledger::NewDeadLetter;
use proto::{Data, DeliveryParked, Event, EventId, EventType, Message, WorkerName};
use runtime::{Context, harness::insist};
use tracing::{error, warn};

/// How many dead letters are taken at once.
const PREFETCH: u16 = 16;

/// Takes dead letters and keeps them until shutdown.
pub(crate) async fn bury(context: &Context) -> Result<()> {
    let mut letters = context.bus.dead_letters(PREFETCH).await?;
    loop {
        let parcel = tokio::select! {
            parcel = letters.next() => parcel,
            () = context.shutdown.cancelled() => None,
        };
        let Some(parcel) = parcel else { return Ok(()) };
        if keep(context, parcel).await.is_none() {
            return Ok(());
        }
    }
}

/// `None` when the service stops first.
async fn keep(context: &Context, parcel: Parcel) -> Option<()> {
    let DeadLetter { message, worker, reason, attempts, parked_at } = parcel.letter.clone();
    let letter = NewDeadLetter { message, worker, reason, attempts, parked_at };
    let (id, _new) = insist("the ledger", &context.shutdown, || context.ledger.bury(&letter)).await?;
    error!(dead_letter = %id, reason = letter.reason, "dead letter {id}: {}", letter.reason);
    // Said again when it was there already: the process may have died before it could say so, and the id is the same.
    let told = [parked_event(&letter, &id.to_string()).to_message()];
    let tell = async || match context.bus.publish(&told).await {
        // Waiting would not help; the letter is kept, and that is what matters.
        Err(BusError::Refused(why)) => {
            error!(dead_letter = %id, why, "dead letter {id} cannot be announced: {why}");
            Ok(())
        }
        told => told,
    };
    insist("the bus", &context.shutdown, tell).await?;
    if let Err(error) = parcel.ack().await {
        warn!(%error, "a dead letter may be kept again, which changes nothing: {error}");
    }
    Some(())
}

/// What is told of a letter, as far as it can be read.
fn parked_event(letter: &NewDeadLetter, id: &str) -> Event {
    let Message { attributes, .. } = &letter.message;
    let read = |name: &str| attributes.get(name).and_then(|text| text.parse::<EventId>().ok());
    let cause = read("id");
    let worker = letter.worker.unwrap_or(WorkerName::Recorder);
    let app = attributes.get("app").and_then(|app| app.parse().ok());
    let event_type: Option<EventType> = attributes.get("type").and_then(|kind| kind.parse().ok());
    let data = DeliveryParked {
        app,
        worker,
        event: cause,
        event_type,
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        dead_letter: id.to_owned(),
    };
    let data = Data::from(data);
    let source = format!("/workers/{}", WorkerName::Recorder);
    // Derived from the letter's id, which is derived from worker, message and replay.
    let own = id.parse().unwrap_or_else(|_| EventId::fresh());
    let mut event = Event::first(own, source, worker.to_string(), letter.parked_at, data);
    event.correlation = read("correlationid").or(cause).unwrap_or(own);
    event.cause = cause;
    event.traceparent = attributes.get("traceparent").cloned();
    event
}
