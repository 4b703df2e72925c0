//! Opening: by many at once, again, and never over tables this build does not know.

use std::sync::Arc;

use ledger::{EventFilter, Ledger, LedgerError};

use tokio::sync::Barrier;

use crate::{place::Place, samples::message};

pub(crate) async fn eight_at_once_open_a_new_database(place: Place) {
    let barrier = Arc::new(Barrier::new(8));
    let open = || {
        let (location, barrier) = (place.location().clone(), barrier.clone());
        tokio::spawn(async move {
            barrier.wait().await;
            let ledger = Ledger::open(&location).await.unwrap();
            ledger.record(&[message("push.received")]).await.unwrap()
        })
    };
    let tasks: Vec<_> = (0..8).map(|_| open()).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
    assert_eq!(place.open().await.events(&EventFilter::default()).await.unwrap().len(), 8);
}

pub(crate) async fn what_was_written_is_there_when_opened_again(place: Place) {
    let sent = message("push.received");
    place.open().await.record(&[sent.clone()]).await.unwrap();
    let listed = place.open().await.events(&EventFilter::default()).await.unwrap();
    assert_eq!(listed[0].message, sent);
}

async fn refusal(place: &Place) -> String {
    match Ledger::open(place.location()).await {
        Err(LedgerError::Unusable(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

pub(crate) async fn a_newer_database_is_refused(place: Place) {
    drop(place.open().await);
    place.execute("INSERT INTO windlass_migrations VALUES (9999, '9999_future', 'x', 'later')").await;
    let why = refusal(&place).await;
    assert!(why.contains("version 9999") && why.contains("upgrade"), "{why}");
}

pub(crate) async fn an_edited_migration_is_refused(place: Place) {
    drop(place.open().await);
    place.execute("UPDATE windlass_migrations SET checksum = 'another' WHERE version = 1").await;
    let why = refusal(&place).await;
    assert!(why.contains("0001_tables"), "{why}");
}

pub(crate) async fn it_answers_and_tells_the_time(place: Place) {
    let ledger = place.open().await;
    ledger.ping().await.unwrap();
    let (before, now) = (proto::Timestamp::now(), ledger.now().await.unwrap());
    assert!(now.duration_since(before).abs().as_secs() < 60, "this machine has one clock: {before} and {now}");
}
