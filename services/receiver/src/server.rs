//! Listens, bounds connections, hands requests to the desk, and stops in good order.

use std::{
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Extensions, web};
use anyhow::{Context, Result};
use bus::Bus;
use prometheus_client::registry::Registry;
use runtime::Config;
use tokio_util::sync::CancellationToken;

use crate::{
    desk::{self, Desk},
    spool::Spool,
};

/// How long a request's head may take. GitHub sends it in one packet.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may lie idle. Senders that reuse connections do so within seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long we go on reading after a refusal, so that the sender gets to read our answer before the connection ends.
const LINGER: Duration = Duration::from_secs(2);
/// What a stop waits for beyond the publish deadline: the rest of bodies that are arriving.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A receiver that is bound to its address and does not serve yet.
pub struct Receiver {
    listener: TcpListener,
    address: SocketAddr,
    desk: web::Data<Desk>,
    max_connections: usize,
    grace: Duration,
}

impl Receiver {
    /// Binds `receiver.listen`, and registers the receiver's metrics.
    pub fn bind(config: &Config, bus: Bus, spool: Option<Arc<Spool>>, registry: &mut Registry) -> Result<Self> {
        let wanted = &config.receiver.listen;
        let hint =
            || format!("listening on `{wanted}` (`receiver.listen`); is another process there, or is it no address?");
        let listener = TcpListener::bind(wanted).with_context(hint)?;
        let address = listener.local_addr().with_context(hint)?;
        Ok(Self {
            listener,
            address,
            desk: web::Data::new(Desk::new(config, bus, spool, registry)?),
            max_connections: config.receiver.max_connections,
            grace: config.receiver.publish_deadline + STOP_GRACE,
        })
    }

    /// Where it listens; the port is a real one also when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then takes no more, finishes what it has begun, and returns. Runs on any tokio runtime;
    /// requests are handled on threads of its own, one a core.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        let (desk, at_the_end) = (self.desk.clone(), self.desk);
        let open = Arc::new(AtomicUsize::new(0));
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let limit = self.max_connections;
        let server = HttpServer::new(move || {
            // The desk reads the path itself: a pattern would be matched by a regular expression at each request.
            App::new().app_data(desk.clone()).default_service(web::to(desk::receive))
        })
        .workers(cores)
        // Those over the limit are let in as far as an answer of 429 needs it; those over twice the limit wait outside.
        .max_connections((2 * limit).div_ceil(cores))
        .on_connect(move |_, about: &mut Extensions| {
            about.insert(Connection::count(&open, limit));
        })
        .client_request_timeout(HEAD_DEADLINE)
        .client_disconnect_timeout(LINGER)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        .shutdown_timeout(self.grace.as_secs().max(1))
        .disable_signals()
        .listen(self.listener)
        .context("taking over the listening socket")?
        .run();

        tracing::info!(address = %self.address, "receiving webhooks on {}", self.address);
        let handle = server.handle();
        let mut server = pin!(server);
        tokio::select! {
            ended = &mut server => return ended.context("serving webhooks"),
            () = shutdown.cancelled() => {}
        }
        let ((), ended) = tokio::join!(handle.stop(true), server);
        at_the_end.close().await;
        ended.context("serving webhooks")
    }
}

/// One open connection, counted as long as it lives.
pub(crate) struct Connection {
    open: Arc<AtomicUsize>,
    over: bool,
}

impl Connection {
    fn count(open: &Arc<AtomicUsize>, limit: usize) -> Self {
        let before = open.fetch_add(1, Ordering::Relaxed);
        Self { open: Arc::clone(open), over: before >= limit }
    }

    /// Whether it is one too many, and is only there to be told so.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
