//! A broker at the end of a narrow line: what takes longer there than a sender waits is handed on all the same.

use std::time::Duration;

use testkit::rabbitmq::RabbitMq;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    spool::{emptied, ids, noise},
    story::{PATIENCE, Request, Story},
};

/// The broker's address, by a line that carries a megabyte a second to it, and all at once from it.
async fn narrow(url: &str) -> String {
    let broker = url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url.replace(&broker, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            tokio::spawn(carry(from, TcpStream::connect(&broker).await.unwrap()));
        }
    });
    url
}

async fn carry(from: TcpStream, to: TcpStream) {
    let ((mut asks, mut hears), (mut answers, mut to)) = (from.into_split(), to.into_split());
    let back = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut hears).await });
    let mut piece = vec![0; 16 << 10];
    while let Ok(read) = asks.read(&mut piece).await
        && read > 0
    {
        let next = Instant::now() + Duration::from_micros(read as u64);
        if to.write_all(&piece[..read]).await.is_err() {
            break;
        }
        sleep_until(next).await;
    }
    back.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_a_sender_waits_holds_up_nothing() {
    let broker = RabbitMq::start().await.unwrap();
    let story = Story::on(tempfile::tempdir().unwrap(), &narrow(&broker.url()).await, "  publish_deadline: 1s").await;
    let large = Request::github((0..3 << 20).map(noise).collect::<Vec<_>>());
    let large = async {
        loop {
            let answer = story.send(&large).await;
            if answer.status == 202 {
                break answer.accepted().to_owned();
            }
        }
    };
    let large = timeout(PATIENCE, large).await.expect("it is kept, for the line is too narrow");
    let small = story.send(&Request::github("behind it")).await.accepted().to_owned();
    emptied(&story).await;
    assert_eq!(ids(&story, 2).await, [large, small]);
    story.end().await;
}
