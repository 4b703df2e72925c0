//! HTTP in: takes webhooks, proves who sent them, makes them durable, and only then says so.
//!
//! It needs the bus and nothing else, and for a while not even that: see [`spool`]. The raw bytes travel on, and the
//! normalizer reads them: of an authentic body nothing is read here but its sender's own id, and what of it must not be
//! kept, where it has them in it; of any other nothing at all. It decides nothing but whether to let a request in.
//!
//! - [`server`] listens, bounds connections and stops in good order.
//! - [`desk`] is what happens to one request, step by step.
//! - [`body`] reads a body within its limits of size, time and memory.
//! - [`proof`] is the one place where bytes become [`proof::Authentic`]; [`secrets`] holds what proves them.
//! - [`source`] is one configured sender; [`dialect`] has a row for each kind of them; [`pointer`] finds a sender's own id.
//! - [`blot`] takes out of an authentic body what must not be kept.
//! - [`spool`] keeps on disk what the broker does not confirm, and hands it on.
//! - [`signing`] is the senders' side: how they prove themselves, to try a configuration without them.
//! - [`check`] says how a source stands before anybody sends.
//! - [`answer`] is every answer, and the one place where a refusal becomes an HTTP status.

mod answer;
mod blot;
mod body;
pub mod check;
mod desk;
mod dialect;
#[cfg(test)]
mod fuzz;
mod metrics;
mod pointer;
mod proof;
mod refused;
mod secrets;
mod server;
pub mod signing;
mod source;
mod spool;
mod trace;

pub use server::Receiver;
pub use spool::Spool;

use runtime::service::DELIVERIES;

/// Takes webhooks in until shutdown.
pub async fn serve(base: runtime::service::Base) -> anyhow::Result<()> {
    for warning in base.config.warnings() {
        tracing::warn!("{warning}");
    }
    let spool = Spool::open(&base.config, &base.bus).await?;
    if let Some(spool) = spool.clone() {
        base.readiness.set("bus", move || std::future::ready(spool.readiness()));
    }
    // Workers beside it that are cut off from their queues are no reason to send no webhooks here.
    let bus = base.bus.clone();
    let remark = move || Ok(bus.takes().err().map(|why| format!("none come ({why}); webhooks are taken")));
    base.readiness.set(DELIVERIES, move || std::future::ready(remark()));
    let receiver = {
        let mut registry = base.metrics.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Receiver::bind(&base.config, base.bus.clone(), spool, &mut registry)?
    };
    receiver.run(base.shutdown).await
}
