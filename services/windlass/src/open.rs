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

/// The fewest digits that name something, as Git has it.
const SHORTEST: usize = 4;

/// The beginning of an id, a commit or a digest, in small letters. Less than [`SHORTEST`] digits name nothing: an empty
/// variable of a script must not let in whatever waits.
pub(crate) fn beginning(text: &str) -> Result<String, String> {
    let begins = text.trim().to_lowercase();
    let digits = begins.strip_prefix("sha256:").unwrap_or(&begins);
    if digits.len() < SHORTEST {
        return Err(format!("write at least its first {SHORTEST} digits"));
    }
    Ok(begins)
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

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn next_to_nothing_names_nothing() {
        for text in ["", " ", "3f2", "sha256:", "sha256:3f2"] {
            assert!(beginning(text).is_err_and(|why| why.contains("first 4 digits")), "{text}");
        }
        assert_eq!(beginning(" 3F2A "), Ok("3f2a".to_owned()));
        assert_eq!(beginning("sha256:3f2a"), Ok("sha256:3f2a".to_owned()));
    }
}
