//! Dead letters: kept once, found by their cause, and open until somebody replays them.

use ledger::{DeadFilter, Ledger, NewDeadLetter, OpenLetters, Outline};
use proto::WorkerName;
use uuid::Uuid;

use crate::{
    place::Place,
    samples::{message, time, with},
};

fn letter(worker: Option<WorkerName>, reason: &str, parked_at: &str) -> NewDeadLetter {
    let mut message = message("image.pushed");
    message.body = vec![0, 1, 254, 255].into();
    NewDeadLetter { message, worker, reason: reason.to_owned(), attempts: 8, parked_at: time(parked_at) }
}

async fn open_letters(ledger: &Ledger, filter: DeadFilter) -> Vec<Uuid> {
    ledger.dead_letters(&filter).await.unwrap().into_iter().map(|stored| stored.id).collect()
}

pub(crate) async fn a_letter_comes_back_as_it_was_buried(place: Place) {
    let ledger = place.open().await;
    for worker in [Some(WorkerName::Bumper), None] {
        let buried = letter(worker, "git push: permission denied\ncaused by: 403", "2026-03-01T10:00:00.123456Z");
        let (id, new) = ledger.bury(&buried).await.unwrap();
        assert!(new);
        let stored = ledger.dead_letter(id).await.unwrap().unwrap();
        assert_eq!((stored.id, &stored.letter), (id, &buried));
        assert_eq!((stored.replayed_at, stored.replayed_by), (None, None));
    }
    assert_eq!(ledger.dead_letter(Uuid::new_v4()).await.unwrap(), None);
}

pub(crate) async fn the_same_letter_twice_is_one(place: Place) {
    let ledger = place.open().await;
    let first = letter(Some(WorkerName::Builder), "the disk is full", "2026-03-01T10:00:00Z");
    let (id, _) = ledger.bury(&first).await.unwrap();
    let again =
        NewDeadLetter { reason: "another".to_owned(), parked_at: time("2026-03-02T10:00:00Z"), ..first.clone() };
    assert_eq!(ledger.bury(&again).await.unwrap(), (id, false));
    assert_eq!(ledger.dead_letter(id).await.unwrap().unwrap().letter, first);
}

pub(crate) async fn letters_of_other_workers_and_replays_are_others(place: Place) {
    let ledger = place.open().await;
    let first = letter(Some(WorkerName::Builder), "no", "2026-03-01T10:00:00Z");
    let others = [
        first.clone(),
        NewDeadLetter { worker: Some(WorkerName::Scanner), ..first.clone() },
        NewDeadLetter { worker: None, ..first.clone() },
        NewDeadLetter { message: with(first.message.clone(), "replay", "1"), ..first.clone() },
        NewDeadLetter { message: with(first.message.clone(), "id", "unreadable"), ..first },
    ];
    for other in &others {
        assert!(ledger.bury(other).await.unwrap().1);
        assert!(!ledger.bury(other).await.unwrap().1);
    }
    assert_eq!(open_letters(&ledger, DeadFilter::default()).await.len(), others.len());
}

pub(crate) async fn a_letter_that_died_again_after_its_replay_is_open_again(place: Place) {
    let ledger = place.open().await;
    let first = letter(Some(WorkerName::Syncer), "timeout", "2026-03-01T10:00:00Z");
    let (id, _) = ledger.bury(&first).await.unwrap();
    let before = ledger.now().await.unwrap();
    ledger.mark_replayed(id, "ada").await.unwrap();
    let marked = ledger.dead_letter(id).await.unwrap().unwrap();
    assert_eq!(marked.replayed_by.as_deref(), Some("ada"));
    assert!(marked.replayed_at.unwrap() >= before);
    assert!(open_letters(&ledger, DeadFilter::default()).await.is_empty());

    // The bus delivers the first letter once more: it is the one that was replayed already.
    assert_eq!(ledger.bury(&first).await.unwrap(), (id, false));
    assert!(open_letters(&ledger, DeadFilter::default()).await.is_empty());

    let parked_at = time("2026-03-01T11:00:00Z");
    let again = NewDeadLetter { reason: "refused".to_owned(), attempts: 3, parked_at, ..first };
    assert_eq!(ledger.bury(&again).await.unwrap(), (id, true));
    let stored = ledger.dead_letter(id).await.unwrap().unwrap();
    assert_eq!((&stored.letter, stored.replayed_at, stored.replayed_by), (&again, None, None));
    ledger.mark_replayed(Uuid::new_v4(), "ada").await.unwrap();
    assert_eq!(open_letters(&ledger, DeadFilter::default()).await, [id]);
}

pub(crate) async fn filters_choose_and_the_newest_comes_first(place: Place) {
    let ledger = place.open().await;
    let mut ids = Vec::new();
    for (worker, hour) in [(Some(WorkerName::Builder), 12), (Some(WorkerName::Bumper), 10), (None, 11)] {
        let buried = letter(worker, "no", &format!("2026-03-01T{hour}:00:00Z"));
        ids.push(ledger.bury(&buried).await.unwrap().0);
    }
    let [noon, ten, eleven] = ids[..] else { panic!("three were buried") };
    let any = DeadFilter::default();
    assert_eq!(open_letters(&ledger, any.clone()).await, [noon, eleven, ten]);
    assert_eq!(open_letters(&ledger, DeadFilter { limit: 2, ..any.clone() }).await, [noon, eleven]);
    let before = |id| DeadFilter { before: Some(id), ..any.clone() };
    assert_eq!(open_letters(&ledger, before(noon)).await, [eleven, ten]);
    assert_eq!(open_letters(&ledger, before(Uuid::nil())).await, Vec::<Uuid>::new());
    let bumper = DeadFilter { worker: Some(WorkerName::Bumper), ..any.clone() };
    assert_eq!(open_letters(&ledger, bumper).await, [ten]);
    let prefix = DeadFilter { id_prefix: Some(noon.to_string()[..20].to_owned()), ..any.clone() };
    assert_eq!(open_letters(&ledger, prefix).await, [noon]);
    let [since, until] = ["2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"].map(|text| Some(time(text)));
    assert_eq!(open_letters(&ledger, DeadFilter { since, ..any.clone() }).await, [noon, eleven]);
    assert_eq!(open_letters(&ledger, DeadFilter { since, until, ..any.clone() }).await, [eleven]);

    ledger.mark_replayed(eleven, "ada").await.unwrap();
    assert_eq!(open_letters(&ledger, any.clone()).await, [noon, ten]);
    assert_eq!(open_letters(&ledger, DeadFilter { with_replayed: true, ..any }).await, [noon, eleven, ten]);
}

pub(crate) async fn text_is_found_whatever_its_case_and_never_as_a_pattern(place: Place) {
    let ledger = place.open().await;
    let reasons = ["100% CPU on node_1\nÄrger mit \\dev\\null", "1000 CPUs on nodeA1"];
    let mut ids = Vec::new();
    for reason in reasons {
        ids.push(ledger.bury(&letter(None, reason, "2026-03-01T10:00:00Z")).await.unwrap().0);
    }
    for found in ["100% cpu", "NODE_1", "ärger MIT", "\\DEV\\", "1\nä"] {
        let filter = DeadFilter { text: Some(found.to_owned()), ..DeadFilter::default() };
        assert_eq!(open_letters(&ledger, filter).await, [ids[0]], "{found}");
    }
    for none in ["cpu%node", &"cpu".repeat(20_000)] {
        let filter = DeadFilter { text: Some(none.to_owned()), ..DeadFilter::default() };
        assert!(open_letters(&ledger, filter).await.is_empty());
    }
}

pub(crate) async fn lists_read_no_more_than_they_show(place: Place) {
    let ledger = place.open().await;
    let (short, mut long) = (letter(None, "no", "2026-03-01T11:00:00Z"), letter(None, "no", "2026-03-01T10:00:00Z"));
    long.message.body = vec![7; 25 * 1024 * 1024].into();
    let ids = [ledger.bury(&short).await.unwrap().0, ledger.bury(&long).await.unwrap().0];
    let listed = ledger.dead_letters(&DeadFilter::default()).await.unwrap();
    let has: Vec<_> = listed.into_iter().map(|stored| (stored.id, stored.letter.message)).collect();
    let left_out = Outline { body: None, ..Outline::from(&long.message) };
    assert!(has == [(ids[0], Outline::from(&short.message)), (ids[1], left_out)], "other bodies");
    assert!(ledger.dead_letter(ids[1]).await.unwrap().unwrap().letter == long, "not byte for byte");
}

pub(crate) async fn open_letters_are_counted_by_worker(place: Place) {
    let ledger = place.open().await;
    assert_eq!(ledger.open_letters().await.unwrap(), []);
    let bumper = Some(WorkerName::Bumper);
    for (worker, at) in
        [(bumper, "2026-03-01T11:00:00Z"), (bumper, "2026-03-01T10:00:00Z"), (None, "2026-03-01T12:00:00Z")]
    {
        ledger.bury(&letter(worker, "x", at)).await.unwrap();
    }
    let (replayed, _) = ledger.bury(&letter(bumper, "x", "2026-03-01T09:00:00Z")).await.unwrap();
    ledger.mark_replayed(replayed, "ops").await.unwrap();
    let expected = [
        OpenLetters { worker: bumper, count: 2, oldest: time("2026-03-01T10:00:00Z") },
        OpenLetters { worker: None, count: 1, oldest: time("2026-03-01T12:00:00Z") },
    ];
    assert_eq!(ledger.open_letters().await.unwrap(), expected);
}
