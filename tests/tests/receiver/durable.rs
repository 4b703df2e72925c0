//! What is kept, what is not, and what is said while nothing can be.

use crate::story::{GUID, PATIENCE, Request, Sender, Story, webhook};

#[tokio::test(flavor = "multi_thread")]
async fn pings_and_unheard_events_are_ignored_but_not_from_just_anybody() {
    let story = Story::begin().await;
    for event in ["ping", "star"] {
        let request = Request::github("{}").header("X-GitHub-Event", event);
        let answer = story.send(&request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let reason = answer.body["ignored"].as_str().unwrap();
        assert!(reason.contains(event), "{reason}");
        story.send(&request.without("X-Hub-Signature-256")).await.problem(401);
    }
    assert_eq!(story.waiting().await, 0);
    assert!(story.metrics().contains(r#"windlass_webhooks_total{source="github",outcome="ignored"} 2"#));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authentic_garbage_and_forms_are_kept_as_they_are() {
    let story = Story::begin().await;
    let form = b"payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D".as_slice();
    story.send(&Request::github("not { json")).await.accepted();
    story.send(&Request::github(form).header("Content-Type", "application/x-www-form-urlencoded")).await.accepted();
    story.send(&Request::github("")).await.accepted();
    let kept: Vec<_> = story.published(3).await.iter().map(|message| webhook(message).1).collect();
    assert_eq!(kept[0].body, "not { json");
    assert_eq!((kept[1].content_type.as_str(), &kept[1].body[..]), ("application/x-www-form-urlencoded", form));
    assert!(kept[2].body.is_empty());
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_the_same_event_whatever_the_delivery_says() {
    let story = Story::begin().await;
    let first = story.send(&Request::github("a push")).await;
    let again = story.send(&Request::github("a push")).await;
    let captured = story.send(&Request::github("a push").header("X-GitHub-Delivery", "another")).await;
    let other = story.send(&Request::github("another push")).await;
    assert_eq!(first.accepted(), again.accepted());
    assert_eq!(first.accepted(), captured.accepted());
    assert_ne!(first.accepted(), other.accepted());
    let registry = [story.send(&Request::registry("a push")).await, story.send(&Request::registry("a push")).await];
    assert_eq!(registry[0].accepted(), registry[1].accepted());
    assert_ne!(registry[0].accepted(), first.accepted(), "another source is another event");
    assert_eq!(webhook(&story.published(1).await[0]).1.headers["xgithubdelivery"], GUID);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bus_cannot_write_nothing_is_promised() {
    let story = Story::with("  publish_deadline: 1s").await;
    story.send(&Request::github("before")).await.accepted();

    // Another process holds the file's write lock, as a backup tool gone wrong would.
    let holder = rusqlite::Connection::open(story.file("bus.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = story.send(&Request::github("meanwhile")).await;
    answer.problem(503);
    assert!(answer.headers["retry-after"].parse::<u32>().is_ok(), "{answer:?}");
    assert!(story.metrics().contains(r#"outcome="not_durable"} 1"#));

    holder.execute_batch("COMMIT").unwrap();
    let again = async { while story.send(&Request::github("meanwhile")).await.status != 202 {} };
    tokio::time::timeout(PATIENCE, again).await.expect("it works again");
    let bodies: Vec<_> = story.published(2).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["before", "meanwhile"]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_has_begun_and_takes_no_more() {
    let story = Story::begin().await;
    let request = Request::github(vec![b'x'; 20_000]);
    let bytes = request.bytes();
    let mut begun = Sender::connect(story.address).await;
    let mut idle = Sender::connect(story.address).await;
    idle.write(&Request::github("kept alive").bytes()).await.unwrap();
    idle.answer().await.unwrap().accepted();
    begun.write(&bytes[..10_000]).await.unwrap();
    // Once this one is answered, both threads have taken what was sent before it; then the stop begins.
    story.send(&Request::github("in between")).await.accepted();
    let (address, rest) = (story.address, bytes[10_000..].to_vec());
    let finishing = tokio::spawn(async move {
        let closed = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, closed).await.expect("it stops listening");
        begun.write(&rest).await.unwrap();
        begun.answer().await.expect("an answer").accepted().to_owned()
    });
    story.end().await;
    finishing.await.unwrap();
}
