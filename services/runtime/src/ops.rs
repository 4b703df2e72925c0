//! The operators' port: `/livez`, `/readyz`, `/metrics` (`OpenMetrics` text 1.0.0). It is its own listener, so that
//! nothing of it is reachable where webhooks come in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use anyhow::{Context as _, Result};
use bus::Bus;
use futures_util::{FutureExt as _, future::BoxFuture};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use proto::WorkerName;

/// The media type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long one probe may take before the service counts as not ready.
const PROBE: Duration = Duration::from_secs(2);

/// Every metric of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// Where services register their own.
    pub registry: Arc<Mutex<Registry>>,
    /// `windlass_deliveries_total{worker,outcome}`: how deliveries ended.
    pub deliveries: Family<RunLabels, Counter>,
    /// `windlass_running{worker}`: runs under way.
    running: Family<WorkerLabels, Gauge>,
    /// `windlass_queue_depth{queue}`: messages that wait, as of the last scrape.
    depth: Family<QueueLabels, Gauge>,
}

/// Labels of [`Metrics::deliveries`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RunLabels {
    worker: &'static str,
    outcome: &'static str,
}

impl RunLabels {
    /// A worker's deliveries that ended so.
    pub fn new(worker: WorkerName, outcome: &'static str) -> Self {
        Self { worker: worker.as_str(), outcome }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabels {
    worker: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: String,
}

/// Counts a run as under way until it is dropped.
pub struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let (deliveries, running, depth) = (Family::default(), Family::default(), Family::default());
        let mut registry = Registry::with_prefix("windlass");
        registry.register("deliveries", "Deliveries by how they ended", deliveries.clone());
        registry.register("running", "Runs under way", Family::clone(&running));
        registry.register("queue_depth", "Messages that wait in a queue", Family::clone(&depth));
        Self { registry: Arc::new(Mutex::new(registry)), deliveries, running, depth }
    }
}

impl Metrics {
    /// Counts one run of this worker as under way.
    pub fn running(&self, worker: WorkerName) -> Running {
        let gauge = self.running.get_or_create(&WorkerLabels { worker: worker.as_str() }).clone();
        gauge.inc();
        Running(gauge)
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

/// What the port's answers are made from.
#[derive(Clone)]
struct Probed {
    metrics: Metrics,
    bus: Bus,
    readiness: Readiness,
}

/// What a part says of itself: ready, with a remark where there is something to know; or why it is not.
pub type Ready = Result<Option<String>, String>;

type Check = Arc<dyn Fn() -> BoxFuture<'static, Ready> + Send + Sync>;

/// The parts `/readyz` asks, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Check>>>);

impl Readiness {
    /// Has `/readyz` ask this, in place of what went by the name before: a service that bears a part's absence says so.
    pub fn set<F, Fut>(&self, name: &'static str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Ready> + Send + 'static,
    {
        let check: Check = Arc::new(move || check().boxed());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, check);
    }

    /// Asks every part: the remarks when all are ready, else what is wrong.
    async fn ask(&self) -> Result<Vec<String>, Vec<String>> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut remarks, mut faults) = (Vec::new(), Vec::new());
        for (name, check) in checks {
            match tokio::time::timeout(PROBE, check()).await {
                Ok(Ok(remark)) => remarks.extend(remark.map(|remark| format!("{name}: {remark}"))),
                Ok(Err(why)) => faults.push(format!("{name}: {why}")),
                Err(_) => faults.push(format!("{name}: no answer within {PROBE:?}")),
            }
        }
        if faults.is_empty() { Ok(remarks) } else { Err(faults) }
    }
}

/// The running port.
pub struct Ops {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    handle: ServerHandle,
}

impl Ops {
    /// Opens the port.
    pub fn start(listen: &str, metrics: Metrics, bus: Bus, readiness: Readiness) -> Result<Self> {
        let probed = Probed { metrics, bus, readiness };
        let app = move || {
            App::new()
                .app_data(web::Data::new(probed.clone()))
                .route("/livez", web::get().to(|| async { "ok\n" }))
                .route("/readyz", web::get().to(ready))
                .route("/metrics", web::get().to(metrics_page))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
        let server = server.bind(listen).with_context(|| {
            format!("`ops.listen`: cannot listen on {listen}; set another with --set ops.listen=127.0.0.1:0")
        })?;
        let address = server.addrs().first().copied().context("`ops.listen`: no address")?;
        tracing::info!(%address, "health and metrics on http://{address}");
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { address, handle })
    }

    /// Closes the port.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

async fn ready(probed: web::Data<Probed>) -> HttpResponse {
    let lines = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
    match probed.readiness.ask().await {
        Ok(remarks) => HttpResponse::Ok().body("ready\n".to_owned() + &lines(remarks)),
        Err(faults) => HttpResponse::ServiceUnavailable().body(lines(faults)),
    }
}

async fn metrics_page(probed: web::Data<Probed>) -> HttpResponse {
    if let Ok(Ok(depths)) = tokio::time::timeout(PROBE, probed.bus.depths()).await {
        for (queue, depth) in depths {
            let gauge = probed.metrics.depth.get_or_create(&QueueLabels { queue }).clone();
            gauge.set(i64::try_from(depth).unwrap_or(i64::MAX));
        }
    }
    match probed.metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(OPENMETRICS).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
