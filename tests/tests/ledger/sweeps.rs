//! Sweeps: one at a time, and what they leave for the next.

use std::time::Duration;

use ledger::{AskedFor, Redelivery, SweepEnd, Swept};
use proto::{Digest, ImageName};
use uuid::Uuid;

use crate::{place::Place, samples::time};

const LONG: Duration = Duration::from_mins(10);
const FRESH: Swept = Swept { watermark: None, swept_at: None, left: None };

fn up_to(watermark: Option<proto::Timestamp>) -> SweepEnd {
    SweepEnd { watermark, ..SweepEnd::default() }
}

pub(crate) async fn of_many_sweepers_one_is_let_in(place: Place) {
    let ledger = place.open().await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.begin_sweep("hook", Uuid::new_v4(), LONG, LONG).await.unwrap() })
        })
        .collect();
    let mut let_in = 0;
    for task in tasks {
        let_in += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(let_in, 1);
    assert!(ledger.begin_sweep("another hook", Uuid::new_v4(), LONG, LONG).await.unwrap().is_some());
}

pub(crate) async fn a_place_is_swept_again_only_after_a_while(place: Place) {
    let ledger = place.open().await;
    let (owner, other, mark) = (Uuid::new_v4(), Uuid::new_v4(), time("2026-03-01T10:00:00.123456Z"));
    assert_eq!(ledger.swept("hook").await.unwrap(), None);
    assert_eq!(ledger.begin_sweep("hook", owner, LONG, LONG).await.unwrap(), Some(FRESH));
    ledger.let_sweep_go("hook", other).await.unwrap();
    assert_eq!(ledger.begin_sweep("hook", other, LONG, Duration::ZERO).await.unwrap(), None, "it is the owner's still");
    ledger.let_sweep_go("hook", owner).await.unwrap();
    assert_eq!(ledger.begin_sweep("hook", owner, LONG, LONG).await.unwrap(), Some(FRESH), "it was not swept yet");

    assert!(ledger.end_sweep("hook", owner, &up_to(Some(mark))).await.unwrap());
    assert_eq!(ledger.begin_sweep("hook", other, LONG, LONG).await.unwrap(), None);
    let again = ledger.begin_sweep("hook", other, LONG, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(again.watermark, Some(mark));
    assert!(again.swept_at.is_some());
    assert!(ledger.end_sweep("hook", other, &up_to(None)).await.unwrap());
    assert_eq!(ledger.swept("hook").await.unwrap().unwrap().watermark, Some(mark));
}

pub(crate) async fn a_sweep_that_vanished_is_taken_over_and_keeps_its_watermark(place: Place) {
    let ledger = place.open().await;
    let (vanished, heir, mark) = (Uuid::new_v4(), Uuid::new_v4(), time("2026-03-01T10:00:00Z"));
    ledger.begin_sweep("hook", vanished, LONG, LONG).await.unwrap();
    ledger.end_sweep("hook", vanished, &up_to(Some(mark))).await.unwrap();
    ledger.begin_sweep("hook", vanished, Duration::ZERO, Duration::ZERO).await.unwrap();
    assert!(ledger.extend_sweep("hook", vanished, Duration::ZERO, None).await.unwrap());
    let taken = ledger.begin_sweep("hook", heir, LONG, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(taken.watermark, Some(mark));
    assert!(!ledger.extend_sweep("hook", vanished, LONG, None).await.unwrap());
    assert!(!ledger.end_sweep("hook", vanished, &up_to(Some(time("2026-04-01T10:00:00Z")))).await.unwrap());
    assert_eq!(ledger.swept("hook").await.unwrap().unwrap().watermark, Some(mark));
}

pub(crate) async fn what_a_sweep_leaves_and_could_not_do_is_known(place: Place) {
    let ledger = place.open().await;
    let (owner, other) = (Uuid::new_v4(), Uuid::new_v4());
    let text = |text: &str| Some(text.to_owned());
    let told = async || {
        let state = ledger.sweeps().await.unwrap().pop().unwrap();
        (state.swept_at.is_some(), state.ended_at.is_some(), state.trouble)
    };
    assert!(ledger.sweeps().await.unwrap().is_empty());
    ledger.begin_sweep("hook", owner, LONG, LONG).await.unwrap();
    assert_eq!(told().await, (false, false, None));
    let refused = SweepEnd { left: text("one"), trouble: text("nobody answers"), ..SweepEnd::default() };
    assert!(!ledger.break_off_sweep("hook", other, &refused).await.unwrap());
    assert!(ledger.break_off_sweep("hook", owner, &refused).await.unwrap());
    assert_eq!(told().await, (false, true, text("nobody answers")));

    let again = ledger.begin_sweep("hook", other, LONG, LONG).await.unwrap().expect("it was not swept yet");
    assert_eq!(again.left, text("one"));
    assert!(ledger.end_sweep("hook", other, &SweepEnd::default()).await.unwrap());
    assert_eq!(told().await, (true, true, None));
    assert_eq!(ledger.swept("hook").await.unwrap().unwrap().left, text("one"), "what is not said stays");
    ledger.begin_sweep("another", owner, LONG, LONG).await.unwrap();
    let waits = async || {
        let states = ledger.sweeps().await.unwrap();
        states.into_iter().map(|state| (state.under_way, state.waits_until)).collect::<Vec<_>>()
    };
    assert_eq!(waits().await, [(true, None), (false, None)]);
    let until = Some(time("2026-03-01T11:00:00Z"));
    assert!(ledger.extend_sweep("another", owner, LONG, until).await.unwrap());
    assert_eq!(waits().await, [(true, until), (false, None)]);
    assert!(ledger.extend_sweep("another", owner, Duration::ZERO, until).await.unwrap());
    assert_eq!(waits().await, [(false, None), (false, None)], "who says so may have vanished");
    ledger.begin_sweep("another", other, LONG, LONG).await.unwrap();
    assert_eq!(waits().await, [(true, None), (false, None)], "that was another's");
    let targets: Vec<_> = ledger.sweeps().await.unwrap().into_iter().map(|state| state.target).collect();
    assert_eq!(targets, ["another", "hook"]);
}

pub(crate) async fn what_was_asked_is_counted_settled_and_forgotten(place: Place) {
    let ledger = place.open().await;
    let (first, attempt) = (Some(time("2026-03-01T10:00:00Z")), Some(17_000_000_003));
    let asked = |n: u32| AskedFor { delivery: format!("guid-{n}"), times: 1, attempt, first_at: first };
    let many: Vec<_> = (0..500).map(asked).collect();
    ledger.note_redeliveries("hook", &many).await.unwrap();
    let unknown = AskedFor { times: 6, attempt: None, first_at: None, ..asked(0) };
    let next = AskedFor { attempt: Some(17_000_000_006), ..asked(1) };
    ledger.note_redeliveries("hook", &[unknown, next]).await.unwrap();
    ledger.note_redeliveries("another hook", &[]).await.unwrap();
    let asked = ledger.redeliveries("hook").await.unwrap();
    let of = |delivery: &str| asked.iter().find(|r| r.delivery == delivery).map(|r| (r.times, r.attempt, r.first_at));
    assert_eq!((asked.len(), of("guid-0")), (500, Some((7, attempt, first))));
    assert_eq!((of("guid-1"), of("guid-2")), (Some((2, Some(17_000_000_006), first)), Some((1, attempt, first))));
    assert_eq!(ledger.redeliveries("another hook").await.unwrap(), Vec::<Redelivery>::new());
    let came: Vec<_> = (10..20).map(|n| format!("guid-{n}")).collect();
    ledger.settle_redeliveries("another hook", &came).await.unwrap();
    ledger.settle_redeliveries("hook", &came).await.unwrap();
    assert_eq!(ledger.redeliveries("hook").await.unwrap().len(), 490);
    let last = asked.iter().find(|r| r.delivery == "guid-0").unwrap().asked_at;
    ledger.forget_redeliveries("hook", last).await.unwrap();
    let left = ledger.redeliveries("hook").await.unwrap();
    assert!(left.len() < 490 && left.iter().any(|r| r.delivery == "guid-0"), "{}", left.len());
}

pub(crate) async fn a_tag_s_changes_are_counted_once(place: Place) {
    let ledger = place.open().await;
    let image = ImageName::new("ghcr.io/acme/shop").unwrap();
    let digest = |c: &str| Digest::new(format!("sha256:{}", c.repeat(64))).unwrap();
    let seen = async || {
        let seen = ledger.seen_tag(&image, "main").await.unwrap();
        seen.map(|seen| (seen.digest, seen.changes))
    };
    assert_eq!(seen().await, None);
    ledger.see_tag(&image, "main", &digest("a"), 0).await.unwrap();
    ledger.see_tag(&image, "main", &digest("b"), 1).await.unwrap();
    ledger.see_tag(&image, "main", &digest("c"), 1).await.unwrap();
    ledger.see_tag(&image, "main", &digest("a"), 0).await.unwrap();
    assert_eq!(seen().await, Some((digest("b"), 1)));
    assert_eq!(ledger.seen_tag(&image, "hotfix-x").await.unwrap(), None);
}
