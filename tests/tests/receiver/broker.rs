//! The receiver before RabbitMQ: what is said while the broker is away, and what is there when it is back.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use testkit::rabbitmq::RabbitMq;
use tokio::time::timeout;

use crate::story::{PATIENCE, Request, Sender, Story};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_nothing_is_promised_and_what_was_promised_is_there() {
    let mut broker = RabbitMq::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let story = Story::on(folder, &broker.url(), "  publish_deadline: 2s\n  spool: off").await;
    until_accepted(&story, "before").await;

    let promised = Arc::new(Mutex::new(BTreeSet::new()));
    let enough = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..8)
        .map(|sender| tokio::spawn(keep_sending(story.address, sender, Arc::clone(&promised), Arc::clone(&enough))))
        .collect();
    wait_for_more(&promised, 50).await;
    broker.stop().await.unwrap();
    let answer = story.send(&Request::github("meanwhile")).await;
    answer.problem(503);
    assert!(answer.headers["retry-after"].parse::<u32>().is_ok(), "{answer:?}");

    broker.start_again().await.unwrap();
    until_accepted(&story, "after").await;
    wait_for_more(&promised, 50).await;
    enough.store(true, Ordering::Relaxed);
    for sender in senders {
        timeout(PATIENCE, sender).await.expect("a sender's end").unwrap();
    }

    let mut missing = promised.lock().unwrap().clone();
    let mut deliveries = story.deliveries().await;
    while !missing.is_empty() {
        let delivery = timeout(PATIENCE, deliveries.next()).await;
        let delivery = delivery.unwrap_or_else(|_| panic!("promised and lost: {missing:?}")).unwrap();
        missing.remove(delivery.message.attribute("id"));
        delivery.ack().await.unwrap();
    }
    story.end().await;
}

/// Sends one webhook after the other on one connection, and notes what was promised.
async fn keep_sending(
    address: std::net::SocketAddr,
    sender: usize,
    promised: Arc<Mutex<BTreeSet<String>>>,
    enough: Arc<AtomicBool>,
) {
    let mut connection = Sender::connect(address).await;
    for n in 0.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        let body = format!("{{\"sender\":{sender},\"n\":{n},\"filler\":\"{}\"}}", "x".repeat(8000));
        connection.write(&Request::github(body).bytes()).await.unwrap();
        let answer = connection.answer().await.expect("an answer, whatever it is");
        match answer.status {
            202 => _ = promised.lock().unwrap().insert(answer.accepted().to_owned()),
            _ => _ = answer.problem(503),
        }
    }
}

async fn wait_for_more(promised: &Mutex<BTreeSet<String>>, more: usize) {
    let wanted = promised.lock().unwrap().len() + more;
    let there = async {
        while promised.lock().unwrap().len() < wanted {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, there).await.expect("webhooks are accepted");
}

/// The connection may only just be made.
async fn until_accepted(story: &Story, body: &str) {
    let accepted = async { while story.send(&Request::github(body)).await.status != 202 {} };
    timeout(PATIENCE, accepted).await.expect("the bus takes webhooks");
}
