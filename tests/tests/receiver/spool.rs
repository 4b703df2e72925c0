//! The receiver's spool: what is kept while the broker is away, when nothing more is, and how it goes on.

use std::{
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use bus::Bus;
use receiver::Spool;
use runtime::Config;
use testkit::{http, ports, process::Process, rabbitmq::RabbitMq, wait};

use crate::story::{PATIENCE, Request, SECRET, Sender, Story, configured, open};

/// The address of a broker that is not there.
fn nobody() -> String {
    format!("amqp://guest:guest@127.0.0.1:{}/%2f", ports::free().unwrap())
}

fn of_size(n: usize, bytes: usize) -> Request {
    Request::github(format!("{{\"n\":{n},\"filler\":\"{}\"}}", "x".repeat(bytes)))
}

async fn without_broker(receiver: &str) -> Story {
    Story::on(tempfile::tempdir().unwrap(), &nobody(), receiver).await
}

/// Why it is not ready.
fn not_ready(story: &Story) -> String {
    story.spool.as_ref().unwrap().readiness().expect_err("not ready")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_takes_nothing_more_until_it_has_handed_on() {
    let mut broker = RabbitMq::start().await.unwrap();
    broker.stop().await.unwrap();
    let limits = "  max_body_bytes: 20000\n  spool: { max_bytes: 100000 }";
    let story = Story::on(tempfile::tempdir().unwrap(), &broker.url(), limits).await;
    let mut kept = Vec::new();
    let refused = loop {
        let answer = story.send(&of_size(kept.len(), 9000)).await;
        if answer.status != 202 {
            break answer;
        }
        kept.push(answer.accepted().to_owned());
    };
    refused.problem(503);
    assert!(refused.headers["retry-after"].parse::<u32>().is_ok(), "{refused:?}");
    assert_eq!(kept.len(), 10, "as many as 100000 bytes hold");
    assert!(not_ready(&story).contains("`receiver.spool.max_bytes`"));
    let metrics = story.metrics();
    assert!(
        metrics.contains("windlass_spool_events 10") && metrics.contains("outcome=\"not_durable\"} 1"),
        "{metrics}"
    );

    broker.start_again().await.unwrap();
    let again = async { while story.send(&of_size(10, 9000)).await.status != 202 {} };
    tokio::time::timeout(PATIENCE, again).await.expect("webhooks are taken again");
    let published: Vec<_> =
        story.published(11).await.iter().map(|message| message.attribute("id").to_owned()).collect();
    assert_eq!(published[..10], kept, "in the order they came");
    emptied(&story).await;
    assert_eq!(story.spool.as_ref().unwrap().readiness(), Ok(None));
    story.end().await;
}

pub async fn emptied(story: &Story) {
    wait::until_true(PATIENCE, "the spool to be empty", async || story.metrics().contains("windlass_spool_events 0"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_old_an_event_it_takes_nothing_more_and_keeps_what_it_has() {
    let story = without_broker("  spool: { max_age: 1s }").await;
    story.send(&Request::github("the oldest")).await.accepted();
    let refused = async {
        loop {
            let answer = story.send(&Request::github("another")).await;
            if answer.status != 202 {
                break answer;
            }
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.expect("it takes no more");
    refused.problem(503);
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert!(not_ready(&story).contains("`receiver.spool.max_age`"));
    assert!(!story.metrics().contains("windlass_spool_events 0"));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_write_is_no_place_to_keep_anything() {
    let story = without_broker("  publish_deadline: 1s").await;
    story.send(&Request::github("before")).await.accepted();
    // Another process holds the file's write lock, as a backup tool gone wrong would.
    let holder = rusqlite::Connection::open(story.file("data/spool/spool.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = || story.metrics().lines().find_map(|line| line.strip_prefix("windlass_spool_events ")?.parse().ok());
    let hangs = async {
        let mut n = 0;
        loop {
            let answer = story.send(&of_size(n, 1000)).await;
            n += 1;
            answer.problem(503);
            assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
            let why = story.spool.as_ref().unwrap().readiness();
            if why.is_err_and(|why| why.contains("the spool's disk hangs: a write is not confirmed after")) {
                return held().unwrap_or(u64::MAX);
            }
        }
    };
    let under_way = tokio::time::timeout(PATIENCE, hangs).await.expect("it says that the disk hangs");
    for n in 0..20 {
        story.send(&of_size(n, 9000)).await.problem(503);
        assert!(held().is_some_and(|held: u64| held <= under_way), "nothing piles up behind what hangs");
    }
    holder.execute_batch("COMMIT").unwrap();
    let again = async { while story.send(&Request::github("after")).await.status != 202 {} };
    tokio::time::timeout(PATIENCE, again).await.expect("it works again");
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_on_a_disk_that_does_not_write_is_handed_on_all_the_same() {
    let mut broker = RabbitMq::start().await.unwrap();
    broker.stop().await.unwrap();
    let story = Story::on(tempfile::tempdir().unwrap(), &broker.url(), "  publish_deadline: 1s").await;
    let kept = story.send(&Request::github("kept")).await.accepted().to_owned();
    let holder = rusqlite::Connection::open(story.file("data/spool/spool.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    story.send(&Request::github("meanwhile")).await.problem(503);
    wait::until_true(PATIENCE, "a write that failed", async || not_ready(&story).contains("locked")).await.unwrap();

    broker.start_again().await.unwrap();
    assert_eq!(ids(&story, 1).await, [kept]);
    let past = async { while story.send(&Request::github("past it")).await.status != 202 {} };
    tokio::time::timeout(PATIENCE, past).await.expect("webhooks are taken, for nothing waits to go before them");
    assert!(story.metrics().contains("windlass_spool_events 1"), "{}", story.metrics());

    holder.execute_batch("COMMIT").unwrap();
    emptied(&story).await;
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_has_one_receiver_and_a_folder() {
    let story = without_broker("").await;
    let error = reopened(story.folder.path()).await.expect_err("one is enough");
    let error = format!("{error:#}");
    assert!(error.contains("another process") && error.contains("`data` folder of its own"), "{error}");
    story.end().await;

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/spool"), "no folder").unwrap();
    let error = format!("{:#}", reopened(folder.path()).await.expect_err("no folder"));
    assert!(error.contains("`receiver.spool`") && error.contains("data/spool"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_spool_is_put_out_of_the_way_and_named() {
    let story = without_broker("").await;
    story.send(&of_size(0, 300_000)).await.accepted();
    let path = story.file("data/spool/spool.db");
    let folder = story.stopped().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    // As what the bus refused is set aside; and all of it into the file itself.
    file.execute("UPDATE entries SET queue = 'windlass.dead'", []).unwrap();
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(file);
    // The body's own pages: what is counted at a start lies before them.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let end = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xff; 100_000], end - 120_000).unwrap();
    drop(file);
    let before = std::fs::read(&path).unwrap();

    let away = nobody();
    let begun = tokio::time::timeout(PATIENCE, Story::on(folder, &away, ""));
    let story = begun.await.expect("it starts, whatever lies in the file");
    let said = story.spool.as_ref().unwrap().readiness().unwrap().expect("a remark");
    let (_, named) = said.split_once("put out of the way: ").unwrap_or_else(|| panic!("{said}"));
    let moved = PathBuf::from(named.split(';').next().unwrap());
    assert!(moved.to_string_lossy().contains("spool.db.damaged-"), "{said}");
    assert!(std::fs::read(&moved).unwrap() == before, "it is kept as it was");
    story.send(&Request::github("after")).await.accepted();
    let text = configured(story.folder.path(), &nobody(), "");
    let config = Config::parse(&text, Path::new("windlass.yaml")).unwrap();
    assert_eq!(receiver::check::damaged_spools(&config), [moved]);
    story.end().await;
}

async fn reopened(folder: &Path) -> anyhow::Result<()> {
    let text = configured(folder, &nobody(), "");
    let config = Config::parse(&text, Path::new("windlass.yaml")).unwrap();
    let bus: Bus = open(&config).await;
    let opened = Spool::open(&config, &bus).await;
    bus.close().await;
    opened.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_for_good_holds_up_nothing_and_is_tried_again_by_the_next_start() {
    // Of a size that is sent alone, and of one that others are sent with.
    for bytes in [5 << 20, 2 << 20] {
        refused_for_good(bytes).await;
    }
}

async fn refused_for_good(bytes: usize) {
    let mut broker = RabbitMq::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    broker.stop().await.unwrap();
    let story = Story::on(folder, &broker.url(), "").await;
    let small = story.send(&Request::github("small")).await.accepted().to_owned();
    let noise: Vec<u8> = (0..bytes).map(noise).collect();
    let large = story.send(&Request::github(noise)).await.accepted().to_owned();
    let last = story.send(&Request::github("last")).await.accepted().to_owned();

    broker.start_again().await.unwrap();
    limit(&broker, 1 << 20).await;
    broker.close_all_connections().await.unwrap();
    let published = ids(&story, 2).await;
    assert_eq!(published, [small, last]);
    emptied(&story).await;
    assert!(story.metrics().contains("windlass_spool_refused_total 1"), "{}", story.metrics());
    let said = story.spool.as_ref().unwrap().readiness().unwrap().expect("a remark");
    assert!(said.contains("1 events that the bus refuses are set aside in") && said.contains("spool.db"), "{said}");
    // It is ready all the same, and goes past the spool.
    story.send(&Request::github("next")).await.accepted();
    assert_eq!(ids(&story, 1).await.len(), 1);
    limit(&broker, 128 << 20).await;
    broker.close_all_connections().await.unwrap();

    let story = story.again(&broker.url()).await;
    assert_eq!(ids(&story, 1).await, [large]);
    emptied(&story).await;
    story.end().await;
}

/// No pattern a compressor could use.
pub fn noise(n: usize) -> u8 {
    let x = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb).to_be_bytes()[0]
}

async fn limit(broker: &RabbitMq, bytes: usize) {
    broker.eval(&format!("application:set_env(rabbit, max_message_size, {bytes}).")).await.unwrap();
}

/// The ids of what is on the bus, each once, in the order of their first coming.
pub async fn ids(story: &Story, count: usize) -> Vec<String> {
    let mut deliveries = story.deliveries().await;
    let mut ids: Vec<String> = Vec::new();
    while ids.len() < count {
        let delivery = tokio::time::timeout(PATIENCE, deliveries.next()).await.expect("a message in time").unwrap();
        let id = delivery.message.attribute("id").to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
        delivery.ack().await.unwrap();
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_killed_hands_on_what_it_had_answered_for() {
    let mut broker = RabbitMq::start().await.unwrap();
    broker.stop().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old"), SECRET).unwrap();
    let mut killed = Alone::start(folder.path(), &broker.url()).await;
    let mut sender = Sender::connect(killed.address).await;
    let mut kept = Vec::new();
    for n in 0..40 {
        sender.write(&of_size(n, 2000).bytes()).await.unwrap();
        kept.push(sender.answer().await.unwrap().accepted().to_owned());
    }
    assert!(killed.ready().await.contains("the spool keeps what comes: 40 events"));
    killed.process.kill();
    // As a power cut leaves a write that nobody was answered for: half of it, at the log's end.
    let log = folder.path().join("data/spool/spool.db-wal");
    let mut log = std::fs::File::options().append(true).open(log).unwrap();
    log.write_all(&[0x5a; 3000]).unwrap();

    let again = Alone::start(folder.path(), &broker.url()).await;
    let said = again.ready().await;
    assert!(said.contains("the spool keeps what comes: 40 events"), "{said}");
    broker.start_again().await.unwrap();
    wait::until_true(PATIENCE, "the spool to be empty", async || again.ready().await == "ready\n").await.unwrap();
    let text = configured(folder.path(), &broker.url(), "  spool: off");
    let story = Story::of(folder, &Config::parse(&text, Path::new("windlass.yaml")).unwrap()).await;
    assert_eq!(ids(&story, 40).await, kept, "all of them, in the order they came");
    story.end().await;
}

/// A receiver in a process of its own.
struct Alone {
    process: Process,
    address: std::net::SocketAddr,
    ops: String,
}

impl Alone {
    async fn start(folder: &Path, bus: &str) -> Self {
        let (port, ops) = (ports::free().unwrap(), format!("127.0.0.1:{}", ports::free().unwrap()));
        let text = configured(folder, bus, "").replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
        std::fs::write(folder.join("windlass.yaml"), format!("{text}ops: {{ listen: '{ops}' }}\n")).unwrap();
        let mut command = Command::new(program());
        command.arg("--config").arg(folder.join("windlass.yaml"));
        let process = Process::start("the receiver", command, &folder.join("receiver.log")).unwrap();
        let mut alone = Self { process, address: ([127, 0, 0, 1], port).into(), ops };
        wait::until(PATIENCE, "the receiver to listen", async || {
            alone.process.must_run()?;
            Ok(tokio::net::TcpStream::connect(alone.address).await?)
        })
        .await
        .unwrap();
        alone
    }

    /// What it says of itself while it is ready.
    async fn ready(&self) -> String {
        let answer = http::client().get(format!("http://{}/readyz", self.ops)).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        text
    }
}

/// Cargo builds it with the workspace.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("windlass-receiver");
    assert!(program.is_file(), "{} is not built; run: cargo build --workspace --bins", program.display());
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_nothing_is_kept_and_nothing_is_promised() {
    let story = without_broker("  publish_deadline: 200ms\n  spool: off").await;
    let answer = story.send(&Request::github("nowhere to go")).await;
    answer.problem(503);
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert!(!story.file("data/spool").exists());
    story.end().await;
}
