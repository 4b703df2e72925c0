//! The broker stopped under load: every 202 is on the bus afterwards, and each sender's in its order.
//!
//! Small enough for every day; the whole, with its figures as JSON on standard output:
//!
//! ```sh
//! OUTAGE_SECONDS=60 OUTAGE_RATE=500 OUTAGE_SEED=1 cargo test -p windlass-tests --test receiver outage -- --nocapture
//! ```

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use testkit::rabbitmq::RabbitMq;
use tokio::time::{interval, timeout};

use crate::story::{PATIENCE, Request, Sender, Story};

const SENDERS: u64 = 16;
/// What the senders are told: the broker is there, is away, is back, and that is all.
const THERE: u8 = 0;
const AWAY: u8 = 1;
const BACK: u8 = 2;
const END: u8 = 3;

struct Scale {
    seconds: u64,
    rate: u64,
    seed: u64,
}

impl Scale {
    fn wanted() -> Self {
        let number = |name, or| std::env::var(name).map_or(or, |text| text.parse().expect("a number"));
        Self { seconds: number("OUTAGE_SECONDS", 3), rate: number("OUTAGE_RATE", 100), seed: number("OUTAGE_SEED", 1) }
    }
}

/// One webhook that was answered 202.
struct Promised {
    id: String,
    phase: u8,
    took: Duration,
}

/// What a sender was answered, in its order.
#[derive(Default)]
struct Told {
    promised: Vec<Promised>,
    refused: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_made_during_an_outage_is_kept() {
    let scale = Scale::wanted();
    let mut broker = RabbitMq::start().await.unwrap();
    let story = Story::on(tempfile::tempdir().unwrap(), &broker.url(), "").await;
    let phase = Arc::new(AtomicU8::new(THERE));
    let senders: Vec<_> =
        (0..SENDERS).map(|n| tokio::spawn(send(story.address, n, phase.clone(), scale.of(n)))).collect();
    let second = Duration::from_secs(1);
    // How long each phase lasts is what is wanted here, not what is waited for.
    tokio::time::sleep(second * 2).await;
    broker.stop().await.unwrap();
    phase.store(AWAY, Ordering::SeqCst);
    tokio::time::sleep(second * u32::try_from(scale.seconds).unwrap()).await;
    phase.store(BACK, Ordering::SeqCst);
    let held = gauge(&story, "windlass_spool_events");
    broker.start_again().await.unwrap();
    let back = Instant::now();
    // How long it takes to be connected again is not how fast it hands on.
    until(&story, "windlass_spool_handed_on_total", |count| count > 0.0).await;
    let (connected, handing_on) = (back.elapsed(), Instant::now());
    until(&story, "windlass_spool_events", |count| count <= 0.0).await;
    let drained = handing_on.elapsed();
    let handed_on = gauge(&story, "windlass_spool_handed_on_total");
    tokio::time::sleep(second).await;
    phase.store(END, Ordering::SeqCst);
    let mut told = Vec::new();
    for sender in senders {
        told.push(timeout(PATIENCE, sender).await.expect("a sender's end").unwrap());
    }
    let (arrived, repeated) = arrivals(&story, &told).await;
    for told in &told {
        let places: Vec<_> = told.promised.iter().map(|promised| arrived[&promised.id]).collect();
        assert!(places.is_sorted(), "one sender's webhooks keep their order");
    }
    let refused: u64 = told.iter().map(|told| told.refused).sum();
    assert_eq!(refused, 0, "with room in the spool nobody is turned away");
    let of = |phase| Latency::of(told.iter().flat_map(|told| &told.promised).filter(move |p| p.phase == phase));
    println!(
        "{}",
        serde_json::json!({
            "seed": scale.seed, "rate": scale.rate, "away_seconds": scale.seconds, "promised": arrived.len(),
            "refused": refused, "repeated_on_the_bus": repeated, "in_the_spool_when_back": held,
            "handed_on": handed_on, "connected_seconds": connected.as_secs_f64(),
            "drained_seconds": drained.as_secs_f64(),
            "handed_on_a_second": (handed_on / drained.as_secs_f64()).round(),
            "ms": { "there": of(THERE).json(), "away": of(AWAY).json(), "back": of(BACK).json() },
        })
    );
    assert!(of(AWAY).0.len() > 1, "the outage met some");
    story.end().await;
}

impl Scale {
    fn of(&self, sender: u64) -> (Duration, StdRng) {
        let pause = Duration::from_secs_f64(as_f64(SENDERS) / as_f64(self.rate));
        (pause, StdRng::seed_from_u64(self.seed.wrapping_mul(SENDERS).wrapping_add(sender)))
    }
}

/// Sends at its pace, one webhook after the other on one connection, of 200 bytes to 16 KB.
async fn send(address: SocketAddr, sender: u64, phase: Arc<AtomicU8>, (pause, mut rng): (Duration, StdRng)) -> Told {
    let mut connection = Sender::connect(address).await;
    let (mut told, mut pace) = (Told::default(), interval(pause));
    for n in 0.. {
        pace.tick().await;
        let now = phase.load(Ordering::SeqCst);
        if now == END {
            break;
        }
        let filler = "x".repeat(rng.random_range(200..16_000));
        let body = format!("{{\"sender\":{sender},\"n\":{n},\"filler\":\"{filler}\"}}");
        let begun = Instant::now();
        connection.write(&Request::github(body).bytes()).await.unwrap();
        let answer = connection.answer().await.expect("an answer, whatever it is");
        if answer.status == 202 {
            told.promised.push(Promised { id: answer.accepted().to_owned(), phase: now, took: begun.elapsed() });
        } else {
            answer.problem(503);
            told.refused += 1;
        }
    }
    told
}

/// The place of each id's first arrival, and how many came again under an id that was there.
async fn arrivals(story: &Story, told: &[Told]) -> (HashMap<String, usize>, usize) {
    let mut missing: std::collections::HashSet<&str> =
        told.iter().flat_map(|told| &told.promised).map(|promised| promised.id.as_str()).collect();
    let mut deliveries = story.bus.consume(proto::WorkerName::Normalizer, 256).await.unwrap();
    let (mut arrived, mut repeated) = (HashMap::new(), 0);
    while !missing.is_empty() {
        let delivery = timeout(PATIENCE, deliveries.next()).await;
        let delivery = delivery.unwrap_or_else(|_| panic!("promised and lost: {missing:?}")).unwrap();
        let (id, place) = (delivery.message.attribute("id").to_owned(), arrived.len());
        missing.remove(id.as_str());
        match arrived.entry(id) {
            Entry::Occupied(_) => repeated += 1,
            Entry::Vacant(first) => _ = first.insert(place),
        }
        delivery.ack().await.unwrap();
    }
    (arrived, repeated)
}

async fn until(story: &Story, metric: &str, is_so: impl Fn(f64) -> bool) {
    let waiting = async {
        while !is_so(gauge(story, metric)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE * 5, waiting).await.expect("the spool hands on");
}

fn gauge(story: &Story, name: &str) -> f64 {
    let metrics = story.metrics();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.expect("the metric is there").parse().unwrap()
}

/// Latencies of one phase, in milliseconds, sorted.
struct Latency(Vec<f64>);

impl Latency {
    fn of<'a>(promised: impl Iterator<Item = &'a Promised>) -> Self {
        let mut all: Vec<f64> = promised.map(|promised| promised.took.as_secs_f64() * 1000.0).collect();
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    fn json(&self) -> serde_json::Value {
        let at = |percent: usize| self.0.get(self.0.len() * percent / 100).or(self.0.last()).copied();
        let rounded = |ms: Option<f64>| ms.map(|ms| (ms * 10.0).round() / 10.0);
        serde_json::json!({
            "count": self.0.len(), "p50": rounded(at(50)), "p99": rounded(at(99)), "max": rounded(self.0.last().copied()),
        })
    }
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("a small number"))
}
