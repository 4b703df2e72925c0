//! HTTP for the fakes: a client that any test may use, and a server that runs on a thread of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{App, HttpServer};
use anyhow::{Context, Result, anyhow};

/// As large as anything tests send, layers and Git packs included.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// Makes a client. It follows no redirect, and gives up on an answer after 30 seconds.
pub fn client() -> reqwest::Client {
    install_tls();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(30)).build().unwrap_or_default()
}

/// Gives the process its TLS provider, which clients need even where they speak plain HTTP. Doing it again is harmless.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An HTTP server on loopback. It stops when dropped, and cuts what is still open.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on a port that the system chooses. It belongs to no runtime of the caller's.
    pub fn start<F>(configure: F) -> Result<Self>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        Self::start_at(0, configure)
    }

    /// Serves on this port.
    pub fn start_at<F>(port: u16, configure: F) -> Result<Self>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr()?;
        let (send, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let served = actix_web::rt::System::new().block_on(async move {
                let factory = move || App::new().app_data(PayloadConfig::new(BODY_LIMIT)).configure(configure.clone());
                let server = HttpServer::new(factory).workers(1).disable_signals().shutdown_timeout(0);
                let server = server.client_request_timeout(Duration::ZERO).listen(listener)?.run();
                let _ = send.send(server.handle());
                server.await
            });
            // Only a listener that cannot be used ends here; then nobody was sent a handle, and `start` says so.
            drop(served);
        });
        let handle = started.recv().map_err(|_| anyhow!("the HTTP server on {address} did not start"))?;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent when the future is made; the thread ends when the server has done it.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
