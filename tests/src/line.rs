//! A line to a server, in a test's hand: it can be narrow, and it can be cut.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle},
    time::{Instant, sleep_until},
};

/// What is carried at once, in bytes.
const PIECE: usize = 16 << 10;

/// A line on loopback to the server of a URL. It ends when it is dropped.
pub struct Line {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: String,
    /// Bytes a second to the server; from it they come all at once.
    rate: Option<u64>,
    carried: AtomicU64,
    is_shut: AtomicBool,
    /// Of each connection, in the order they were made.
    connections: Mutex<Vec<AbortHandle>>,
}

impl Line {
    /// A line as good as any.
    pub async fn to(url: &str) -> Result<Self> {
        Self::with(url, None).await
    }

    /// A line that carries so many bytes a second to the server on each connection, and all at once from it.
    pub async fn narrow(url: &str, bytes_per_second: u64) -> Result<Self> {
        Self::with(url, Some(bytes_per_second)).await
    }

    async fn with(url: &str, rate: Option<u64>) -> Result<Self> {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening a line")?;
        let url = url.replacen(&server, &listener.local_addr()?.to_string(), 1);
        let (carried, is_shut, connections) = <_>::default();
        let shared = Arc::new(Shared { server, rate, carried, is_shut, connections });
        let accepting = tokio::spawn(Arc::clone(&shared).accept(listener));
        Ok(Self { url, shared, accepting })
    }

    /// The URL by which the server is reached over it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Bytes that it has carried to the server.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::SeqCst)
    }

    /// Ends the connection that was made last, and lets no other be made until it is [mended](Self::mend).
    pub fn cut_the_latest(&self) {
        self.shared.is_shut.store(true, Ordering::SeqCst);
        if let Some(latest) = self.shared.connections().pop() {
            latest.abort();
        }
    }

    /// Lets connections be made again.
    pub fn mend(&self) {
        self.shared.is_shut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.connections().iter().for_each(AbortHandle::abort);
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((from, _)) = listener.accept().await {
            if !self.is_shut.load(Ordering::SeqCst) {
                let carrying = tokio::spawn(Arc::clone(&self).carry(from));
                self.connections().push(carrying.abort_handle());
            }
        }
    }

    async fn carry(self: Arc<Self>, from: TcpStream) {
        let Ok(to) = TcpStream::connect(&self.server).await else { return };
        let ((mut asks, mut hears), (mut answers, mut to)) = (from.into_split(), to.into_split());
        let there = async {
            let mut piece = vec![0; PIECE];
            while let Ok(read @ 1..) = asks.read(&mut piece).await {
                let begun = Instant::now();
                if to.write_all(&piece[..read]).await.is_err() {
                    return;
                }
                self.carried.fetch_add(read as u64, Ordering::SeqCst);
                if let Some(rate) = self.rate {
                    sleep_until(begun + Duration::from_micros(read as u64 * 1_000_000 / rate)).await;
                }
            }
        };
        let back = async { tokio::io::copy(&mut answers, &mut hears).await };
        tokio::select! { () = there => {}, _ = back => {} }
    }

    /// What it guards is valid after every statement, so a panic elsewhere does not spoil it.
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<AbortHandle>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
