//! The worker harness, told as stories over a real bus and a real ledger: what is run, how often, and what becomes of
//! a delivery that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use ledger::{Claim, ClaimKey, RunState};
use proto::{Change, Event, EventId, Lane, Message, ScanFinished, TestsFinished, WorkerName};
use runtime::{Config, Context, Failure, Outcomes, Worker, harness, service::Base};
use testkit::{folder::Folder, postgres::Postgres, rabbitmq::RabbitMq, wait};
use tokio::task::JoinHandle;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

/// A scanner whose answers the test writes; it counts its runs.
struct Scripted<F> {
    answer: F,
    runs: Arc<AtomicU32>,
}

impl<F, Fut> Worker for Scripted<F>
where
    F: Fn(u32, Event) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcomes, Failure>> + Send,
{
    const NAME: WorkerName = WorkerName::Scanner;

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        (self.answer)(run, event.clone()).await
    }
}

/// One installation: a bus, a ledger, and whoever works on them.
struct Place {
    context: Context,
    runs: Arc<AtomicU32>,
    _folder: Folder,
}

impl Place {
    async fn embedded() -> Result<Self> {
        Self::open("sqlite", "sqlite").await
    }

    async fn open(bus: &str, ledger: &str) -> Result<Self> {
        let folder = Folder::new("harness")?;
        let data = folder.path().display();
        let text =
            format!("{{ bus: '{bus}', ledger: '{ledger}', data: '{data}', harness: {{ lease: 2s, grace: 1s }} }}");
        let config = Config::parse(&text, Path::new("test.yaml"))?;
        let context = Context::open(Base::open(config, "test").await?).await?;
        Ok(Self { context, runs: Arc::default(), _folder: folder })
    }

    fn work<F, Fut>(&self, answer: F) -> JoinHandle<Result<()>>
    where
        F: Fn(u32, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcomes, Failure>> + Send + 'static,
    {
        let worker = Scripted { answer, runs: Arc::clone(&self.runs) };
        tokio::spawn(harness::work(worker, self.context.clone()))
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    async fn publish(&self, event: &Event) {
        self.context.bus.publish(&[event.to_message()]).await.unwrap();
    }

    /// The run of this event, once it stands so.
    async fn run_is(&self, event: &Event, state: RunState) -> ledger::Run {
        wait::until(SOON, &format!("a run that is {state:?}"), async || {
            let runs = self.context.ledger.runs(event.id).await?;
            runs.iter().find(|run| run.state == state).cloned().ok_or_else(|| anyhow::anyhow!("{runs:?}"))
        })
        .await
        .unwrap()
    }

    /// What the next worker gets.
    async fn next_for(&self, worker: WorkerName) -> Message {
        let mut deliveries = self.context.bus.consume(worker, 1).await.unwrap();
        let delivery = tokio::time::timeout(SOON, deliveries.next()).await.expect("nothing came").unwrap();
        let message = delivery.message.clone();
        delivery.ack().await.unwrap();
        message
    }

    async fn dead_letter(&self) -> bus::DeadLetter {
        let mut letters = self.context.bus.dead_letters(1).await.unwrap();
        let parcel = tokio::time::timeout(SOON, letters.next()).await.expect("no dead letter came").unwrap();
        let letter = parcel.letter.clone();
        parcel.ack().await.unwrap();
        letter
    }
}

fn change() -> Change {
    Change {
        app: "shop".parse().unwrap(),
        branch: "main".parse().unwrap(),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        lane: Lane::Deploy,
        author: None,
        title: None,
    }
}

fn tests_finished() -> Event {
    let data = TestsFinished { change: change(), passed: true, steps: Vec::new() };
    Event::first(EventId::fresh(), "/workers/builder".to_owned(), "c".to_owned(), jiff::Timestamp::now(), data)
}

fn scanned() -> Outcomes {
    Outcomes::one("c", ScanFinished { change: change(), passed: true, scans: Vec::new() })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_reaches_the_next_worker_with_its_origin() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    place.work(|_, _| async { Ok(scanned()) });
    place.publish(&event).await;
    let outcome = Event::from_message(&place.next_for(WorkerName::Builder).await).unwrap();
    assert_eq!((outcome.cause, outcome.correlation), (Some(event.id), event.id));
    let run = place.run_is(&event, RunState::Done).await;
    assert_eq!((run.attempts, run.outcomes), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_twice_runs_once_and_publishes_the_same_ids() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    place.work(|_, _| async { Ok(scanned()) });
    place.publish(&event).await;
    let first = place.next_for(WorkerName::Builder).await;
    place.publish(&event).await;
    let again = place.next_for(WorkerName::Builder).await;
    assert_eq!(first.attribute("id"), again.attribute("id"));
    assert_eq!(place.runs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_runs_again_and_hands_its_number_on() {
    let place = Place::embedded().await.unwrap();
    let mut event = tests_finished();
    place.work(|_, _| async { Ok(scanned()) });
    place.publish(&event).await;
    place.next_for(WorkerName::Builder).await;
    event.replay = 1;
    place.publish(&event).await;
    let again = Event::from_message(&place.next_for(WorkerName::Builder).await).unwrap();
    assert_eq!((again.replay, place.runs()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transient_failure_is_tried_again() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    place.work(|run, _| async move { if run == 0 { Err(Failure::transient("the network")) } else { Ok(scanned()) } });
    place.publish(&event).await;
    let run = place.run_is(&event, RunState::Done).await;
    assert_eq!((run.attempts, place.runs()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_and_kills_nobody() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    place.work(|run, _| async move { if run == 0 { panic!("a bug") } else { Ok(scanned()) } });
    place.publish(&event).await;
    let run = place.run_is(&event, RunState::Done).await;
    assert_eq!(run.attempts, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_dead_at_once_with_its_causes() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    place.work(|_, _| async {
        let cause = anyhow::anyhow!("no such file").context("reading trivy's report").context("scanning");
        Err(Failure::Permanent(cause))
    });
    place.publish(&event).await;
    let letter = place.dead_letter().await;
    assert_eq!(letter.reason, "scanning: reading trivy's report: no such file");
    assert_eq!((letter.worker, letter.attempts), (Some(WorkerName::Scanner), 1));
    assert_eq!(letter.message, event.to_message());
    assert_eq!(place.run_is(&event, RunState::Parked).await.error.as_deref(), Some(letter.reason.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn not_yet_spends_no_attempt() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    let attempts = WorkerName::Scanner.queue().attempts;
    place.work(move |run, _| async move {
        if run > attempts {
            return Ok(scanned());
        }
        Err(Failure::NotYet { after: Duration::from_millis(20), reason: "a window".to_owned() })
    });
    place.publish(&event).await;
    place.run_is(&event, RunState::Done).await;
    assert!(place.runs() > attempts);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_each_went_by_do_not_add_up_to_the_end_of_a_wait() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    let attempts = WorkerName::Scanner.queue().attempts;
    place.work(move |run, _| async move {
        match run {
            run if run > 2 * attempts => Ok(scanned()),
            run if run % 2 == 0 => Err(Failure::transient("the network")),
            _ => Err(Failure::NotYet { after: Duration::from_millis(20), reason: "a window".to_owned() }),
        }
    });
    place.publish(&event).await;
    place.run_is(&event, RunState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_parked_as_it_is() {
    let place = Place::embedded().await.unwrap();
    place.work(|_, _| async { Ok(scanned()) });
    let mut message = tests_finished().to_message();
    message.body = bytes::Bytes::from_static(b"{\"change\":\xff}");
    place.context.bus.publish(std::slice::from_ref(&message)).await.unwrap();
    let letter = place.dead_letter().await;
    assert_eq!(letter.message, message);
    assert!(letter.reason.contains("body of `tests.finished`"), "{}", letter.reason);
    assert_eq!(place.runs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_the_bus_will_never_take_are_a_dead_letter_and_hold_nobody_up() {
    let place = Place::embedded().await.unwrap();
    // One byte of reason more than the bus takes of a body, for as many events as run at once.
    place.work(|run, _| async move {
        let places = u32::from(WorkerName::Scanner.queue().concurrency);
        Ok(if run < places { Outcomes::ignored("x".repeat(64 << 20)) } else { scanned() })
    });
    let events: Vec<_> = (0..=WorkerName::Scanner.queue().concurrency).map(|_| tests_finished()).collect();
    for event in &events {
        place.publish(event).await;
    }
    let letter = place.dead_letter().await;
    assert!(letter.reason.contains("its outcomes cannot be published"), "{}", letter.reason);
    assert!(events.iter().any(|event| event.to_message() == letter.message));
    place.next_for(WorkerName::Builder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_vanished_is_taken_over_once_its_lease_is_over() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    let key = ClaimKey { worker: WorkerName::Scanner, event: event.id, replay: 0 };
    // A process claimed it and died.
    let claim = place.context.ledger.claim(&key, Uuid::new_v4(), Duration::from_secs(2)).await.unwrap();
    assert_eq!(claim, Claim::Granted { takeover: false });
    place.work(|_, _| async { Ok(scanned()) });
    place.publish(&event).await;
    let run = place.run_is(&event, RunState::Done).await;
    assert_eq!((run.attempts, place.runs()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_longer_than_its_lease_keeps_its_claim() {
    let place = Place::embedded().await.unwrap();
    let event = tests_finished();
    place.work(|_, _| async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        Ok(scanned())
    });
    place.publish(&event).await;
    place.publish(&event).await;
    place.run_is(&event, RunState::Done).await;
    assert_eq!(place.runs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_what_runs_end_and_takes_nothing_new() {
    let place = Place::embedded().await.unwrap();
    let (first, second) = (tests_finished(), tests_finished());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let working = place.work(move |_, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(scanned())
        }
    });
    place.publish(&first).await;
    wait::until_true(SOON, "the run to begin", async || place.runs() == 1).await.unwrap();
    place.context.shutdown.cancel();
    opened.add_permits(8);
    working.await.unwrap().unwrap();
    place.publish(&second).await;
    place.run_is(&first, RunState::Done).await;
    assert_eq!(place.context.ledger.runs(second.id).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_the_grace_period_is_handed_back_and_free_to_run_elsewhere() {
    let mut place = Place::embedded().await.unwrap();
    let event = tests_finished();
    let working = place.work(|_, _| std::future::pending());
    place.publish(&event).await;
    wait::until_true(SOON, "the run to begin", async || place.runs() == 1).await.unwrap();
    place.context.shutdown.cancel();
    working.await.unwrap().unwrap();
    place.context.shutdown = tokio_util::sync::CancellationToken::new();
    place.work(|_, _| async { Ok(scanned()) });
    place.run_is(&event, RunState::Done).await;
    assert_eq!(place.runs(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_is_away_nothing_runs_and_no_attempt_is_spent() {
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.database().await.unwrap();
    let place = Place::open("sqlite", &url).await.unwrap();
    let event = tests_finished();
    postgres.stop().await.unwrap();
    place.work(|_, _| async { Ok(scanned()) });
    place.publish(&event).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(place.runs(), 0);
    postgres.start_again().await.unwrap();
    let run = place.run_is(&event, RunState::Done).await;
    assert_eq!((run.attempts, place.runs()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_an_ended_run_waits_with_its_outcomes() {
    let mut rabbit = RabbitMq::start().await.unwrap();
    let place = Place::open(&rabbit.url(), "sqlite").await.unwrap();
    let event = tests_finished();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    place.work(move |_, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(scanned())
        }
    });
    place.publish(&event).await;
    wait::until_true(SOON, "the run to begin", async || place.runs() == 1).await.unwrap();
    rabbit.stop().await.unwrap();
    opened.add_permits(8);
    place.run_is(&event, RunState::Done).await;
    rabbit.start_again().await.unwrap();
    let outcome = place.next_for(WorkerName::Builder).await;
    assert_eq!(outcome.attribute("type"), "scan.finished");
    assert_eq!(place.runs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_run_at_once_but_no_more_than_the_table_says() {
    let place = Place::embedded().await.unwrap();
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(0)));
    let (now_in, most_in) = (Arc::clone(&now), Arc::clone(&most));
    place.work(move |_, _| {
        let (now, most) = (Arc::clone(&now_in), Arc::clone(&most_in));
        async move {
            let running = now.fetch_add(1, Ordering::SeqCst) + 1;
            {
                let mut most = most.lock().unwrap();
                *most = running.max(*most);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(scanned())
        }
    });
    let events: Vec<Event> = (0..20).map(|_| tests_finished()).collect();
    for event in &events {
        place.publish(event).await;
    }
    for event in &events {
        place.run_is(event, RunState::Done).await;
    }
    assert_eq!(*most.lock().unwrap(), u32::from(WorkerName::Scanner.queue().concurrency));
}
