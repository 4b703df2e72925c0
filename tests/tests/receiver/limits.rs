//! Too much, too slow, too odd: each is refused by name, and the others go on.

use std::{path::Path, time::Duration};

use runtime::Config;

use crate::story::{OTHER_SECRET, PATIENCE, Request, SECRET, Sender, Story, TOKEN, configured};

const MOST: usize = 25 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_passes_and_a_larger_one_does_not() {
    // A debug build hashes and copies slowly on a busy machine; this is not about time.
    let story = Story::with("  body_deadline: 60s\n  publish_deadline: 60s").await;
    story.send(&Request::github(vec![b' '; MOST])).await.accepted();

    let larger = Request::github(vec![b' '; MOST + 1024 * 1024]);
    let detail = story.send(&larger).await.problem(413).to_owned();
    assert!(detail.contains(&MOST.to_string()), "{detail}");
    assert_eq!(story.waiting().await, 1);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_length_is_refused_before_the_body_is_read() {
    let story = Story::begin().await;
    let mut sender = Sender::connect(story.address).await;
    sender.write(&Request::github("").head(&format!("Content-Length: {}", MOST + 1))).await.unwrap();
    let answer = sender.answer().await.unwrap();
    answer.problem(413);
    sender.ended().await;
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_own_limit_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let location = format!("sqlite:{}", folder.path().join("bus.db").display());
    let text = configured(folder.path(), &location, "  max_body_bytes: 100000")
        .replace("kind: distribution,", "kind: distribution, max_body_bytes: 1000,");
    for (name, secret) in [("old", SECRET), ("new", SECRET), ("token", TOKEN)] {
        std::fs::write(folder.path().join(name), secret).unwrap();
    }
    let story = Story::of(folder, &Config::parse(&text, Path::new("windlass.yaml")).unwrap()).await;
    story.send(&Request::registry(&" ".repeat(1_000))).await.accepted();
    let detail = story.send(&Request::registry(&" ".repeat(1_001))).await.problem(413).to_owned();
    assert!(detail.contains("1000"), "{detail}");
    story.send(&Request::github(vec![b' '; 1_001])).await.accepted();
    story.send(&Request::github(vec![b' '; 100_001])).await.problem(413);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_without_a_length_is_cut_off() {
    let story = Story::with("  max_body_bytes: 100000").await;
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    // One that may send, and some that are refused before any of their body is read.
    let unsigned = Request::github("").without("X-Hub-Signature-256");
    for request in [
        Request::github(""),
        unsigned,
        Request::github("").to("POST /nowhere"),
        Request::github("").to("PUT /webhooks/github"),
    ] {
        let mut sender = Sender::connect(story.address).await;
        sender.write(&request.head("Transfer-Encoding: chunked")).await.unwrap();
        // It never ends by itself: only the receiver can end it.
        let endless = async { while sender.write(&chunk).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, endless).await.expect("the receiver ends the connection");
    }
    story.send(&Request::github("{}")).await.accepted();
    assert!(story.metrics().contains(r#"outcome="too_large"} 1"#), "{}", story.metrics());
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_passes_and_one_too_large_is_told_so() {
    let story = Story::with("  max_body_bytes: 100000").await;
    for (length, status) in [(90_000, 202), (100_001, 413)] {
        let request = Request::github(vec![b'x'; length]);
        let mut sender = Sender::connect(story.address).await;
        let mut bytes = request.head("Transfer-Encoding: chunked");
        for piece in request.body.chunks(1000) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        sender.write(&bytes).await.unwrap();
        assert_eq!(sender.answer().await.unwrap().status, status);
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trickling_body_is_evicted_while_others_go_on() {
    let story = Story::with("  body_deadline: 2s").await;
    let mut slow = Sender::connect(story.address).await;
    slow.write(&Request::github("").head("Content-Length: 8000")).await.unwrap();
    let mut others = 0;
    let answer = loop {
        let _ = slow.write(b"x").await;
        story.send(&Request::github(format!("{{\"n\":{others}}}"))).await.accepted();
        others += 1;
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(50), slow.answer()).await {
            break answer.expect("an answer before the end");
        }
    };
    answer.problem(408);
    slow.ended().await;
    assert!(others > 1);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_half_way_is_evicted_and_one_cut_off_is_forgotten() {
    let story = Story::with("  body_deadline: 1s").await;
    let request = Request::github(vec![b'x'; 50_000]);
    let half = request.bytes()[..30_000].to_vec();
    let mut stopped = Sender::connect(story.address).await;
    stopped.write(&half).await.unwrap();
    stopped.answer().await.unwrap().problem(408);
    let mut cut = Sender::connect(story.address).await;
    cut.write(&half).await.unwrap();
    drop(cut);
    story.send(&request).await.accepted();
    assert_eq!(story.waiting().await, 1);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_told_to_come_again() {
    let story = Story::with("  max_connections: 2").await;
    let mut held = [Sender::connect(story.address).await, Sender::connect(story.address).await];
    for (n, sender) in held.iter_mut().enumerate() {
        sender.write(&Request::github(format!("{n}")).bytes()).await.unwrap();
        sender.answer().await.unwrap().accepted();
    }
    let answer = story.send(&Request::github("third")).await;
    answer.problem(429);
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    // Those who are in go on, and once one leaves there is a place again.
    held[0].write(&Request::github("fourth").bytes()).await.unwrap();
    held[0].answer().await.unwrap().accepted();
    drop(held);
    let mut tries = 0;
    while story.send(&Request::github("fifth")).await.status != 202 {
        tries += 1;
        assert!(tries < 10_000, "the places are given back");
    }
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_methods_types_and_encodings_are_refused_by_name() {
    let story = Story::begin().await;
    let good = Request::github("{}");
    for path in ["/webhooks/gitlab", "/webhooks/GitHub", "/webhooks/..%2Fgithub", "/webhooks/", "/", "/metrics"] {
        story.send(&good.clone().to(&format!("POST {path}"))).await.problem(404);
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answer = story.send(&good.clone().to(&format!("{method} /webhooks/github"))).await;
        answer.problem(405);
        assert_eq!(answer.headers["allow"], "POST");
    }
    for media_type in ["text/plain", "application/vnd.docker.distribution.events.v1+json", "application/jsonx", ""] {
        story.send(&good.clone().header("Content-Type", media_type)).await.problem(415);
    }
    story.send(&good.clone().without("Content-Type")).await.problem(415);
    // Nothing is unpacked, so nothing can be a bomb.
    for encoding in ["gzip", "x-gzip", "deflate", "br", "zstd", "identity, gzip", ""] {
        story.send(&good.clone().header("Content-Encoding", encoding)).await.problem(415);
    }
    story.send(&good.clone().header("Content-Encoding", "identity")).await.accepted();
    story.send(&Request::registry("{}").header("Content-Type", "text/html")).await.problem(415);
    for (media_type, request) in [
        ("application/json; charset=utf-8", Request::github("{}")),
        ("application/json", Request::registry("{}")),
        ("application/vnd.docker.distribution.events.v2+json", Request::registry("{ }")),
    ] {
        story.send(&request.header("Content-Type", media_type)).await.accepted();
    }
    let metrics = story.metrics();
    assert!(metrics.contains(r#"windlass_webhooks_total{source="-",outcome="unknown_source"}"#), "{metrics}");
    assert!(!metrics.contains("gitlab"), "a sender cannot invent labels: {metrics}");
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_too_large_or_malformed_is_refused_and_pipelined_requests_are_answered_in_order() {
    let story = Story::begin().await;
    let large = story.send(&Request::github("{}").header("X-Large", &"x".repeat(200_000))).await;
    assert_eq!(large.status, 431);
    let mut sender = Sender::connect(story.address).await;
    sender.write(b"POST /webhooks/github HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx").await.unwrap();
    assert_eq!(sender.answer().await.unwrap().status, 400);

    let mut sender = Sender::connect(story.address).await;
    let requests =
        [Request::github("first"), Request::github("second").without("X-GitHub-Event"), Request::github("third")];
    sender.write(&requests.map(|request| request.bytes()).concat()).await.unwrap();
    sender.answer().await.unwrap().accepted();
    sender.answer().await.unwrap().problem(400);
    sender.answer().await.unwrap().accepted();
    let bodies: Vec<_> = story.published(2).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["first", "third"]);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_sends_too_often_is_told_when_to_come_again_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [("old", SECRET), ("new", OTHER_SECRET), ("token", TOKEN)] {
        std::fs::write(folder.path().join(name), secret).unwrap();
    }
    let location = format!("sqlite:{}", folder.path().join("bus.db").display());
    let text = configured(folder.path(), &location, "")
        .replace("kind: github,", "kind: github, rate: { per_second: 1, burst: 5 },");
    let story = Story::of(folder, &Config::parse(&text, Path::new("windlass.yaml")).unwrap()).await;

    // Whoever cannot prove it uses up nothing.
    for n in 0..50 {
        story.send(&Request::github(format!("{n}")).without("X-Hub-Signature-256")).await.problem(401);
    }
    let mut accepted = 0;
    let refused = loop {
        let answer = story.send(&Request::github(format!("{{\"n\":{accepted}}}"))).await;
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 1000, "there is a bound");
    };
    refused.problem(429);
    assert!(refused.headers["retry-after"].parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{refused:?}");
    assert!(accepted >= 5, "its burst is let in");

    for n in 0..50 {
        story.send(&Request::registry(&format!("{{\"events\":[],\"n\":{n}}}"))).await.accepted();
    }
    let again = async { while story.send(&Request::github("again")).await.status != 202 {} };
    tokio::time::timeout(PATIENCE, again).await.expect("it may send again");
    assert_eq!(story.waiting().await, accepted + 50 + 1, "what was turned away is not kept");
    assert!(story.metrics().contains(r#"source="github",outcome="too_often"}"#), "{}", story.metrics());
    story.end().await;
}
