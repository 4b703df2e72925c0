//! A line to RabbitMQ that is slow, or cut for some: what is large gets through, and who is cut off says so.

use std::time::Duration;

use bus::{Bus, Failures, Location, Settings};
use proto::WorkerName;
use testkit::line::Line;

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
