//! Which of two revisions of an environment came later, as its history tells it.
//!
//! Several are pushed together and told within the same moment, by no fixed order; so a manifest that replaced the
//! other's images comes after it whatever the clock says, and the clock decides only where that does not.

use std::time::Duration;

use ledger::{EventFilter, Ledger};
use proto::{CommitSha, Data, Deployment, Event, EventType, ReleasedImage, Timestamp};

use crate::Failure;

/// How far apart the events of revisions that were pushed together may be.
const TOGETHER: Duration = Duration::from_mins(1);

/// The revision this environment was asked for after this one, if it was. `asked` is when this one was.
pub async fn newer_revision(
    ledger: &Ledger,
    deployment: &Deployment,
    asked: Timestamp,
) -> Result<Option<CommitSha>, Failure> {
    let since = asked.checked_sub(TOGETHER).unwrap_or(asked);
    let (kind, app) = (Some(EventType::ManifestBumped), Some(deployment.app.clone()));
    let filter = EventFilter { kind, app, since: Some(since), ..EventFilter::default() };
    let bumps = ledger.events(&filter).await.map_err(Failure::transient)?;
    let bumps = bumps.iter().filter_map(|bump| Event::from_message(&bump.message).ok());
    let newer = bumps.filter_map(|bump| match bump.data {
        Data::ManifestBumped(other) => came_after(&other.deployment, bump.time, deployment, asked).then_some(other),
        _ => None,
    });
    Ok(newer.map(|other| other.deployment.revision).next())
}

fn came_after(other: &Deployment, other_asked: Timestamp, one: &Deployment, asked: Timestamp) -> bool {
    if other.environment != one.environment || other.revision == one.revision {
        return false;
    }
    match (replaced(other, one), replaced(one, other)) {
        (true, false) => true,
        (false, true) => false,
        // Neither is the other's neighbour; or back and forth, which no one push does.
        _ => other_asked > asked,
    }
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
            assert!(came_after(&b, of_b, &a, of_a));
            assert!(!came_after(&a, of_a, &b, of_b));
        }
    }

    #[test]
    fn otherwise_the_clock_decides() {
        let (sooner, later) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let (a, c) = (deployment('a', '1', '0'), deployment('c', '3', '2'));
        assert!(came_after(&c, later, &a, sooner) && !came_after(&a, sooner, &c, later));
        // There and back: a rollback restores what the bad revision had replaced.
        let (bad, back) = (deployment('b', '2', '1'), deployment('d', '1', '2'));
        assert!(came_after(&back, later, &bad, sooner) && !came_after(&bad, sooner, &back, later));
    }

    #[test]
    fn other_environments_and_the_same_revision_do_not_count() {
        let (a, mut b) = (deployment('a', '1', '0'), deployment('b', '2', '1'));
        assert!(!came_after(&a, Timestamp::now(), &a, Timestamp::UNIX_EPOCH));
        b.environment = "production".parse().unwrap();
        assert!(!came_after(&b, Timestamp::now(), &a, Timestamp::UNIX_EPOCH));
    }
}
