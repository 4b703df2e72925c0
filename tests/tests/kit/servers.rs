//! The broker and the database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use testkit::folder::Folder;
use testkit::postgres::Postgres;
use testkit::process::{self, Process, Signal};
use testkit::rabbitmq::RabbitMq;
use testkit::wait;
use tokio_postgres::NoTls;

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_keeps_confirmed_messages_over_a_stop_and_a_kill() {
    let mut broker = RabbitMq::start().await.unwrap();
    let url = broker.vhost().await.unwrap();
    publish(&url, "before").await;
    // The broker forgets a connection a moment after it has answered its close.
    let none = async || broker.connections(&url).await.unwrap() == 0;
    wait::until_true(Duration::from_secs(10), "no connection", none).await.unwrap();

    broker.stop().await.unwrap();
    assert!(Connection::connect(&url, ConnectionProperties::default()).await.is_err(), "it is stopped");
    broker.start_again().await.unwrap();
    assert_eq!(take(&url).await.as_deref(), Some("before"));

    publish(&url, "again").await;
    broker.kill();
    broker.start_again().await.unwrap();
    assert_eq!(take(&url).await.as_deref(), Some("again"));

    let (node, folder) = (broker.id().unwrap(), broker.folder().to_owned());
    let below = process::descendants(node);
    assert!(!below.is_empty());
    drop(broker);
    gone(&folder, &[vec![node], below].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_can_be_told_to_misbehave() {
    let broker = RabbitMq::start().await.unwrap();
    let (one, other) = (broker.vhost().await.unwrap(), broker.vhost().await.unwrap());
    let mine = Connection::connect(&one, ConnectionProperties::default()).await.unwrap();
    let theirs = Connection::connect(&other, ConnectionProperties::default()).await.unwrap();
    broker.close_connections(&one).await.unwrap();
    let patience = Duration::from_secs(10);
    wait::until_true(patience, "my connection to be closed", async || !mine.status().connected()).await.unwrap();
    assert!(theirs.status().connected(), "only the connections of one virtual host are closed");
    broker.cut_connections(&other).await.unwrap();
    wait::until_true(patience, "the other to be cut", async || !theirs.status().connected()).await.unwrap();

    broker.memory_alarm(true).await.unwrap();
    let publishing = publish(&one, "late");
    assert!(tokio::time::timeout(Duration::from_secs(2), publishing).await.is_err(), "published under an alarm");
    broker.memory_alarm(false).await.unwrap();
    publish(&one, "later").await;

    assert!(broker.ctl(&["status"]).await.unwrap().contains("testkit@localhost"));
    let error = broker.eval("no:such(thing).").await.unwrap_err().to_string();
    assert!(error.contains("undef"), "{error}");
    let disabled = broker.eval("maps:keys(rabbit_feature_flags:list(disabled)).").await.unwrap();
    assert_eq!(disabled, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_commits_over_a_stop_and_a_kill() {
    let mut postgres = Postgres::start().await.unwrap();
    let (one, other) = (postgres.database().await.unwrap(), postgres.database().await.unwrap());
    sql(&one, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    assert!(sql(&other, "SELECT * FROM t").await.is_err(), "each database is its own");
    assert!(sql(&one.replace("postgres:postgres", "postgres:wrong"), "SELECT 1").await.is_err());

    postgres.stop().await.unwrap();
    assert!(sql(&one, "SELECT 1").await.is_err(), "it is stopped");
    postgres.start_again().await.unwrap();
    sql(&one, "INSERT INTO t SELECT n + 1 FROM t").await.unwrap();

    let (held, connection) = tokio_postgres::connect(&one, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    postgres.kill();
    assert!(connection.await.unwrap().is_err());
    drop(held);
    postgres.start_again().await.unwrap();
    sql(&one, "DO $$ BEGIN ASSERT (SELECT sum(n) FROM t) = 3; END $$").await.unwrap();

    let (server, folder) = (postgres.id().unwrap(), postgres.folder().to_owned());
    let below = process::descendants(server);
    assert!(!below.is_empty());
    drop(postgres);
    gone(&folder, &[vec![server], below].concat()).await;
}

#[tokio::test]
async fn a_process_ends_with_all_that_it_started() {
    let (_folder, mut server, _) = sleepers("sleep 1000 & setsid sleep 1000 & wait").await;
    let all = [vec![server.id()], process::descendants(server.id())].concat();
    server.kill();
    assert!(!all.iter().any(|id| process::is_alive(*id)));
}

#[tokio::test]
async fn a_process_ends_with_the_one_that_started_it() {
    let (_folder, mut server, kept) = sleepers("sleep 1000 & sleep 1000 & wait").await;
    let all = [vec![server.id()], process::descendants(server.id())].concat();
    server.abandon();
    gone(&kept, &all).await;
}

#[tokio::test]
async fn a_folder_goes_with_the_process_that_made_it() {
    const PLACE: &str = "KIT_TEST_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        let folder = Folder::new("kit").unwrap();
        std::fs::write(place, folder.path().to_str().unwrap()).unwrap();
        // Nothing is dropped.
        std::process::abort();
    }
    let folder = Folder::new("kit").unwrap();
    let place = folder.join("place");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(PLACE, &place).args(["--exact", "servers::a_folder_goes_with_the_process_that_made_it"]);
    assert!(!command.output().unwrap().status.success());
    let left = PathBuf::from(std::fs::read_to_string(place).unwrap());
    gone(&left, &[]).await;
}

/// A process with two children, and the folder that goes with it.
async fn sleepers(script: &str) -> (Folder, Process, PathBuf) {
    let folder = Folder::new("kit").unwrap();
    let kept = folder.make("kept").unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    let log = folder.join("log");
    let server = Process::start_guarded("a sleeper", command, &log, Signal::KILL, Some(&kept)).unwrap();
    let id = server.id();
    let two = async || process::descendants(id).len() == 2;
    wait::until_true(Duration::from_secs(5), "two sleepers", two).await.unwrap();
    (folder, server, kept)
}

#[tokio::test]
async fn a_start_that_fails_quotes_the_log() {
    let folder = Folder::new("kit").unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo cannot read the stars >&2; exit 3"]);
    let mut server = Process::start("an astrologer", command, &folder.join("log")).unwrap();
    server.wait(Duration::from_secs(5)).await.unwrap();
    let error = server.must_run().unwrap_err().to_string();
    assert!(error.contains("an astrologer") && error.contains("exit status: 3"), "{error}");
    assert!(error.contains("cannot read the stars") && error.contains("/log"), "{error}");
    let error = process::program("no-such-program", "no-such-package").unwrap_err().to_string();
    assert!(error.contains("apt-get install no-such-package"), "{error}");
}

async fn gone(folder: &Path, ids: &[u32]) {
    wait::until_true(Duration::from_secs(10), "everything to be gone", async || {
        !folder.exists() && !ids.iter().any(|id| process::is_alive(*id))
    })
    .await
    .unwrap();
}

async fn sql(url: &str, statement: &str) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(statement).await;
    drop(client);
    let _ = connection.await?;
    Ok(done?)
}

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("q".into(), options, arguments).await.unwrap();
    (connection, channel)
}

async fn publish(url: &str, text: &str) {
    let (connection, channel) = channel(url).await;
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish("".into(), "q".into(), options, text.as_bytes(), properties).await.unwrap();
    assert!(confirm.await.unwrap().is_ack());
    connection.close(200, "done".into()).await.unwrap();
}

async fn take(url: &str) -> Option<String> {
    let (connection, channel) = channel(url).await;
    let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    got.map(|got| String::from_utf8(got.delivery.data).unwrap())
}
