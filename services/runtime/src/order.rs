//! Which of two revisions of an environment came later, as its history tells it; by request, and by arrival.
//!
//! Several are pushed together and told within the same moment, by no fixed order; so a manifest that replaced the
//! other's images comes after it whatever the clock says, and the clock decides only where that does not.

use std::{collections::HashSet, time::Duration};

use ledger::{EventFilter, Ledger};
use proto::{CommitSha, Data, Deployment, Event, EventType, ManifestBumped, ReleasedImage, SyncFinished, Timestamp};

use crate::Failure;

/// How far apart the events of revisions that were pushed together may be.
const TOGETHER: Duration = Duration::from_mins(1);
/// How many bumps or syncs of an app are looked at: far more than come while one is on its way.
const BUMPS: u32 = 1000;

/// The revision this environment was asked for after this one, if it was. `asked` is when this one was.
pub async fn newer_revision(
    ledger: &Ledger,
    deployment: &Deployment,
    asked: Timestamp,
) -> Result<Option<CommitSha>, Failure> {
    let since = asked.checked_sub(TOGETHER).unwrap_or(asked);
    let (kind, app) = (Some(EventType::ManifestBumped), Some(deployment.app.clone()));
    let filter = EventFilter { kind, app, since: Some(since), limit: BUMPS, ..EventFilter::default() };
    let bumps = ledger.events(&filter).await.map_err(Failure::transient)?;
    let bumps = bumps.iter().filter_map(|bump| Event::from_message(&bump.message).ok());
    let others: Vec<_> = bumps.filter_map(|bump| of_environment(bump, deployment)).collect();
    let newer = others.iter().find(|(other, time)| came_after(other, *time, deployment, asked, &others));
    Ok(newer.map(|(other, _)| other.revision.clone()))
}

/// The revision that was brought about in this environment after this sync, if one was: what answers there is that.
/// A replay brings nothing about anew, so what counts is when a sync was first written down.
pub async fn synced_after(
    ledger: &Ledger,
    sync: &Event,
    deployment: &Deployment,
) -> Result<Option<CommitSha>, Failure> {
    let (kind, app) = (Some(EventType::SyncFinished), Some(deployment.app.clone()));
    let filter = EventFilter { kind, app, limit: BUMPS, ..EventFilter::default() };
    let recorded = ledger.events(&filter).await.map_err(Failure::transient)?;
    let mut seen = HashSet::new();
    let syncs = recorded.iter().rev().filter_map(|recorded| Event::from_message(&recorded.message).ok());
    let mut first = syncs.filter(|other| seen.insert(other.id));
    // What is not in the history yet is newer than all that is.
    let own = first.find(|other| other.id == sync.id);
    let revision = |other: Event| match other.data {
        Data::SyncFinished(SyncFinished { deployment: d, .. }) if d.environment == deployment.environment => {
            Some(d.revision).filter(|revision| *revision != deployment.revision)
        }
        _ => None,
    };
    Ok(own.and_then(|_| first.find_map(revision)))
}

/// Another revision of the same environment, and when it was asked for.
type Asked = (Deployment, Timestamp);

fn of_environment(bump: Event, one: &Deployment) -> Option<Asked> {
    let Data::ManifestBumped(ManifestBumped { deployment }) = bump.data else { return None };
    let is_other = deployment.environment == one.environment && deployment.revision != one.revision;
    is_other.then_some((deployment, bump.time))
}

fn came_after(other: &Deployment, other_asked: Timestamp, one: &Deployment, asked: Timestamp, all: &[Asked]) -> bool {
    match (built_upon(other, one, all), built_upon(one, other, all)) {
        (true, false) => true,
        (false, true) => false,
        // Neither leads to the other; or there and back, as a rollback does, which comes long after what it undoes.
        _ => other_asked > asked,
    }
}

/// Whether what the later one replaced leads back to the earlier one, step by step.
fn built_upon(later: &Deployment, earlier: &Deployment, all: &[Asked]) -> bool {
    let (mut open, mut seen) = (vec![later], vec![&later.revision]);
    while let Some(at) = open.pop() {
        if replaced(at, earlier) {
            return true;
        }
        for (before, _) in all.iter().filter(|(before, _)| replaced(at, before)) {
            if !seen.contains(&&before.revision) {
                seen.push(&before.revision);
                open.push(before);
            }
        }
    }
    false
}

/// Whether the first one's manifest held what the second one asks for, before it was changed.
fn replaced(first: &Deployment, second: &Deployment) -> bool {
    let held = |before: &String, released: &ReleasedImage| before.contains(released.digest.as_str());
    second.release.iter().any(|(c, released)| first.previous.get(c).is_some_and(|before| held(before, released)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A revision that put this image in place of that one.
    fn deployment(revision: char, image: char, before: char) -> Deployment {
        let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
        serde_json::from_value(serde_json::json!({
            "app": "shop", "environment": "staging", "repository": "https://git.example/gitops.git", "branch": "main",
            "path": "staging", "revision": revision.to_string().repeat(40), "changed": ["web"], "reason": "deploy",
            "release": { "web": { "image": "ghcr.io/acme/web", "digest": digest(image) } },
            "previous": { "web": format!("ghcr.io/acme/web@{}", digest(before)) },
        }))
        .unwrap()
    }

    #[test]
    fn what_replaced_the_other_came_after_it_whatever_the_clock_says() {
        let (sooner, later) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let (a, b) = (deployment('a', '1', '0'), deployment('b', '2', '1'));
        for (of_a, of_b) in [(sooner, later), (later, sooner), (later, later)] {
            assert!(came_after(&b, of_b, &a, of_a, &[]));
            assert!(!came_after(&a, of_a, &b, of_b, &[]));
        }
    }

    #[test]
    fn otherwise_the_clock_decides() {
        let (sooner, later) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let (a, c) = (deployment('a', '1', '0'), deployment('c', '3', '2'));
        assert!(came_after(&c, later, &a, sooner, &[]) && !came_after(&a, sooner, &c, later, &[]));
        // There and back: a rollback restores what the bad revision had replaced.
        let (bad, back) = (deployment('b', '2', '1'), deployment('d', '1', '2'));
        assert!(came_after(&back, later, &bad, sooner, &[]) && !came_after(&bad, sooner, &back, later, &[]));
    }

    #[test]
    fn a_rollback_over_several_revisions_comes_after_all_of_them() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        // 1 was healthy; 2 and then 3 were asked for within the minute, and 3 was bad: back to 1.
        let (two, three) = (deployment('a', '2', '1'), deployment('b', '3', '2'));
        let back = deployment('c', '1', '3');
        let others = [(three.clone(), at(10)), (two.clone(), at(0))];
        for (other, asked) in &others {
            assert!(!came_after(other, *asked, &back, at(20), &others), "{}", other.revision);
        }
        let others = [(back.clone(), at(20)), (three, at(10))];
        assert!(came_after(&back, at(20), &two, at(0), &others));
        // What was pushed together with the rollback and built upon it comes after it, whatever the clock says.
        let next = deployment('d', '4', '1');
        let others = [(deployment('b', '3', '2'), at(10)), (two, at(0)), (next.clone(), at(20))];
        assert!(came_after(&next, at(20), &back, at(20), &others));
    }

    #[test]
    fn other_environments_and_the_same_revision_do_not_count() {
        let (a, mut b) = (deployment('a', '1', '0'), deployment('b', '2', '1'));
        let bump = |of: &Deployment| {
            let data = ManifestBumped { deployment: of.clone() };
            Event::first(proto::EventId::fresh(), "/test".to_owned(), String::new(), Timestamp::now(), data)
        };
        assert!(of_environment(bump(&b), &a).is_some());
        assert!(of_environment(bump(&a), &a).is_none());
        b.environment = "production".parse().unwrap();
        assert!(of_environment(bump(&b), &a).is_none());
    }
}
