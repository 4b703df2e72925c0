//! What runs leave for the next of their kind.

use ledger::{Claim, ClaimKey, Kept, Ledger};
use proto::{EventId, WorkerName};
use uuid::Uuid;

use crate::{place::Place, samples::message};

fn kept(name: &str, version: u32) -> Kept {
    Kept { name: name.to_owned(), version, state: format!("{{\"is\": \"{name} {version}\"}}") }
}

/// Claims a run of its own; what it is claimed under.
async fn begun(ledger: &Ledger) -> (ClaimKey, Uuid) {
    let (key, owner) = (ClaimKey { worker: WorkerName::Bumper, event: EventId::fresh(), replay: 0 }, Uuid::new_v4());
    let claim = ledger.claim(&key, owner, std::time::Duration::from_mins(1)).await.unwrap();
    assert_eq!(claim, Claim::Granted { takeover: false });
    (key, owner)
}

pub(crate) async fn what_a_run_leaves_is_there_with_its_outcomes(place: Place) {
    let ledger = place.open().await;
    assert_eq!(ledger.kept("chain/shop").await.unwrap(), None);
    for version in 1..=3 {
        for name in ["chain/shop", "chain/blog"] {
            let ((key, owner), left) = (begun(&ledger).await, kept(name, version));
            let outcomes = [message("manifest.bumped")];
            assert!(ledger.complete(&key, owner, &outcomes, Some(&left)).await.unwrap());
            // A second try of the same, whose answer was lost.
            assert!(ledger.complete(&key, owner, &outcomes, Some(&left)).await.unwrap());
            assert_eq!(ledger.kept(name).await.unwrap(), Some(left));
        }
    }
    let other = place.open().await;
    assert_eq!(other.all_kept().await.unwrap(), [kept("chain/blog", 3), kept("chain/shop", 3)]);
}

pub(crate) async fn of_two_runs_from_the_same_state_one_ends(place: Place) {
    let ledger = place.open().await;
    let runs = [begun(&ledger).await, begun(&ledger).await];
    let first = kept("chain/shop", 1);
    assert!(ledger.complete(&runs[0].0, runs[0].1, &[], Some(&first)).await.unwrap());
    assert!(!ledger.complete(&runs[1].0, runs[1].1, &[], Some(&first)).await.unwrap());
    // The other is still its owner's, who lets it go and begins again from what is known then.
    ledger.release(&runs[1].0, runs[1].1, "from an older state", false).await.unwrap();
    let owner = Uuid::new_v4();
    let again = ledger.claim(&runs[1].0, owner, std::time::Duration::from_mins(1)).await.unwrap();
    assert_eq!(again, Claim::Granted { takeover: false });
    assert!(ledger.complete(&runs[1].0, owner, &[], Some(&kept("chain/shop", 2))).await.unwrap());
    assert_eq!(ledger.kept("chain/shop").await.unwrap(), Some(kept("chain/shop", 2)));
}

pub(crate) async fn many_at_once_leave_one_version_after_the_other(place: Place) {
    let ledger = place.open().await;
    let tasks = (0..8).map(|_| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                loop {
                    let (key, owner) = begun(&ledger).await;
                    let version = ledger.kept("chain/shop").await.unwrap().map_or(0, |kept| kept.version);
                    let left = kept("chain/shop", version + 1);
                    if ledger.complete(&key, owner, &[], Some(&left)).await.is_ok_and(|ended| ended) {
                        break;
                    }
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(ledger.kept("chain/shop").await.unwrap().unwrap().version, 40);
}
