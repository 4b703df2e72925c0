//! What is known of a branch's pushes: which came later, in the order in which they were written down.

use std::collections::HashSet;

use ledger::{EventFilter, Ledger};
use proto::{Change, CommitSha, Data, Event, EventType};
use runtime::Failure;

/// How far back an app's pushes are looked at. What was pushed before them is old.
const PUSHES: u32 = 500;

/// The newer push that makes this one superfluous, if there is one. A replay was asked for by somebody, and is run.
pub(crate) async fn newer_push(ledger: &Ledger, push: &Event, change: &Change) -> Result<Option<CommitSha>, Failure> {
    if push.replay > 0 {
        return Ok(None);
    }
    let pushes = pushes(ledger, change).await?;
    let Some(newest) = pushes.first().filter(|newest| newest.id != push.id) else { return Ok(None) };
    // The recorder may not have written this one down yet; then its own time has to do.
    let is_known = pushes.iter().any(|known| known.id == push.id);
    let is_newer = is_known || newest.time > push.time;
    Ok(is_newer.then(|| commit_of(newest)).flatten())
}

/// Whether this other commit was pushed to the branch after the change's own.
pub(crate) async fn is_later(ledger: &Ledger, change: &Change, other: &CommitSha) -> Result<bool, Failure> {
    let pushes = pushes(ledger, change).await?;
    let place = |commit: &CommitSha| pushes.iter().position(|push| commit_of(push).as_ref() == Some(commit));
    Ok(match (place(other), place(&change.commit)) {
        (Some(other), Some(own)) => other < own,
        // A commit that nobody wrote down as pushed, or long ago, holds up nothing.
        _ => false,
    })
}

/// The branch's pushes, newest first. One that was replayed keeps the place it had: nobody pushed it anew.
async fn pushes(ledger: &Ledger, change: &Change) -> Result<Vec<Event>, Failure> {
    let filter = EventFilter {
        kind: Some(EventType::PushReceived),
        app: Some(change.app.clone()),
        limit: PUSHES,
        ..EventFilter::default()
    };
    let recorded = ledger.events(&filter).await.map_err(away)?;
    let events = recorded.iter().rev().filter_map(|recorded| Event::from_message(&recorded.message).ok());
    let mut seen = HashSet::new();
    let first = events.filter(|event| event.subject == change.branch.as_str() && seen.insert(event.id));
    let mut pushes: Vec<_> = first.collect();
    pushes.reverse();
    Ok(pushes)
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
