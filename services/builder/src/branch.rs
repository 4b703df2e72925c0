//! What is known of a branch's pushes: which came later, in the order in which they were written down.

use ledger::{EventFilter, Ledger, Recorded};
use proto::{AppName, Change, CommitSha, Data, Event, EventType};
use runtime::Failure;

/// How far back an app's pushes are looked at. What was pushed before them is old.
const PUSHES: u32 = 500;

/// The newer push that makes this one superfluous, if there is one. A replay was asked for by somebody, and is run.
pub(crate) async fn newer_push(ledger: &Ledger, push: &Event, change: &Change) -> Result<Option<CommitSha>, Failure> {
    if push.replay > 0 {
        return Ok(None);
    }
    let newest = ledger.newest(EventType::PushReceived, &change.app, change.branch.as_str()).await.map_err(away)?;
    let Some((newest, event)) = newest.and_then(read) else { return Ok(None) };
    if event.id == push.id {
        return Ok(None);
    }
    // The recorder may not have written this one down yet; then its own time has to do.
    let is_newer = match ledger.event(push.id).await.map_err(away)? {
        Some(own) => newest.seq > own.seq,
        None => event.time > push.time,
    };
    Ok(is_newer.then(|| commit_of(&event)).flatten())
}

/// Whether this other commit was pushed to the branch after the change's own.
pub(crate) async fn is_later(ledger: &Ledger, change: &Change, other: &CommitSha) -> Result<bool, Failure> {
    let pushes = pushes(ledger, &change.app, change).await?;
    let place = |commit: &CommitSha| pushes.iter().position(|pushed| pushed == commit);
    Ok(match (place(other), place(&change.commit)) {
        (Some(other), Some(own)) => other < own,
        // A commit that nobody wrote down as pushed, or long ago, holds up nothing.
        _ => false,
    })
}

/// The branch's commits, newest first.
async fn pushes(ledger: &Ledger, app: &AppName, change: &Change) -> Result<Vec<CommitSha>, Failure> {
    let filter = EventFilter {
        kind: Some(EventType::PushReceived),
        app: Some(app.clone()),
        limit: PUSHES,
        ..EventFilter::default()
    };
    let events = ledger.events(&filter).await.map_err(away)?.into_iter().filter_map(read);
    let of_branch = events.filter(|(_, event)| event.subject == change.branch.as_str());
    Ok(of_branch.filter_map(|(_, event)| commit_of(&event)).collect())
}

fn read(recorded: Recorded) -> Option<(Recorded, Event)> {
    let event = Event::from_message(&recorded.message).ok()?;
    Some((recorded, event))
}

fn commit_of(event: &Event) -> Option<CommitSha> {
    match &event.data {
        Data::PushReceived(push) => Some(push.change.commit.clone()),
        _ => None,
    }
}

fn away(error: ledger::LedgerError) -> Failure {
    Failure::Transient(error.into())
}
