//! What only the embedded bus can meet: sudden death of its process, other processes, damaged files, full disks.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bus::{Bus, BusError, Failures, Location, Settings};
use proto::WorkerName;

use super::place::{Place, assert_silent, drain, message, next, noise, number, pushes, until, with_body};

const BUILDER: WorkerName = WorkerName::Builder;
const ROLE: &str = "WINDLASS_TEST_BUS_ROLE";
const FILE: &str = "WINDLASS_TEST_BUS_FILE";
/// Marks a child's lines among the test harness's own.
const MARK: &str = "child: ";

/// The other process of the stories below: this test binary again, told by the environment what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of other stories"]
async fn child() {
    let (Ok(role), Ok(file)) = (std::env::var(ROLE), std::env::var(FILE)) else { return };
    let location = Location::Sqlite(file.into());
    let name = "windlass-child".to_owned();
    let publish_deadline = Duration::from_secs(30);
    let bus = Bus::open(Settings { location, workers: vec![BUILDER], publish_deadline, name }).await.unwrap();
    match role.as_str() {
        "publish" => publish_on(&bus, 0).await,
        "fill" => publish_on(&bus, 100_000).await,
        "hold" => hold(&bus).await,
        role => panic!("no role `{role}`"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_off_by_a_clock_that_was_ahead_does_not_wait_for_its_time() {
    let place = Place::sqlite();
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    bus.publish(&pushes(0..1)).await.unwrap();
    // It says a time a year from now, as one does whose clock was a year ahead and is set right.
    next(&mut deliveries).await.retry(Duration::from_hours(1), Failures::OneMore).await.unwrap();
    let Location::Sqlite(path) = &place.location else { panic!("a file") };
    let file = rusqlite::Connection::open(path).unwrap();
    let due = || file.query_row("SELECT due FROM entries", [], |row| row.get::<_, i64>(0)).unwrap();
    let most = jiff::Timestamp::now() + Duration::from_mins(10);
    assert!(due() <= most.as_millisecond(), "nothing waits longer than on RabbitMQ's ladder");
    assert_silent(&mut deliveries).await;
    file.execute("UPDATE entries SET due = due + 31536000000", []).unwrap();
    let again = next(&mut deliveries).await;
    assert_eq!((number(&again.message), again.failures), (0, 1));
    again.ack().await.unwrap();
    bus.close().await;
}

/// Publishes, and says each number once it is durable, until it is killed or refused.
async fn publish_on(bus: &Bus, bytes: usize) {
    for number in 0.. {
        let body = if bytes > 0 { noise(number as u64, bytes) } else { number.to_string().into_bytes() };
        match bus.publish(&[with_body(message("push.received", number), body)]).await {
            Ok(()) => println!("{MARK}{number}"),
            Err(error) => {
                assert!(matches!(error, BusError::Unavailable(_)), "{error}");
                println!("{MARK}failed; ready: {:?}", bus.ready());
                return;
            }
        }
    }
}

/// Takes three, acknowledges the second, and holds the others until it is killed.
async fn hold(bus: &Bus) {
    let mut deliveries = bus.consume(BUILDER, 3).await.unwrap();
    let _first = next(&mut deliveries).await;
    next(&mut deliveries).await.ack().await.unwrap();
    let _third = next(&mut deliveries).await;
    println!("{MARK}holding");
    std::future::pending::<()>().await;
}

struct Other {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Other {
    fn start(role: &str, file: &Path, shell: &str) -> Self {
        let binary = std::env::current_exe().unwrap();
        let arguments = ["--ignored", "--exact", "bus::file::child", "--nocapture"];
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{shell} exec \"$@\"")).arg("sh").arg(binary).args(arguments);
        command.env(ROLE, role).env(FILE, file).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line it says; `None` at its end.
    fn said(&mut self) -> Option<String> {
        // The harness's own output may stand before it on the line.
        self.lines.by_ref().find_map(|line| Some(line.unwrap().split_once(MARK)?.1.to_owned()))
    }

    /// As `kill -9`, and gives what it had said by then.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let rest = std::iter::from_fn(|| self.said()).collect();
        self.child.wait().unwrap();
        rest
    }
}

fn file(place: &Place) -> &Path {
    let Location::Sqlite(path) = &place.location else { panic!("{} is no file", place.location) };
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_survives_sudden_death() {
    let place = Place::sqlite();
    let mut other = Other::start("publish", file(&place), "");
    while other.said().unwrap() != "200" {}
    let confirmed = other.kill().last().map_or(200, |last| last.parse().unwrap());
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 64).await.unwrap();
    assert_eq!(drain(&mut deliveries, confirmed + 1).await, (0..=confirmed).collect::<Vec<_>>());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_consumer_held_comes_again_in_order() {
    let place = Place::sqlite();
    let bus = place.open_for(&[BUILDER]).await;
    bus.publish(&pushes(0..5)).await.unwrap();
    let mut other = Other::start("hold", file(&place), "");
    assert_eq!(other.said().unwrap(), "holding");
    let error = bus.consume(BUILDER, 1).await.err().unwrap();
    assert!(matches!(&error, BusError::Unusable(why) if why.contains("bus.db")), "{error}");
    other.kill();
    let mut deliveries = bus.consume(BUILDER, 2).await.unwrap();
    assert_eq!(drain(&mut deliveries, 4).await, [0, 2, 3, 4]);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_publishes_is_noticed() {
    let place = Place::sqlite();
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 8).await.unwrap();
    assert_silent(&mut deliveries).await;
    let mut other = Other::start("publish", file(&place), "");
    // Both write at the same time.
    for number in 1_000_000..1_000_050 {
        bus.publish_to(BUILDER, &pushes(number..number + 1)).await.unwrap();
    }
    while other.said().unwrap() != "50" {}
    let last = other.kill().last().map_or(50, |last| last.parse::<usize>().unwrap());
    let mut numbers: Vec<_> = drain(&mut deliveries, 50 + last + 1).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=last).chain(1_000_000..1_000_050).collect::<Vec<_>>());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_one_consumer() {
    let place = Place::sqlite();
    let bus = place.open_for(&[BUILDER]).await;
    let other = place.open_for(&[BUILDER]).await;
    let _deliveries = bus.consume(BUILDER, 1).await.unwrap();
    let error = other.dead_letters(1).await.err().unwrap();
    assert!(matches!(&error, BusError::Unusable(why) if why.contains("bus.db") && why.contains("RabbitMQ")), "{error}");
    bus.close().await;
    let mut letters = other.dead_letters(1).await.unwrap();
    other.publish(&[message("sync.finished", 1)]).await.unwrap();
    assert_eq!(number(&super::place::next_letter(&mut letters).await.letter.message), 1);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_bus_is_named() {
    let place = Place::sqlite();
    let path = file(&place);
    std::fs::write(path, "this is no database, and long enough to be none ".repeat(100)).unwrap();
    let refused = async || match Bus::open(place.settings(&[BUILDER])).await {
        Err(BusError::Unusable(why)) => why,
        other => panic!("{:?}", other.map(drop)),
    };
    let why = refused().await;
    assert!(why.contains("bus.db") && why.contains("move the file away"), "{why}");
    std::fs::remove_file(path).unwrap();
    rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE accounts (id INTEGER)").unwrap();
    let why = refused().await;
    assert!(why.contains("bus.db") && why.contains("another program's"), "{why}");
    std::fs::remove_file(path).unwrap();
    std::fs::create_dir(path).unwrap();
    assert!(refused().await.contains("bus.db"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_that_was_confirmed() {
    let place = Place::sqlite();
    // A limit on the size of files stands in for the disk's end; without the trap the kernel would kill the child.
    let mut other = Other::start("fill", file(&place), "trap '' XFSZ; ulimit -f 4096;");
    let said: Vec<_> = std::iter::from_fn(|| other.said()).collect();
    let status = other.child.wait().unwrap();
    let (last, confirmed) = said.split_last().unwrap();
    assert!(status.success() && last.starts_with("failed; ready: Err("), "{status}, {last}");
    assert!(confirmed.len() > 5, "{confirmed:?}");
    let bus = place.open_for(&[BUILDER]).await;
    let mut deliveries = bus.consume(BUILDER, 1).await.unwrap();
    for number in 0..confirmed.len() {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.message.body == noise(number as u64, 100_000), "message {number}");
        delivery.ack().await.unwrap();
    }
    // With room again it goes on.
    bus.publish(&pushes(7000..7001)).await.unwrap();
    until("the new one comes", async || {
        let delivery = next(&mut deliveries).await;
        let body = delivery.message.body.clone();
        delivery.ack().await.unwrap();
        body == "7000"
    })
    .await;
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_settled_leaves_the_file() {
    let place = Place::sqlite();
    let bus = place.open_for(&[BUILDER, WorkerName::Recorder]).await;
    let rows = || {
        let connection = rusqlite::Connection::open(file(&place)).unwrap();
        let count = |table: &str| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
        };
        (count("messages"), count("entries"))
    };
    bus.publish(&pushes(0..3)).await.unwrap();
    assert_eq!(rows(), (3, 6));
    let mut built = bus.consume(BUILDER, 8).await.unwrap();
    drain(&mut built, 3).await;
    assert_eq!(rows(), (3, 3));
    let mut recorded = bus.consume(WorkerName::Recorder, 8).await.unwrap();
    drain(&mut recorded, 3).await;
    assert_eq!(rows(), (0, 0));
    bus.close().await;
}
