//! A line to RabbitMQ that is slow, or cut for some: what is large gets through, and who is cut off says so.

use std::time::Duration;

use bus::{Bus, Failures, Location, Settings};
use proto::WorkerName;
use runtime::{Base, Config};
use testkit::{http, line::Line};

use super::place::{Place, message, next, next_letter, noise, number, pushes, until, with_body};

const BUILDER: WorkerName = WorkerName::Builder;

/// The place's broker at the other end of a line.
async fn at_the_end(line: &Line, place: &Place, publish_deadline: Duration) -> Bus {
    let location = Location::Amqp(line.url().to_owned());
    Bus::open(Settings { location, publish_deadline, ..place.settings(&[BUILDER]) }).await.unwrap()
}

fn url(place: &Place) -> &str {
    let Location::Amqp(url) = &place.location else { panic!("{} is no broker", place.location) };
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_gets_through_a_narrow_line_however_large() {
    const SHORT: Duration = Duration::from_secs(1);
    let place = Place::amqp().await;
    let near = place.open_for(&[BUILDER]).await;
    // Each takes twice as long as what is small may.
    let large = |number| with_body(message("push.received", number), noise(number as u64, 2 << 20));
    let (unreadable, replayed, handed_on) = (large(1), large(2), large(3));
    near.publish(&[vec![unreadable.clone()], pushes(4..5)].concat()).await.unwrap();

    let line = Line::narrow(url(&place), 1 << 20).await.unwrap();
    let far = at_the_end(&line, &place, SHORT).await;
    let mut deliveries = far.consume(BUILDER, 4).await.unwrap();
    let (first, second) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert!(first.message == unreadable && second.message == pushes(4..5)[0]);
    let before = line.carried();
    let parking = tokio::spawn(first.park("nobody can read it"));
    until("it is on its way", async || line.carried() > before + (64 << 10)).await;
    // What is small, and comes behind it, waits for it.
    second.retry(SHORT, Failures::OneMore).await.unwrap();
    parking.await.unwrap().unwrap();
    let mut letters = near.dead_letters(1).await.unwrap();
    let letter = next_letter(&mut letters).await;
    assert!(letter.letter.message == unreadable);
    letter.ack().await.unwrap();
    let again = next(&mut deliveries).await;
    assert_eq!((number(&again.message), again.failures), (4, 1));
    again.ack().await.unwrap();

    far.publish_to(BUILDER, std::slice::from_ref(&replayed)).await.unwrap();
    far.publish_within(SHORT, std::slice::from_ref(&handed_on)).await.unwrap();
    for sent in [replayed, handed_on] {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.message == sent);
        delivery.ack().await.unwrap();
    }
    far.close().await;
    near.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_from_the_queues_says_so_while_publishing_goes_on() {
    let (place, folder) = (Place::amqp().await, tempfile::tempdir().unwrap());
    let line = Line::to(url(&place)).await.unwrap();
    let text = format!(
        "bus: '{}'\ndata: {}\nworkers: [builder]\nops: {{ listen: '127.0.0.1:0' }}\n\
         receiver: {{ listen: '127.0.0.1:0', spool: off }}\n",
        line.url(),
        folder.path().display()
    );
    let base = Base::open(Config::parse(&text, "windlass.yaml".as_ref()).unwrap(), "test").await.unwrap();
    let ops = base.open_ops().unwrap();
    let ready = async || {
        let answer = http::client().get(format!("http://{}/readyz", ops.address)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    until("it is ready", async || ready().await.0 == 200).await;
    let mut deliveries = base.bus.consume(BUILDER, 1).await.unwrap();
    base.bus.publish(&pushes(0..1)).await.unwrap();
    next(&mut deliveries).await.ack().await.unwrap();
    assert_eq!(ready().await, (200, "ready\n".to_owned()));

    line.cut_the_latest();
    until("it says so", async || matches!(ready().await, (503, why) if why.starts_with("deliveries: "))).await;
    base.bus.publish(&pushes(1..2)).await.unwrap();
    // Where webhooks come in, that is no reason to send none.
    let serving = tokio::spawn(receiver::serve(base.clone()));
    until(
        "it is told beside",
        async || matches!(ready().await, (200, said) if said.starts_with("ready\ndeliveries: none come (")),
    )
    .await;
    line.mend();
    assert_eq!(number(&next(&mut deliveries).await.message), 1);
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    base.shutdown.cancel();
    serving.await.unwrap().unwrap();
    ops.stop().await;
    base.bus.close().await;
}
