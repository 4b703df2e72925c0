//! What the receiver counts: requests by source and outcome, and how long they took.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// From a body that was there at once to a publish deadline, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    source: String,
    outcome: &'static str,
}

/// The receiver's metrics.
pub(crate) struct Metrics {
    webhooks: Family<Labels, Counter>,
    duration: Histogram,
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self { webhooks: Family::default(), duration: Histogram::new(BUCKETS) };
        // The registry puts `windlass_` before, the library `_total` behind.
        registry.register(
            "webhooks",
            "Webhook requests by source (`-` when it is none of ours) and outcome",
            metrics.webhooks.clone(),
        );
        registry.register(
            "webhook_duration_seconds",
            "From a webhook request's head to its answer, in seconds",
            metrics.duration.clone(),
        );
        metrics
    }

    /// One request answered. `source` is a configured one, or none: a sender must not be able to invent labels.
    pub(crate) fn answered(&self, source: Option<&str>, outcome: &'static str, took: Duration) {
        let source = source.unwrap_or("-").to_owned();
        self.webhooks.get_or_create(&Labels { source, outcome }).inc();
        self.duration.observe(took.as_secs_f64());
    }
}
