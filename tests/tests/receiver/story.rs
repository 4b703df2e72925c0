//! A receiver on a real bus in one process, and senders that speak raw TCP, so that they can misbehave.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bus::{Bus, Deliveries};
use hmac::{Hmac, KeyInit, Mac};
use prometheus_client::registry::Registry;
use proto::{Data, Event, Message, WebhookReceived, WorkerName};
use receiver::{Receiver, Spool};
use runtime::Config;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_mins(1);
pub const SECRET: &str = "it's a Secret to Everybody";
pub const OTHER_SECRET: &str = "and this one replaces it";
pub const TOKEN: &str = "registry-token-5d1c";
pub const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

pub struct Story {
    pub address: SocketAddr,
    pub registry: Registry,
    pub bus: Bus,
    pub spool: Option<Arc<Spool>>,
    pub folder: tempfile::TempDir,
    pub stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Story {
    pub async fn begin() -> Self {
        Self::with("").await
    }

    /// With these lines below `receiver:`, each indented by two.
    pub async fn with(receiver: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = format!("sqlite:{}", folder.path().join("bus.db").display());
        Self::on(folder, &location, receiver).await
    }

    pub async fn on(folder: tempfile::TempDir, location: &str, receiver: &str) -> Self {
        for (name, secret) in [("old", SECRET), ("new", OTHER_SECRET), ("token", TOKEN)] {
            std::fs::write(folder.path().join(name), format!("{secret}\n")).unwrap();
        }
        let config = configured(folder.path(), location, receiver);
        Self::of(folder, &Config::parse(&config, Path::new("windlass.yaml")).unwrap()).await
    }

    /// With this configuration, over what lies in the folder.
    pub async fn of(folder: tempfile::TempDir, config: &Config) -> Self {
        let bus = open(config).await;
        let mut registry = Registry::with_prefix("windlass");
        std::fs::create_dir_all(&config.data).unwrap();
        let spool = Spool::open(config, &bus).await.unwrap();
        let receiver = Receiver::bind(config, bus.clone(), spool.clone(), &mut registry).unwrap();
        let (address, stop) = (receiver.address(), CancellationToken::new());
        let serving = tokio::spawn(receiver.run(stop.clone()));
        Self { address, registry, bus, spool, folder, stop, serving }
    }

    /// Stops it and starts it again over the same folder.
    pub async fn again(self, location: &str) -> Self {
        let folder = self.stopped().await;
        let config = configured(folder.path(), location, "");
        Self::of(folder, &Config::parse(&config, Path::new("windlass.yaml")).unwrap()).await
    }

    /// Stops it; what it left.
    pub async fn stopped(self) -> tempfile::TempDir {
        self.stop.cancel();
        timeout(PATIENCE, self.serving).await.expect("a stop in time").unwrap().unwrap();
        self.bus.close().await;
        self.folder
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn send(&self, request: &Request) -> Response {
        let mut sender = Sender::connect(self.address).await;
        // The receiver may refuse, and close, before it has read all.
        let _ = sender.write(&request.bytes()).await;
        sender.answer().await.unwrap()
    }

    pub async fn deliveries(&self) -> Deliveries {
        self.bus.consume(WorkerName::Normalizer, 16).await.unwrap()
    }

    /// What is on the bus, in order, as many as are expected; settled.
    pub async fn published(&self, count: usize) -> Vec<Message> {
        let mut deliveries = self.deliveries().await;
        let mut messages = Vec::new();
        while messages.len() < count {
            let delivery = timeout(PATIENCE, deliveries.next()).await.expect("a message in time").unwrap();
            messages.push(delivery.message.clone());
            delivery.ack().await.unwrap();
        }
        messages
    }

    /// How many messages wait for the normalizer.
    pub async fn waiting(&self) -> u64 {
        let depths = self.bus.depths().await.unwrap();
        depths.into_iter().find(|(queue, _)| queue == "windlass.normalizer").unwrap().1
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    pub async fn end(self) {
        self.stopped().await;
    }
}

/// The configuration of a receiver whose files are in this folder.
pub fn configured(folder: &Path, bus: &str, receiver: &str) -> String {
    let path = folder.display();
    format!(
        "bus: {bus}\ndata: {path}/data\nreceiver:\n  listen: 127.0.0.1:0\n{receiver}\nsources:\n  \
         github: {{ kind: github, secrets: [file:{path}/old, file:{path}/new] }}\n  \
         registry: {{ kind: distribution, secrets: [file:{path}/token] }}\n"
    )
}

pub async fn open(config: &Config) -> Bus {
    let settings = bus::Settings {
        location: bus::Location::parse(&config.bus, &config.data).unwrap(),
        workers: vec![WorkerName::Normalizer],
        publish_deadline: config.receiver.publish_deadline,
        name: "receiver-test".to_owned(),
    };
    Bus::open(settings).await.unwrap()
}

pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

pub fn webhook(message: &Message) -> (Event, WebhookReceived) {
    let event = Event::from_message(message).unwrap();
    let Data::WebhookReceived(data) = event.data.clone() else { panic!("{event:?}") };
    (event, data)
}

/// A request that can be spoilt piece by piece.
#[derive(Clone)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: Arc<Vec<u8>>,
}

impl Request {
    /// As GitHub sends a push, signed.
    pub fn github(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let request = Self { line: "POST /webhooks/github".into(), headers: BTreeMap::new(), body: Arc::new(body) };
        let signature = signature(SECRET, &request.body);
        request
            .header("Content-Type", "application/json")
            .header("X-GitHub-Event", "push")
            .header("X-GitHub-Delivery", GUID)
            .header("X-Hub-Signature-256", &signature)
    }

    /// As a registry sends a notification.
    pub fn registry(body: &str) -> Self {
        Self { line: "POST /webhooks/registry".into(), headers: BTreeMap::new(), body: Arc::new(body.into()) }
            .header("Content-Type", "application/vnd.docker.distribution.events.v1+json")
            .header("Authorization", &format!("Bearer {TOKEN}"))
    }

    pub fn to(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name).expect("a header that was there");
        self
    }

    pub fn head(&self, framing: &str) -> Vec<u8> {
        let lines: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = lines.concat();
        format!("{} HTTP/1.1\r\nHost: windlass\r\n{headers}{framing}\r\n\r\n", self.line).into_bytes()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(&format!("Content-Length: {}", self.body.len()));
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// One connection of a sender.
pub struct Sender {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Sender {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next answer on this connection; `None` when it ended without one.
    pub async fn answer(&mut self) -> Option<Response> {
        loop {
            if let Some((response, length)) = Response::parse(&self.read) {
                self.read.drain(..length);
                return Some(response);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.expect("an answer in time");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Waits until the receiver has ended the connection.
    pub async fn ended(&mut self) {
        let mut rest = [0; 4096];
        let end = async { while self.stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
        timeout(PATIENCE, end).await.expect("the connection ends");
    }
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: serde_json::Value,
}

impl Response {
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
        let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
        let body = bytes.get(head_end..head_end + length)?;
        let body = serde_json::from_slice(body).unwrap_or_default();
        Some((Self { status, headers, body }, head_end + length))
    }

    /// Asserts a problem of this status, as RFC 9457 wants it, and returns its detail.
    #[track_caller]
    pub fn problem(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(self.body["type"].is_string() && self.body["title"].is_string(), "{self:?}");
        self.body["detail"].as_str().expect("a detail")
    }

    /// Asserts that it was made durable, and returns the event's id.
    #[track_caller]
    pub fn accepted(&self) -> &str {
        assert_eq!(self.status, 202, "{self:?}");
        self.body["event"].as_str().expect("an id")
    }
}
