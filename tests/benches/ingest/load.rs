//! A sender that costs little: it shares the machine's cores with what it measures. Prebuilt requests go out on raw
//! sockets, one at a time on each connection, and of an answer only its status and its end are looked at. All on one
//! thread of its own.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::rounds::{Done, Turn};

/// Sends for one turn over so many connections, and wants every answer to have this status.
pub(crate) async fn send(
    to: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    status: &'static str,
    connections: usize,
    turn: Turn,
) -> Result<Done> {
    let send = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut senders = JoinSet::new();
            for first in 0..connections {
                senders.spawn(one(to, Arc::clone(&requests), first, status, turn));
            }
            senders.join_all().await.into_iter().sum()
        })
    };
    tokio::task::spawn_blocking(send).await?
}

async fn one(to: SocketAddr, requests: Arc<[Vec<u8>]>, first: usize, status: &str, turn: Turn) -> Result<Done> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut done = Done::default();
    for request in requests.iter().cycle().skip(first) {
        stream.write_all(request).await?;
        answer(&mut stream, status).await?;
        if !turn.count(&mut done, 1) {
            break;
        }
    }
    Ok(done)
}

async fn answer(stream: &mut TcpStream, status: &str) -> Result<()> {
    let (mut buffer, mut filled) = ([0; 1024], 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the receiver closed the connection, or its answer is over a kilobyte");
        filled += read;
        let so_far = std::str::from_utf8(&buffer[..filled])?;
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            if head.get(9..12) != Some(status) {
                bail!("the receiver did not answer {status}: {so_far}");
            }
            if body.len() >= length(head)? {
                return Ok(());
            }
        }
    }
}

fn length(head: &str) -> Result<usize> {
    let is_it = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("content-length");
    let (_, value) = head.lines().filter_map(|line| line.split_once(": ")).find(is_it).context("no Content-Length")?;
    Ok(value.parse()?)
}
