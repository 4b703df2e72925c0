//! Claims: one runner at a time, and what it made is there for whoever comes after.

use std::time::Duration;

use anyhow::bail;
use ledger::{Claim, ClaimKey, Ledger, RunState};
use proto::WorkerName;
use testkit::wait;
use uuid::Uuid;

use crate::{
    place::Place,
    samples::{key, message, with},
};

const LONG: Duration = Duration::from_mins(10);
/// Too long to wait for the end of a short one.
const PATIENCE: Duration = Duration::from_secs(30);
/// Short, so that its end can be waited for.
const SHORT: Duration = Duration::from_millis(200);
const GRANTED: Claim = Claim::Granted { takeover: false };
const TAKEN_OVER: Claim = Claim::Granted { takeover: true };

/// Claims as soon as it is no longer held.
async fn claim_when_free(ledger: &Ledger, key: &ClaimKey, owner: Uuid) -> Claim {
    wait::until(PATIENCE, "the end of the lease", async || match ledger.claim(key, owner, LONG).await? {
        Claim::Held { until } => bail!("held until {until}"),
        claim => Ok(claim),
    })
    .await
    .unwrap()
}

async fn claims_at_once(ledger: &Ledger, key: ClaimKey, count: usize) -> Vec<Claim> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.claim(&key, Uuid::new_v4(), LONG).await.unwrap() })
        })
        .collect();
    let mut claims = Vec::new();
    for task in tasks {
        claims.push(task.await.unwrap());
    }
    claims
}

pub(crate) async fn of_many_claimers_one_is_granted(place: Place) {
    let ledger = place.open().await;
    for _ in 0..4 {
        let claims = claims_at_once(&ledger, key(WorkerName::Builder), 64).await;
        assert_eq!(claims.iter().filter(|claim| **claim == GRANTED).count(), 1);
        assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Held { .. })).count(), 63);
    }
}

pub(crate) async fn an_owner_cannot_claim_twice_what_it_runs(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Scanner), Uuid::new_v4());
    assert_eq!(ledger.claim(&key, owner, LONG).await.unwrap(), GRANTED);
    let now = ledger.now().await.unwrap();
    let Claim::Held { until } = ledger.claim(&key, owner, LONG).await.unwrap() else { panic!("granted twice") };
    let left = until.duration_since(now).as_secs();
    assert!((590..=600).contains(&left), "{left} s of 600 are left");
}

pub(crate) async fn a_lease_that_ran_out_is_taken_over_and_its_owner_shut_out(place: Place) {
    let ledger = place.open().await;
    let (key, vanished, heir) = (key(WorkerName::Bumper), Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(ledger.claim(&key, vanished, SHORT).await.unwrap(), GRANTED);
    assert_eq!(claim_when_free(&ledger, &key, heir).await, TAKEN_OVER);

    assert!(!ledger.heartbeat(&key, vanished, LONG).await.unwrap());
    assert!(!ledger.complete(&key, vanished, &[message("image.built")], None).await.unwrap());
    ledger.release(&key, vanished, "too late", true).await.unwrap();
    let runs = ledger.runs(key.event).await.unwrap();
    assert_eq!((runs[0].state, runs[0].attempts, &runs[0].error), (RunState::Running, 2, &None));

    assert!(ledger.complete(&key, heir, &[], None).await.unwrap());
    assert_eq!(ledger.claim(&key, vanished, LONG).await.unwrap(), Claim::Done { outcomes: vec![] });
}

pub(crate) async fn of_many_who_take_over_one_is_granted(place: Place) {
    let ledger = place.open().await;
    let key = key(WorkerName::Bumper);
    ledger.claim(&key, Uuid::new_v4(), Duration::ZERO).await.unwrap();
    let claims = claims_at_once(&ledger, key, 64).await;
    assert_eq!(claims.iter().filter(|claim| **claim == TAKEN_OVER).count(), 1);
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Held { .. })).count(), 63);
}

pub(crate) async fn an_owner_past_its_lease_may_finish_while_nobody_took_over(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Syncer), Uuid::new_v4());
    ledger.claim(&key, owner, Duration::ZERO).await.unwrap();
    assert!(ledger.heartbeat(&key, owner, Duration::ZERO).await.unwrap());
    assert!(ledger.complete(&key, owner, &[message("sync.finished")], None).await.unwrap());
}

pub(crate) async fn a_heartbeat_holds_the_claim(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Prober), Uuid::new_v4());
    ledger.claim(&key, owner, SHORT).await.unwrap();
    assert!(ledger.heartbeat(&key, owner, LONG).await.unwrap());
    assert!(!ledger.heartbeat(&key, Uuid::new_v4(), LONG).await.unwrap());

    let first_end = ledger.now().await.unwrap() + SHORT;
    let is_past = async || ledger.now().await.unwrap() > first_end;
    wait::until_true(PATIENCE, "the end of the first lease", is_past).await.unwrap();
    assert!(matches!(ledger.claim(&key, Uuid::new_v4(), LONG).await.unwrap(), Claim::Held { .. }));
}

pub(crate) async fn a_claim_that_was_let_go_is_granted_at_once(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Notifier), Uuid::new_v4());
    for (attempt, parked, state) in [(1, false, RunState::Failed), (2, true, RunState::Parked)] {
        assert_eq!(ledger.claim(&key, owner, LONG).await.unwrap(), GRANTED);
        ledger.release(&key, owner, "Slack said 500\0", parked).await.unwrap();
        let run = ledger.runs(key.event).await.unwrap().remove(0);
        assert_eq!((run.state, run.attempts), (state, attempt));
        assert_eq!(run.error.as_deref(), Some("Slack said 500\u{fffd}"));
        assert!(run.finished_at.unwrap() >= run.started_at);
        assert!(!ledger.heartbeat(&key, owner, LONG).await.unwrap());
        assert!(!ledger.complete(&key, owner, &[], None).await.unwrap());
    }
    assert_eq!(ledger.claim(&key, Uuid::new_v4(), LONG).await.unwrap(), GRANTED);
}

pub(crate) async fn outcomes_come_back_byte_for_byte(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Normalizer), Uuid::new_v4());
    let mut binary = with(message("webhook.received"), "odd", "ü\0\"\\\n");
    binary.body = (0..=255).cycle().take(1 << 20).collect::<Vec<u8>>().into();
    "application/octet-stream".clone_into(&mut binary.content_type);
    let mut empty = message("image.pushed");
    empty.body.clear();
    let outcomes = vec![message("push.received"), binary, empty];

    ledger.claim(&key, owner, LONG).await.unwrap();
    assert!(ledger.complete(&key, owner, &outcomes, None).await.unwrap());
    assert_eq!(ledger.claim(&key, owner, LONG).await.unwrap(), Claim::Done { outcomes });
    assert_eq!(ledger.runs(key.event).await.unwrap()[0].outcomes, 3);
}

pub(crate) async fn done_stays_done(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Builder), Uuid::new_v4());
    let outcomes = vec![message("tests.finished")];
    ledger.claim(&key, owner, Duration::ZERO).await.unwrap();
    ledger.complete(&key, owner, &outcomes, None).await.unwrap();

    ledger.release(&key, owner, "no", false).await.unwrap();
    assert!(!ledger.heartbeat(&key, owner, LONG).await.unwrap());
    assert!(!ledger.complete(&key, owner, &[message("scan.finished")], None).await.unwrap());
    assert!(!ledger.complete(&key, Uuid::new_v4(), &outcomes, None).await.unwrap());
    assert_eq!(ledger.claim(&key, Uuid::new_v4(), LONG).await.unwrap(), Claim::Done { outcomes });
}

pub(crate) async fn completing_again_with_the_same_outcomes_is_no_loss(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Builder), Uuid::new_v4());
    let outcomes = [message("tests.finished"), message("image.built")];
    ledger.claim(&key, owner, LONG).await.unwrap();
    assert!(ledger.complete(&key, owner, &outcomes, None).await.unwrap());
    assert!(ledger.complete(&key, owner, &outcomes, None).await.unwrap());
}

pub(crate) async fn a_long_error_is_cut_between_characters(place: Place) {
    let ledger = place.open().await;
    let (key, owner) = (key(WorkerName::Builder), Uuid::new_v4());
    ledger.claim(&key, owner, LONG).await.unwrap();
    ledger.release(&key, owner, &format!("x{}", "ü".repeat(20_000)), false).await.unwrap();
    let error = ledger.runs(key.event).await.unwrap().remove(0).error.unwrap();
    assert_eq!(error.len(), 8191);
    assert!(error.starts_with("xü") && error.ends_with('ü'));
}

pub(crate) async fn claims_of_other_workers_events_and_replays_are_others(place: Place) {
    let ledger = place.open().await;
    let first = key(WorkerName::Builder);
    let others = [
        first,
        ClaimKey { worker: WorkerName::Scanner, ..first },
        ClaimKey { event: key(WorkerName::Builder).event, ..first },
        ClaimKey { replay: u32::MAX, ..first },
    ];
    for key in others {
        assert_eq!(ledger.claim(&key, Uuid::new_v4(), LONG).await.unwrap(), GRANTED);
    }
}

pub(crate) async fn runs_are_listed_by_worker_and_replay(place: Place) {
    let ledger = place.open().await;
    let event = key(WorkerName::Builder).event;
    for (worker, replay) in [(WorkerName::Notifier, 0), (WorkerName::Bumper, 1), (WorkerName::Bumper, 0)] {
        ledger.claim(&ClaimKey { worker, event, replay }, Uuid::new_v4(), LONG).await.unwrap();
    }
    let runs = ledger.runs(event).await.unwrap();
    let listed: Vec<_> = runs.iter().map(|run| (run.worker, run.replay)).collect();
    assert_eq!(listed, [(WorkerName::Bumper, 0), (WorkerName::Bumper, 1), (WorkerName::Notifier, 0)]);
    assert!(runs.iter().all(|run| run.state == RunState::Running && run.finished_at.is_none()));
    assert!(ledger.runs(key(WorkerName::Builder).event).await.unwrap().is_empty());
}
