//! Senders that hold a connection by a byte a second: shown out, while others go on.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::story::{PATIENCE, Request, Response, Sender, Story};

/// How many hold on at once, of each sort.
const SLOW: usize = 25;

/// Writes a byte a second until it is told something, or the connection ends.
async fn trickle(address: std::net::SocketAddr, begin: Vec<u8>, byte: &'static [u8]) -> Option<Response> {
    let mut sender = Sender::connect(address).await;
    sender.write(&begin).await.unwrap();
    loop {
        match tokio::time::timeout(Duration::from_secs(1), sender.answer()).await {
            Ok(answer) => return answer,
            // Once it is refused, writing fails; the answer is there to be read.
            Err(_) => _ = sender.write(byte).await,
        }
    }
}

/// How long each of so many webhooks took, sorted: one after the other on one connection, while `more` says so.
async fn latencies(story: &Story, mut more: impl FnMut(usize) -> bool) -> Vec<Duration> {
    let mut sender = Sender::connect(story.address).await;
    let mut took = Vec::new();
    while more(took.len()) {
        let request = Request::github(format!("{{\"n\":{},\"at\":{:?}}}", took.len(), Instant::now()));
        let begun = Instant::now();
        sender.write(&request.bytes()).await.unwrap();
        sender.answer().await.expect("an answer").accepted();
        took.push(begun.elapsed());
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_slow_bodies_are_shown_out_while_others_go_on() {
    let story = Story::with("  body_deadline: 4s").await;
    let alone = latencies(&story, |sent| sent < 200).await;

    let body = Request::github(vec![b'x'; 8_000]).head("Content-Length: 8000");
    let head = body[..body.len() - 200].to_vec();
    let (mut heads, mut bodies) = (JoinSet::new(), JoinSet::new());
    for _ in 0..SLOW {
        heads.spawn(trickle(story.address, head.clone(), b"a"));
        bodies.spawn(trickle(story.address, body.clone(), b"x"));
    }
    let ended = tokio::spawn(async move { (heads.join_all().await, bodies.join_all().await) });
    let beside = tokio::time::timeout(PATIENCE, latencies(&story, |_| !ended.is_finished())).await.expect("they end");
    let (heads, bodies) = ended.await.unwrap();
    for answer in bodies {
        answer.expect("an answer before the end").problem(408);
    }
    for answer in heads {
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 408), "{answer:?}");
    }
    // While they held on, the others were served; how fast, a test on a busy machine can only tell.
    assert!(beside.len() > 10, "{} beside {} slow senders", beside.len(), 2 * SLOW);
    for (whose, took) in [("alone", &alone), ("beside slow senders", &beside)] {
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        println!("{whose}: {} webhooks, median {:?}, 99% within {:?}", took.len(), at(50), at(99));
    }
    story.end().await;
}
