//! What the operators' verbs share: a small runtime, the ledger, the bus.

use anyhow::{Context as _, Result};
use bus::Bus;
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

/// An address one listens on, as one to connect to.
pub(crate) fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
}
