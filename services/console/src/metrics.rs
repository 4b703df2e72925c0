//! What the console counts: requests by door and status, and orders by what is ordered.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    door: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ordered {
    order: &'static str,
}

/// The console's metrics.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Family<Request, Counter>,
    orders: Family<Ordered, Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // The registry puts `windlass_` before, the library `_total` behind.
        let requests = "Requests to the console by door (`page` or `api`) and HTTP status";
        registry.register("console_requests", requests, metrics.requests.clone());
        registry.register("console_orders", "What operators ordered at the console", metrics.orders.clone());
        metrics
    }

    /// One request answered.
    pub(crate) fn answered(&self, door: &'static str, status: u16) {
        self.requests.get_or_create(&Request { door, status }).inc();
    }

    /// One order published.
    pub(crate) fn ordered(&self, order: &'static str) {
        self.orders.get_or_create(&Ordered { order }).inc();
    }
}
