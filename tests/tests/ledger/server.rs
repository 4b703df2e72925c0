//! What only the server can show: it stops and starts, cuts connections, is full, is slow, or refuses.

use std::{
    os::unix::fs::{MetadataExt, chown},
    path::PathBuf,
    time::Duration,
};

use ledger::{Claim, EventFilter, Ledger, LedgerError, Location};
use proto::WorkerName;
use testkit::{postgres::Postgres, wait};
use uuid::Uuid;

use crate::{
    place::Place,
    samples::{key, message},
};

const LONG: Duration = Duration::from_mins(10);
/// For facts that come within a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn is_away<T>(outcome: &Result<T, LedgerError>) -> bool {
    matches!(outcome, Err(LedgerError::Unavailable(_)))
}

fn why_unusable(opened: Result<Ledger, LedgerError>) -> String {
    match opened {
        Err(LedgerError::Unusable(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// So many statements at once that every connection of the pool is made.
async fn fill_the_pool(ledger: &Ledger) {
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.record(&[message("image.pushed")]).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
}

async fn opened(url: &str) -> Result<Ledger, LedgerError> {
    Ledger::open(&Location::Postgres(url.to_owned())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_away_and_works_again_when_it_starts() {
    let mut server = Postgres::start().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = opened(&url).await.unwrap();
    let (key, owner) = (key(WorkerName::Builder), Uuid::new_v4());
    assert_eq!(ledger.claim(&key, owner, LONG).await.unwrap(), Claim::Granted { takeover: false });
    fill_the_pool(&ledger).await;

    server.stop().await.unwrap();
    assert!(is_away(&ledger.ping().await));
    assert!(is_away(&ledger.record(&[message("push.received")]).await));
    assert!(is_away(&ledger.complete(&key, owner, &[], None).await));
    assert!(is_away(&opened(&url).await));

    server.start_again().await.unwrap();
    assert!(ledger.complete(&key, owner, &[], None).await.unwrap(), "at once, and the claim was kept");
    fill_the_pool(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_two_calls_goes_unnoticed() {
    let mut server = Postgres::start().await.unwrap();
    let ledger = opened(&server.database().await.unwrap()).await.unwrap();
    fill_the_pool(&ledger).await;
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    fill_the_pool(&ledger).await;
    assert_eq!(ledger.events(&EventFilter::default()).await.unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_cut_are_made_anew() {
    let place = Place::postgres().await;
    let ledger = place.open().await;
    for _ in 0..5 {
        fill_the_pool(&ledger).await;
        place
            .execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        fill_the_pool(&ledger).await;
    }
}

/// The server's process of a ledger's statement that waits for a lock.
async fn waiting(server: &tokio_postgres::Client) -> anyhow::Result<i32> {
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    // Within a transaction the answer would stay as it was the first time.
    server.batch_execute("SELECT pg_stat_clear_snapshot()").await?;
    Ok(server.query_one(waits, &[]).await?.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_connection_is_cut_under_it_is_run_again() {
    let place = Place::postgres().await;
    let ledger = place.open().await;
    let (other, connection) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    other.batch_execute("BEGIN; LOCK TABLE claims IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let claim = tokio::spawn(async move { ledger.claim(&key(WorkerName::Builder), Uuid::new_v4(), LONG).await });

    let first = wait::until(PATIENCE, "the claim to wait", async || waiting(&other).await).await.unwrap();
    other.execute("SELECT pg_terminate_backend($1)", &[&first]).await.unwrap();
    let is_another = async || waiting(&other).await.is_ok_and(|pid| pid != first);
    wait::until_true(PATIENCE, "the claim to wait again", is_another).await.unwrap();
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(claim.await.unwrap().unwrap(), Claim::Granted { takeover: false });
    drop(other);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_another_connection_is_away() {
    let place = Place::postgres().await;
    drop(place.open().await);
    let user = format!("full_{}", Uuid::new_v4().simple());
    place.execute(&format!("CREATE ROLE {user} LOGIN PASSWORD 'pw' CONNECTION LIMIT 0")).await;
    assert!(is_away(&opened(&place.url_as(&format!("{user}:pw"))).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_away() {
    let place = Place::postgres().await;
    drop(place.open().await);
    let ledger = opened(&format!("{}?options=-c%20statement_timeout%3D200", place.url())).await.unwrap();
    let (other, connection) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    other.batch_execute("BEGIN; LOCK TABLE claims IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let key = key(WorkerName::Builder);
    assert!(is_away(&ledger.claim(&key, Uuid::new_v4(), LONG).await));
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(ledger.claim(&key, Uuid::new_v4(), LONG).await.unwrap(), Claim::Granted { takeover: false });
    drop(other);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_make_tables_can_use_those_that_are_there() {
    let place = Place::postgres().await;
    let user = format!("plain_{}", Uuid::new_v4().simple());
    place.execute(&format!("CREATE ROLE {user} LOGIN PASSWORD 'pw'; REVOKE CREATE ON SCHEMA public FROM PUBLIC")).await;
    let why = why_unusable(opened(&place.url_as(&format!("{user}:pw"))).await);
    assert!(why.contains("permission denied") && why.contains("create and use tables"), "{why}");

    drop(place.open().await);
    place.execute(&format!("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {user}")).await;
    let ledger = opened(&place.url_as(&format!("{user}:pw"))).await.unwrap();
    assert_eq!(ledger.record(&[message("push.received")]).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_says_what_to_do_and_no_password() {
    let place = Place::postgres().await;
    let with_password = place.url_as("nobody:hunter2");
    let why = why_unusable(opened(&with_password).await);
    assert!(why.contains("\"nobody\"") && why.contains("check the user") && !why.contains("hunter2"), "{why}");
    let why = why_unusable(opened(&format!("{}_absent", place.url())).await);
    assert!(why.contains("does not exist") && why.contains("create the database"), "{why}");
    let why = why_unusable(opened(&format!("{}?sslmode=require", place.url())).await);
    assert!(why.contains("TLS"), "{why}");
    let why = why_unusable(opened("postgres://nobody:hunter2@localhost/x?no_such=setting").await);
    assert!(why.contains("no_such") && !why.contains("hunter2"), "{why}");
}

/// Gives the server a certificate for `localhost` that only its own file vouches for, and turns TLS on.
async fn with_tls(server: &mut Postgres) -> PathBuf {
    let data = server.folder().join("data");
    let made = tokio::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.crt"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "2"])
        .current_dir(&data)
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let owner = std::fs::metadata(&data).unwrap();
    for file in ["server.key", "server.crt"] {
        chown(data.join(file), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    server.execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    data.join("server.crt")
}

/// Whether the ledger's connections to the server are encrypted.
async fn are_encrypted(url: &str) -> bool {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let all =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'windlass'";
    let row = client.query_one(all, &[]).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_as_the_address_asks() {
    let mut server = Postgres::start().await.unwrap();
    let certificate = with_tls(&mut server).await;
    let by_address = server.database().await.unwrap();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let trusting = format!("sslmode=require&sslrootcert={}", certificate.display());

    for (url, encrypted) in [
        (by_address.clone(), true),
        (format!("{by_address}?sslmode=prefer"), true),
        (format!("{by_address}?sslmode=disable"), false),
        (format!("{by_name}?{trusting}"), true),
    ] {
        let ledger = opened(&url).await.unwrap();
        ledger.ping().await.unwrap();
        assert_eq!(are_encrypted(&by_address).await, encrypted, "{url}");
        server.close_all_connections().await.unwrap();
    }
    let why = why_unusable(opened(&format!("{by_name}?sslmode=require")).await);
    assert!(why.contains("certificate") && why.contains("sslrootcert"), "nobody vouches for it: {why}");
    let why = why_unusable(opened(&format!("{by_address}?{trusting}")).await);
    assert!(why.contains("localhost"), "it is another's certificate: {why}");
}
