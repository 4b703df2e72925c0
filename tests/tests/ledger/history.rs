//! History: every event once, whatever it holds, found by what is known of it.

use ledger::{EventFilter, Ledger, Outline, Recorded};
use proto::{AppName, EventId, EventType, Message, Timestamp};

use crate::{
    place::Place,
    samples::{id, message, time, with},
};

async fn list(ledger: &Ledger, filter: EventFilter) -> Vec<Message> {
    ledger.events(&filter).await.unwrap().into_iter().map(|recorded| recorded.message).collect()
}

pub(crate) async fn an_event_comes_back_as_it_travelled(place: Place) {
    let ledger = place.open().await;
    let mut sent = with(message("webhook.received"), "httpuseragent", "GitHub-Hookshot/\"é\"");
    sent.body = vec![0, 159, 146, 150, 255, 10].into();
    sent.content_type = "application/x-www-form-urlencoded".to_owned();
    let before = ledger.now().await.unwrap();
    assert_eq!(ledger.record(&[sent.clone()]).await.unwrap(), 1);
    let Recorded { recorded_at, message, .. } = ledger.event(id(&sent)).await.unwrap().unwrap();
    assert_eq!(message, sent);
    assert!(recorded_at >= before && recorded_at <= ledger.now().await.unwrap());
    assert_eq!(ledger.event(EventId::fresh()).await.unwrap(), None);
}

pub(crate) async fn what_is_there_already_is_left_as_it_is(place: Place) {
    let ledger = place.open().await;
    let (first, second) = (message("push.received"), message("push.received"));
    assert_eq!(ledger.record(&[]).await.unwrap(), 0);
    assert_eq!(ledger.record(&[first.clone(), first.clone()]).await.unwrap(), 1);
    let changed = with(first.clone(), "subject", "another");
    assert_eq!(ledger.record(&[changed, second.clone()]).await.unwrap(), 1);
    assert_eq!(list(&ledger, EventFilter::default()).await, [second, first]);
}

pub(crate) async fn five_thousand_events_are_recorded_and_listed(place: Place) {
    let ledger = place.open().await;
    let sent: Vec<_> = (0..5000).map(|n| with(message("image.pushed"), "subject", &n.to_string())).collect();
    assert_eq!(ledger.record(&sent).await.unwrap(), 5000);
    assert_eq!(ledger.record(&sent).await.unwrap(), 0);
    let listed = ledger.events(&EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap();
    assert!(listed.is_sorted_by(|newer, older| newer.seq > older.seq));
    assert!(listed.iter().rev().map(|recorded| &recorded.message).eq(&sent));
    assert_eq!(list(&ledger, EventFilter::default()).await, sent.iter().rev().take(100).cloned().collect::<Vec<_>>());
}

pub(crate) async fn filters_choose_and_the_newest_comes_first(place: Place) {
    let ledger = place.open().await;
    let push = message("push.received");
    let built = with(message("image.built"), "correlationid", push.attribute("id"));
    let other = with(message("push.received"), "app", "blog");
    ledger.record(&[push.clone(), built.clone(), other.clone()]).await.unwrap();

    let any = EventFilter::default();
    assert_eq!(list(&ledger, any.clone()).await, [&other, &built, &push].map(Clone::clone));
    let kind = EventFilter { kind: Some(EventType::PushReceived), ..any.clone() };
    assert_eq!(list(&ledger, kind.clone()).await, [&other, &push].map(Clone::clone));
    assert_eq!(list(&ledger, EventFilter { limit: 1, ..kind.clone() }).await, [other.clone()]);
    let app = EventFilter { app: Some(AppName::new("shop").unwrap()), ..any.clone() };
    assert_eq!(list(&ledger, app.clone()).await, [&built, &push].map(Clone::clone));
    let seq = ledger.events(&any).await.unwrap()[0].seq;
    let before = EventFilter { before: Some(seq), ..any.clone() };
    assert_eq!(list(&ledger, before).await, [&built, &push].map(Clone::clone));
    let between = EventFilter { before: Some(seq), after: Some(seq - 2), ..any.clone() };
    assert_eq!(list(&ledger, between).await, [built.clone()]);
    let chain = EventFilter { correlation: Some(id(&push)), ..any };
    assert_eq!(list(&ledger, chain.clone()).await, [&built, &push].map(Clone::clone));
    let all = EventFilter { kind: kind.kind, app: app.app, correlation: chain.correlation, ..EventFilter::default() };
    assert_eq!(list(&ledger, all).await, [push]);
}

pub(crate) async fn ids_are_found_by_their_beginning(place: Place) {
    let ledger = place.open().await;
    let one = with(message("push.received"), "id", "0a1b2c3d-4e5f-4a6b-8c7d-000000000001");
    let two = with(message("push.received"), "id", "0a1b2c3d-4e5f-4a6b-8c7d-ffffffffffff");
    let three = with(message("push.received"), "id", "0a1b2c3e-0000-4000-8000-000000000000");
    ledger.record(&[one.clone(), two.clone(), three.clone()]).await.unwrap();
    let found = async |prefix: &str| {
        list(&ledger, EventFilter { id_prefix: Some(prefix.to_owned()), ..EventFilter::default() }).await
    };
    assert_eq!(found("").await.len(), 3);
    assert_eq!(found("0a1b2c3").await.len(), 3);
    assert_eq!(found("0a1b2c3d-4e5f").await, [two.clone(), one.clone()]);
    assert_eq!(found("0a1b2c3d-4e5f-4a6b-8c7d-f").await, [two]);
    assert_eq!(found(one.attribute("id")).await, [one.clone()]);
    for nothing in ["1", "0a1b2c3d4", "%", "' OR 1=1", &format!("{}0", one.attribute("id"))] {
        assert_eq!(found(nothing).await, [], "{nothing}");
    }
}

pub(crate) async fn times_are_bounds_to_the_millisecond(place: Place) {
    let ledger = place.open().await;
    let at = |moment: &str| with(message("push.received"), "time", moment);
    let (early, late) = (at("2026-03-01T10:00:00.001Z"), at("2026-03-01T12:00:00.002+02:00"));
    ledger.record(&[early.clone(), late.clone()]).await.unwrap();
    let between = async |since: Option<&str>, until: Option<&str>| {
        list(&ledger, EventFilter { since: since.map(time), until: until.map(time), ..EventFilter::default() }).await
    };
    assert_eq!(between(Some("2026-03-01T10:00:00.001Z"), None).await, [late.clone(), early.clone()]);
    assert_eq!(between(Some("2026-03-01T10:00:00.002Z"), None).await, [late.clone()]);
    assert_eq!(between(None, Some("2026-03-01T10:00:00.002Z")).await, [early.clone()]);
    assert_eq!(between(None, Some("2026-03-01T10:00:00.001Z")).await, []);
    assert_eq!(between(Some("-009999-01-02T01:59:59Z"), Some("9999-12-30T22:00:00Z")).await, [late, early]);
}

pub(crate) async fn the_highest_replay_is_the_event(place: Place) {
    let ledger = place.open().await;
    let first = message("push.received");
    let again = with(first.clone(), "replay", "11");
    let between = with(first.clone(), "replay", "2");
    assert_eq!(ledger.record(&[first.clone(), again.clone(), between.clone()]).await.unwrap(), 3);
    assert_eq!(ledger.event(id(&first)).await.unwrap().unwrap().message, again);
    assert_eq!(list(&ledger, EventFilter::default()).await, [between, again, first]);
}

pub(crate) async fn the_newest_of_a_subject_is_found(place: Place) {
    let ledger = place.open().await;
    let long = "s".repeat(5000);
    let of = |subject: &str| with(message("scan.finished"), "subject", subject);
    let sent = [of("abc"), of("abc"), of("abd"), of(&long), of(&(long.clone() + "x"))];
    ledger.record(&sent).await.unwrap();
    let (app, other) = (AppName::new("shop").unwrap(), AppName::new("blog").unwrap());
    let newest =
        async |kind, app, subject| ledger.newest(kind, app, subject).await.unwrap().map(|recorded| recorded.message);
    assert_eq!(newest(EventType::ScanFinished, &app, "abc").await.as_ref(), Some(&sent[1]));
    assert_eq!(newest(EventType::ScanFinished, &app, &long).await.as_ref(), Some(&sent[3]));
    assert_eq!(newest(EventType::ScanFinished, &app, "ab").await, None);
    assert_eq!(newest(EventType::ScanFinished, &other, "abc").await, None);
    assert_eq!(newest(EventType::TestsFinished, &app, "abc").await, None);
}

pub(crate) async fn unreadable_messages_are_kept_and_listed(place: Place) {
    let ledger = place.open().await;
    let bare = Message { attributes: [].into(), content_type: String::new(), body: vec![0xff, 0].into() };
    let odd = with(with(message("no.such.type"), "id", "not a uuid"), "replay", "-3");
    let timeless = with(with(message("push.received"), "time", "yesterday"), "correlationid", "?");
    let sent = [bare.clone(), Message { body: vec![1].into(), ..bare }, odd, timeless];
    let before = ledger.now().await.unwrap();
    assert_eq!(ledger.record(&sent).await.unwrap(), 4);
    assert_eq!(ledger.record(&sent).await.unwrap(), 0, "their ids are the same each time");
    let mut listed = list(&ledger, EventFilter { since: Some(before), ..EventFilter::default() }).await;
    listed.reverse();
    assert_eq!(listed, [&sent[0], &sent[1], &sent[3]].map(Clone::clone), "without a time they count as of now");
    assert_eq!(list(&ledger, EventFilter::default()).await.len(), 4);
    assert_eq!(ledger.event(id(&sent[3])).await.unwrap().unwrap().message, sent[3]);
}

pub(crate) async fn large_and_odd_messages_are_kept(place: Place) {
    let ledger = place.open().await;
    let mut large = message("webhook.received");
    large.body = (0..=250).cycle().take(25 * 1024 * 1024).collect::<Vec<u8>>().into();
    let endless = |name| with(message("push.received"), name, &"ü\0'\"".repeat(5000));
    let sent = [large, endless("subject"), endless("type"), endless("app"), endless("source"), endless("id")];
    assert_eq!(ledger.record(&sent).await.unwrap(), 6);
    let mut listed = list(&ledger, EventFilter::default()).await;
    listed.reverse();
    assert!(listed == sent, "not byte for byte");
    let outlines = ledger.list_events(&EventFilter::default()).await.unwrap();
    let attributes = |outline: &Recorded<Outline>| outline.message.attributes.clone();
    assert!(outlines.iter().rev().map(attributes).eq(sent.iter().map(|message| message.attributes.clone())));
}

pub(crate) async fn lists_read_no_more_than_they_show(place: Place) {
    let ledger = place.open().await;
    let of = |kind: &str, bytes: u32| Message { body: vec![7; bytes as usize].into(), ..message(kind) };
    let (most, webhook) = (of("push.received", Outline::MOST), of("webhook.received", 3));
    let (over, far) = (of("push.received", Outline::MOST + 1), of("webhook.received", 25 * 1024 * 1024));
    ledger.record(&[most.clone(), over.clone(), webhook.clone(), far.clone()]).await.unwrap();
    let listed = ledger.list_events(&EventFilter::default()).await.unwrap();
    let has: Vec<_> = listed.iter().rev().map(|recorded| recorded.message.clone()).collect();
    let without = |message: &Message| Outline { body: None, ..Outline::from(message) };
    assert!(has == [Outline::from(&most), without(&over), without(&webhook), without(&far)], "other bodies");
    // One alone is read whole.
    let whole = ledger.event_at(listed[0].seq).await.unwrap().unwrap();
    assert!(whole.message == far && whole.outline().message == Outline::from(&far), "not byte for byte");
    assert_eq!(ledger.event_at(0).await.unwrap(), None);
}

pub(crate) async fn many_recorders_at_once_lose_and_double_nothing(place: Place) {
    let ledger = place.open().await;
    let mut sent: Vec<_> = (0..200).map(|_| message("image.pushed")).collect();
    sent.sort_by(|one, other| one.attribute("id").cmp(other.attribute("id")));
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (ledger, mut own) = (ledger.clone(), sent.clone());
            // Each in another order, so that they meet.
            own.rotate_left(n * 12);
            if n % 2 == 1 {
                own.reverse();
            }
            tokio::spawn(async move { ledger.record(&own).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut listed = list(&ledger, EventFilter { limit: 1000, ..EventFilter::default() }).await;
    listed.sort_by(|one, other| one.attribute("id").cmp(other.attribute("id")));
    assert_eq!(listed, sent);
}

pub(crate) async fn what_proved_a_source_is_known(place: Place) {
    let ledger = place.open().await;
    let (github, long) = ("github".parse().unwrap(), format!("file:/{}", "x".repeat(5000)));
    assert_eq!(ledger.proven(&github, Timestamp::UNIX_EPOCH).await.unwrap(), []);
    let proven = |by: &str, at: &str| with(with(message("webhook.received"), "webhookproof", by), "time", at);
    let sent = [
        proven("file:/old", "2026-03-01T10:00:00Z"),
        proven("file:/old", "2026-03-01T11:00:00Z"),
        proven("file:/new", "2026-03-01T12:00:00Z"),
        proven(&long, "2026-03-01T09:00:00Z"),
        message("webhook.received"),
        // Neither another source's nor another type's.
        with(proven("file:/other", "2026-03-01T13:00:00Z"), "source", "/webhooks/registry"),
        with(proven("file:/odd", "2026-03-01T13:00:00Z"), "type", "push.received"),
        with(proven("file:/\0", "2026-03-01T08:00:00Z"), "odd", "\0"),
    ];
    ledger.record(&sent).await.unwrap();
    let all = ledger.proven(&github, Timestamp::UNIX_EPOCH).await.unwrap();
    let counts: Vec<_> = all.iter().map(|proven| proven.count).collect();
    assert_eq!(
        (counts, all[0].by.as_str(), all[1].by.as_str()),
        (vec![1, 2, 1, 1], "file:/new", "file:/old"),
        "{all:?}"
    );
    assert_eq!((all[1].first, all[1].last), (time("2026-03-01T10:00:00Z"), time("2026-03-01T11:00:00Z")));
    assert!(all[2].is_by(&long) && all[1].is_by("file:/old") && !all[1].is_by("file:/new"), "{all:?}");
    let since = ledger.proven(&github, time("2026-03-01T10:30:00Z")).await.unwrap();
    assert_eq!(
        since.iter().map(|proven| (proven.by.as_str(), proven.count)).collect::<Vec<_>>(),
        [("file:/new", 1), ("file:/old", 1)]
    );
}
