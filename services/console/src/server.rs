//! Listens, bounds connections, and stops in good order.

use std::{
    net::{SocketAddr, TcpListener},
    pin::pin,
    time::Duration,
};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use anyhow::{Context as _, Result};
use prometheus_client::registry::Registry;
use runtime::{Context, config};
use tokio_util::sync::CancellationToken;

use crate::{desk::Desk, guard, routes};

/// How long a request's head may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may lie idle.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Threads that handle requests: people are few, and what takes time is the ledger.
const THREADS: usize = 1;
/// Connections at once; further ones wait outside.
const CONNECTIONS: usize = 256;
/// What a stop waits for: an order that is being published.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A console that is bound to its address and does not serve yet.
pub struct Console {
    listener: TcpListener,
    address: SocketAddr,
    desk: web::Data<Desk>,
}

impl Console {
    /// Binds `console.listen`, and registers the console's metrics.
    pub fn bind(context: &Context, settings: &config::Console, registry: &mut Registry) -> Result<Self> {
        let wanted = &settings.listen;
        let hint =
            || format!("listening on `{wanted}` (`console.listen`); is another process there, or is it no address?");
        let listener = TcpListener::bind(wanted).with_context(hint)?;
        let address = listener.local_addr().with_context(hint)?;
        if !address.ip().is_loopback() && settings.url.is_none() {
            tracing::warn!(
                "`console.url`: it is not set, so sessions are not bound to TLS; set it to the console's address"
            );
        }
        let desk = web::Data::new(Desk::new(context, settings, address, registry));
        Ok(Self { listener, address, desk })
    }

    /// Where it listens; the port is a real one also when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then takes no more, finishes what it has begun, and returns.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        let desk = self.desk;
        let app = move || App::new().app_data(desk.clone()).configure(routes::register).wrap(from_fn(guard::guard));
        let server = HttpServer::new(app)
            .workers(THREADS)
            .max_connections(CONNECTIONS)
            .client_request_timeout(HEAD_DEADLINE)
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(STOP_GRACE.as_secs())
            .disable_signals()
            .listen(self.listener)
            .context("taking over the listening socket")?
            .run();
        tracing::info!(address = %self.address, "operators find the console on http://{}", self.address);
        let handle = server.handle();
        let mut server = pin!(server);
        tokio::select! {
            ended = &mut server => return ended.context("serving operators"),
            () = shutdown.cancelled() => {}
        }
        let ((), ended) = tokio::join!(handle.stop(true), server);
        ended.context("serving operators")
    }
}
