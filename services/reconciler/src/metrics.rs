//! What the reconciler counts, by the source or registry it asks.

use std::{
    sync::{PoisonError, atomic::AtomicU64},
    time::Duration,
};

use forge::github::Cause;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use proto::Timestamp;
use runtime::ops;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    place: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    place: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Waited {
    place: String,
    cause: &'static str,
}

/// The reconciler's metrics. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    sweeps: Family<Ended, Counter>,
    last: Family<Place, Gauge>,
    missing: Family<Place, Counter>,
    asked: Family<Place, Counter>,
    came: Family<Place, Counter>,
    given_up: Family<Place, Counter>,
    changed: Family<Place, Counter>,
    skipped: Family<Place, Counter>,
    waits: Family<Waited, Counter>,
    waited: Family<Waited, Counter<f64, AtomicU64>>,
}

/// The same for one place.
#[derive(Debug, Clone)]
pub(crate) struct Of {
    metrics: Metrics,
    place: String,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn new(all: &ops::Metrics) -> Self {
        let metrics = Self::default();
        let mut registry = all.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("reconciler");
        registry.register("sweeps", "Sweeps by place and how they ended", metrics.sweeps.clone());
        registry.register(
            "last_sweep_timestamp_seconds",
            "When a sweep last went well, in seconds since 1970",
            metrics.last.clone(),
        );
        registry.register("missing_deliveries", "Deliveries found that never came", metrics.missing.clone());
        registry.register("redeliveries_asked", "Deliveries asked for again", metrics.asked.clone());
        registry.register("redeliveries_came", "Deliveries that came after they were asked for", metrics.came.clone());
        registry.register("deliveries_given_up", "Deliveries not asked for any more", metrics.given_up.clone());
        registry.register("tags_told", "Changes of tags that nobody else had told of", metrics.changed.clone());
        registry.register(
            "tags_skipped",
            "Tags that could not be looked at, while others could",
            metrics.skipped.clone(),
        );
        registry.register("waits", "Waits before a question was asked again, by cause", metrics.waits.clone());
        registry.register("waited_seconds", "Time spent in such waits", metrics.waited.clone());
        metrics
    }

    pub(crate) fn of(&self, place: &str) -> Of {
        Of { metrics: self.clone(), place: place.to_owned() }
    }
}

impl Of {
    fn place(&self) -> Place {
        Place { place: self.place.clone() }
    }

    /// A sweep ended so: `swept`, `shut`, `failed` or `elsewhere`.
    pub(crate) fn ended(&self, outcome: &'static str) {
        self.metrics.sweeps.get_or_create(&Ended { place: self.place.clone(), outcome }).inc();
        if outcome == "swept" {
            self.metrics.last.get_or_create(&self.place()).set(Timestamp::now().as_second());
        }
    }

    pub(crate) fn missing(&self, count: usize) {
        self.metrics.missing.get_or_create(&self.place()).inc_by(count as u64);
    }

    pub(crate) fn asked(&self) {
        self.metrics.asked.get_or_create(&self.place()).inc();
    }

    pub(crate) fn came(&self, count: usize) {
        self.metrics.came.get_or_create(&self.place()).inc_by(count as u64);
    }

    pub(crate) fn given_up(&self, count: usize) {
        self.metrics.given_up.get_or_create(&self.place()).inc_by(count as u64);
    }

    pub(crate) fn changed(&self) {
        self.metrics.changed.get_or_create(&self.place()).inc();
    }

    pub(crate) fn skipped(&self) {
        self.metrics.skipped.get_or_create(&self.place()).inc();
    }

    /// A question is asked again after so long.
    pub(crate) fn waits(&self, cause: Cause, wait: Duration) {
        let labels = Waited { place: self.place.clone(), cause: cause.as_str() };
        self.metrics.waits.get_or_create(&labels).inc();
        self.metrics.waited.get_or_create(&labels).inc_by(wait.as_secs_f64());
    }
}
