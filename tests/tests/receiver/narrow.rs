//! A broker at the end of a narrow line: what takes longer there than a sender waits is handed on all the same.

use testkit::{line::Line, rabbitmq::RabbitMq};
use tokio::time::timeout;

use crate::{
    spool::{emptied, ids, noise},
    story::{PATIENCE, Request, Story},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_a_sender_waits_holds_up_nothing() {
    let broker = RabbitMq::start().await.unwrap();
    let line = Line::narrow(&broker.url(), 1_000_000).await.unwrap();
    let story = Story::on(tempfile::tempdir().unwrap(), line.url(), "  publish_deadline: 1s").await;
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
