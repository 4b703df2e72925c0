//! What a log tells of strangers: nothing that they could fill it with; and of what is ours no less than before.

use std::net::SocketAddr;

use testkit::{
    engine::{Engine, Layout},
    ports, wait,
};

use crate::story::{OTHER_SECRET, PATIENCE, Request, SECRET, Sender, TOKEN, configured};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_leaves_no_error_and_what_cannot_be_handled_does() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("old", SECRET), ("new", OTHER_SECRET), ("token", TOKEN)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let address = SocketAddr::from(([127, 0, 0, 1], ports::free().unwrap()));
    let config = configured(folder.path(), "sqlite", "").replace("127.0.0.1:0", &address.to_string());
    let file = folder.path().join("windlass.yaml");
    std::fs::write(&file, config).unwrap();
    let mut engine = Engine::start(Layout::Together, &file, &folder.path().join("logs")).await.unwrap();
    // It is ready as soon as its parts are started, the receiver among them.
    let listens = async || tokio::net::TcpStream::connect(address).await.is_ok();
    wait::until_true(PATIENCE, "a receiver", listens).await.unwrap();

    let endless = vec![b'a'; 512 << 10];
    let tls: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    for odd in [tls, b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n:\0\r\n\r\n", endless.as_slice()] {
        let mut sender = Sender::connect(address).await;
        // It may be shown out before it has said all.
        let _ = sender.write(odd).await;
        sender.ended().await;
    }
    // What comes after all of that: a webhook that is authentic, and that nobody can read.
    let mut sender = Sender::connect(address).await;
    sender.write(&Request::github("no JSON").bytes()).await.unwrap();
    sender.answer().await.unwrap().accepted();
    let log = wait::until(PATIENCE, "a dead letter in the log", async || {
        let log = std::fs::read_to_string(engine.log("up"))?;
        anyhow::ensure!(log.contains("dead letter"), "{log}");
        Ok(log)
    });
    let log = log.await.unwrap();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let ours = |line: &&str| line.contains("failed for good") || line.contains("dead letter");
    assert!(errors.len() == 2 && errors.iter().all(ours), "{errors:#?}");
    engine.stop().await.unwrap();
}
