//! What the operators' verbs share: a small runtime, the ledger, the bus, and moments in time as people write them.

use anyhow::{Context as _, Result};
use bus::Bus;
use jiff::Timestamp;
use ledger::Ledger;
use runtime::Config;

/// Runs a verb to its end.
pub(crate) fn block_on<T>(verb: impl Future<Output = Result<T>>) -> Result<T> {
    runtime::http::install_tls();
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(verb)
}

/// The ledger of this configuration.
pub(crate) async fn ledger(config: &Config) -> Result<Ledger> {
    runtime::service::open_ledger(config).await
}

/// The bus of this configuration.
pub(crate) async fn bus(config: &Config) -> Result<Bus> {
    let settings = bus::Settings {
        location: config.bus_location()?,
        workers: config.workers.clone(),
        publish_deadline: config.receiver.publish_deadline,
        name: "windlass-cli".to_owned(),
    };
    Bus::open(settings).await.context("opening the bus (`bus`)")
}

/// `2026-11-23T06:00:00Z`, or how long ago: `90m`, `2h`.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let ago: jiff::SignedDuration =
        text.parse().map_err(|_| "write a time as 2026-11-23T06:00:00Z, or how long ago as 90m".to_owned())?;
    Timestamp::now().checked_sub(ago).map_err(|error| error.to_string())
}

/// An address one listens on, as one to connect to.
pub(crate) fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
}
