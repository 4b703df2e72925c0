//! What is known of a branch's pushes: which came later, in the order in which they were written down.

use std::collections::HashSet;

use ledger::{EventFilter, Ledger};
use proto::{Change, CommitSha, ComponentName, Data, Event, EventType, WorkerName};
use runtime::{Failure, config::App};

/// How far back an app's pushes are looked at. What was pushed before them is old.
const PUSHES: u32 = 500;
/// How many of an app's images are looked back at.
const IMAGES: u32 = 1000;
/// How many pushes in a row may have been left aside before the next is run all the same.
const LEFT_ASIDE: usize = 100;
/// How much of what came of one webhook is looked at.
const CHAIN: u32 = 1000;

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

/// The commits that were pushed to the branch after the change's own, newest first.
pub(crate) async fn later(ledger: &Ledger, change: &Change) -> Result<Vec<CommitSha>, Failure> {
    let pushes = pushes(ledger, change).await?;
    let commits: Vec<_> = pushes.iter().filter_map(commit_of).collect();
    // A commit that nobody wrote down as pushed has none that came after it.
    let own = commits.iter().position(|commit| *commit == change.commit).unwrap_or(0);
    Ok(commits.into_iter().take(own).collect())
}

/// The commit of the branch that this push comes after, if that one went all the way: its images are there, or, where
/// it has none, it was tested and scanned and found good.
///
/// Pushes that a builder left aside lie between and do not count: they lead to nothing any more. One that is still under
/// way does: whatever this push is like, it must go the same way to take the other's place.
pub(crate) async fn went_before(
    ledger: &Ledger,
    app: &App,
    push: &Event,
    change: &Change,
) -> Result<Option<CommitSha>, Failure> {
    let pushes = pushes(ledger, change).await?;
    let before: Vec<_> = match pushes.iter().position(|known| known.id == push.id) {
        Some(own) => pushes.into_iter().skip(own + 1).collect(),
        // The recorder may not have written this one down yet; then its own time has to do.
        None => pushes.into_iter().filter(|known| known.time <= push.time).collect(),
    };
    for other in before.iter().take(LEFT_ASIDE) {
        if was_left_aside(ledger, other).await? {
            continue;
        }
        let Some(commit) = commit_of(other) else { return Ok(None) };
        let went = went_through(ledger, app, change, &commit).await?;
        return Ok(went.then_some(commit));
    }
    Ok(None)
}

/// Whether a builder rightly did nothing for a push, and nobody replayed it since.
async fn was_left_aside(ledger: &Ledger, push: &Event) -> Result<bool, Failure> {
    let (correlation, app) = (Some(push.correlation), push.app().cloned());
    let filter = EventFilter { correlation, app, limit: CHAIN, ..EventFilter::default() };
    let chain = ledger.events(&filter).await.map_err(away)?;
    let chain = chain.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
    let came: Vec<_> = chain.filter(|event| event.cause == Some(push.id)).map(|event| event.data).collect();
    let ignored = |data: &Data| matches!(data, Data::EventIgnored(ignored) if ignored.worker == WorkerName::Builder);
    Ok(came.iter().any(ignored) && !came.iter().any(|data| matches!(data, Data::TestsFinished(_))))
}

async fn went_through(ledger: &Ledger, app: &App, change: &Change, commit: &CommitSha) -> Result<bool, Failure> {
    let mut components = app.components_of(&change.branch).peekable();
    if change.lane.is_deployed() && components.peek().is_some() {
        let built = images(ledger, change, commit).await?;
        return Ok(components.all(|(name, _)| built.contains(name)));
    }
    let scanned = ledger.newest(EventType::ScanFinished, &change.app, commit.as_str()).await.map_err(away)?;
    let scanned = scanned.and_then(|recorded| Event::from_message(&recorded.message).ok());
    Ok(scanned.is_some_and(|event| matches!(event.data, Data::ScanFinished(scan) if scan.passed)))
}

/// The components whose image of this commit is there, as the branch's builds have told.
async fn images(ledger: &Ledger, change: &Change, commit: &CommitSha) -> Result<HashSet<ComponentName>, Failure> {
    let events = events(ledger, EventType::ImageBuilt, change, IMAGES).await?;
    let built = events.into_iter().filter_map(|event| match event.data {
        Data::ImageBuilt(built) if built.change.branch == change.branch && built.change.commit == *commit => {
            Some(built.component)
        }
        _ => None,
    });
    Ok(built.collect())
}

/// The branch's pushes, newest first. One that was replayed keeps the place it had: nobody pushed it anew.
async fn pushes(ledger: &Ledger, change: &Change) -> Result<Vec<Event>, Failure> {
    let events = events(ledger, EventType::PushReceived, change, PUSHES).await?.into_iter().rev();
    let mut seen = HashSet::new();
    let first = events.filter(|event| event.subject == change.branch.as_str() && seen.insert(event.id));
    let mut pushes: Vec<_> = first.collect();
    pushes.reverse();
    Ok(pushes)
}

/// The app's events of a type, newest first.
async fn events(ledger: &Ledger, kind: EventType, change: &Change, limit: u32) -> Result<Vec<Event>, Failure> {
    let filter = EventFilter { kind: Some(kind), app: Some(change.app.clone()), limit, ..EventFilter::default() };
    let recorded = ledger.events(&filter).await.map_err(away)?;
    Ok(recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok()).collect())
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
