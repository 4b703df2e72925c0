//! Replay: a message is published again with `replay` raised by one, confirmed, and only then marked. Its outcomes
//! inherit the number, so the whole chain behind it runs again; effects that are there already are no-ops.

use bus::Bus;
use ledger::{Ledger, Outline, Recorded, StoredDeadLetter};
use proto::{Message, WorkerName};

use crate::{OperateError, Result, See};

/// Sends a dead letter to its worker again, and marks it as replayed by this person. What it carries is read only now: of
/// many letters it would not fit the memory.
pub async fn letter(bus: &Bus, ledger: &Ledger, listed: &StoredDeadLetter<Outline>, by: &str) -> Result<()> {
    let id = listed.id;
    let gone =
        || OperateError::NotFound { says: format!("there is no dead letter `{id}` any more"), see: Some(See::Dead) };
    let letter = ledger.dead_letter(id).await?.ok_or_else(gone)?.letter;
    publish(bus, ledger, letter.worker, again(&letter.message, by)).await?;
    Ok(ledger.mark_replayed(id, by).await?)
}

/// Sends an event of the past on its way again: to this worker, or to every worker that hears it.
pub async fn event(
    bus: &Bus,
    ledger: &Ledger,
    recorded: &Recorded,
    worker: Option<WorkerName>,
    by: &str,
) -> Result<()> {
    publish(bus, ledger, worker, again(&recorded.message, by)).await
}

/// Whom a replay goes to, in words.
pub fn target(worker: Option<WorkerName>) -> String {
    worker.map_or("every worker that hears it".to_owned(), |worker| worker.to_string())
}

/// How often a message was replayed.
pub fn times(message: &Message) -> u32 {
    message.attribute("replay").parse().unwrap_or(0)
}

/// Bus and ledger have deadlines of their own, the bus by how many bytes it is: no other may cut them short.
async fn publish(bus: &Bus, ledger: &Ledger, worker: Option<WorkerName>, message: Message) -> Result<()> {
    let messages = [message];
    let failed = |source| OperateError::Unpublished { what: "publishing; nothing was marked as replayed", source };
    let Some(worker) = worker else {
        return bus.publish_patiently(&messages).await.map_err(failed);
    };
    bus.publish_to(worker, &messages).await.map_err(failed)?;
    // The recorder does not hear what goes to one worker. Unrecorded, the next replay would count from the same
    // number, and be taken for this one.
    ledger.record(&messages).await.map(drop).map_err(OperateError::Unrecorded)
}

/// The message with `replay` raised by one, and who did it.
fn again(message: &Message, by: &str) -> Message {
    let mut again = message.clone();
    again.attributes.insert("replay".to_owned(), (times(message) + 1).to_string());
    again.attributes.insert("replayedby".to_owned(), by.to_owned());
    again
}
