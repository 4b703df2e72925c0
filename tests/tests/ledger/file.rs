//! What only the SQLite file can show: other processes, a damaged file, a folder that cannot be written, a busy lock.

use std::{path::Path, time::Duration};

use ledger::{Claim, ClaimKey, EventFilter, Ledger, LedgerError, Location, SweepEnd};
use proto::{EventId, WorkerName};
use testkit::wait;
use uuid::Uuid;

use crate::{
    place::Place,
    samples::{key, message},
};

const LONG: Duration = Duration::from_mins(10);
const EVENTS_EACH: usize = 100;

async fn record_one_by_one(ledger: &Ledger) {
    for _ in 0..EVENTS_EACH {
        ledger.record(&[message("image.pushed")]).await.unwrap();
    }
}

fn why_unusable(opened: Result<Ledger, LedgerError>) -> String {
    match opened {
        Err(LedgerError::Unusable(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_share_the_file() {
    let place = Place::sqlite();
    let (one, other) = (place.open().await, place.open().await);
    tokio::join!(record_one_by_one(&one), record_one_by_one(&other));
    let all = EventFilter { limit: 1000, ..EventFilter::default() };
    assert_eq!(one.events(&all).await.unwrap().len(), 2 * EVENTS_EACH);

    let (key, owner) = (key(WorkerName::Builder), Uuid::new_v4());
    assert_eq!(one.claim(&key, owner, LONG).await.unwrap(), Claim::Granted { takeover: false });
    assert!(matches!(other.claim(&key, Uuid::new_v4(), LONG).await.unwrap(), Claim::Held { .. }));
    assert!(one.complete(&key, owner, &[], None).await.unwrap());
    assert_eq!(other.claim(&key, owner, LONG).await.unwrap(), Claim::Done { outcomes: vec![] });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_by_a_clock_that_was_ahead_does_not_wait_for_its_time() {
    let place = Place::sqlite();
    let ledger = place.open().await;
    let (key, vanished, heir) = (key(WorkerName::Builder), Uuid::new_v4(), Uuid::new_v4());
    ledger.claim(&key, vanished, LONG).await.unwrap();
    for target in ["swept", "begun"] {
        ledger.begin_sweep(target, vanished, LONG, LONG).await.unwrap();
    }
    assert!(ledger.end_sweep("swept", vanished, &SweepEnd::default()).await.unwrap());
    // As if all that had been a year from now, in microseconds.
    let ahead = |table: &str, column: &str| format!("UPDATE {table} SET {column} = {column} + 31536000000000;");
    let [claims, sweeps, swept] =
        [ahead("claims", "lease_until"), ahead("sweeps", "lease_until"), ahead("sweeps", "swept_at")];
    place.execute(&format!("{claims}{sweeps}{swept}")).await;
    assert_eq!(ledger.claim(&key, heir, LONG).await.unwrap(), Claim::Granted { takeover: true });
    for target in ["swept", "begun"] {
        assert!(ledger.begin_sweep(target, heir, LONG, LONG).await.unwrap().is_some(), "{target}");
    }
}

/// What the second process and its parent both want.
fn contested() -> ClaimKey {
    ClaimKey { worker: WorkerName::Bumper, event: EventId(Uuid::from_u128(7)), replay: 0 }
}

/// Not a test of its own: the process that the test below starts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the second process of another test"]
async fn second_process() {
    let file = std::env::var_os("WINDLASS_TEST_LEDGER").expect("started by the test that needs it");
    let ledger = Ledger::open(&Location::Sqlite(file.into())).await.unwrap();
    let owner = Uuid::new_v4();
    assert_eq!(ledger.claim(&contested(), owner, LONG).await.unwrap(), Claim::Granted { takeover: false });
    record_one_by_one(&ledger).await;
    assert!(ledger.complete(&contested(), owner, &[message("manifest.bumped")], None).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_shares_the_file() {
    let place = Place::sqlite();
    let ledger = place.open().await;
    let mut second = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::second_process", "--ignored"])
        .env("WINDLASS_TEST_LEDGER", place.file())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let is_claimed = async || !ledger.runs(contested().event).await.unwrap().is_empty();
    wait::until_true(Duration::from_secs(30), "the other's claim", is_claimed).await.unwrap();
    record_one_by_one(&ledger).await;
    assert!(second.wait().await.unwrap().success());

    let all = EventFilter { limit: 1000, ..EventFilter::default() };
    assert_eq!(ledger.events(&all).await.unwrap().len(), 2 * EVENTS_EACH);
    let claim = ledger.claim(&contested(), Uuid::new_v4(), LONG).await.unwrap();
    assert!(matches!(claim, Claim::Done { outcomes } if outcomes.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    std::fs::write(&file, "this was a ledger once".repeat(1000)).unwrap();
    let why = why_unusable(Ledger::open(&Location::Sqlite(file.clone())).await);
    assert!(why.contains(file.to_str().unwrap()) && why.contains("backup"), "{why}");
    assert_eq!(std::fs::read(&file).unwrap().len(), 22_000, "it was left as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_met_while_reading_is_named() {
    let place = Place::sqlite();
    place.open().await.record(&[message("push.received")]).await.unwrap();
    let sent: Vec<_> = (0..500).map(|_| message("push.received")).collect();
    place.open().await.record(&sent).await.unwrap();
    place.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = std::fs::read(place.file()).unwrap();
    // All but the first pages, which hold the tables' definitions.
    let from = bytes.len() / 2;
    bytes[from..].fill(0xa5);
    std::fs::write(place.file(), bytes).unwrap();
    let ledger = place.open().await;
    let all = EventFilter { limit: 1000, ..EventFilter::default() };
    let Err(LedgerError::Unusable(why)) = ledger.events(&all).await else { panic!("damage went unnoticed") };
    assert!(why.contains(place.file().to_str().unwrap()), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for place in [folder.path().to_path_buf(), folder.path().join("file/ledger.db"), Path::new("/proc/x/l").into()] {
        let why = why_unusable(Ledger::open(&Location::Sqlite(place.clone())).await);
        assert!(why.contains(place.to_str().unwrap()) && why.contains("`ledger`"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let ledger = place.open().await;
    ledger.record(&[message("push.received")]).await.unwrap();
    for entry in std::fs::read_dir(place.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_somebody_sits_on_the_lock_it_is_away_and_can_be_read() {
    let place = Place::sqlite();
    let ledger = place.open().await;
    ledger.record(&[message("push.received")]).await.unwrap();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let recorded = ledger.record(&[message("push.received")]).await;
    assert!(matches!(recorded, Err(LedgerError::Unavailable(_))), "{recorded:?}");
    assert_eq!(ledger.events(&EventFilter::default()).await.unwrap().len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ledger.record(&[message("push.received")]).await.unwrap(), 1);
}
