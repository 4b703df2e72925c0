//! Logs and error reports. No secret may reach either: errors are worded without them, and what leaves for Sentry is
//! scrubbed of every configured secret once more.

use std::io::IsTerminal;

use anyhow::{Context as _, Result};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat, Secret};

/// Shorter secrets are not looked for: they would take words apart that mean nothing.
const SHORTEST: usize = 4;

/// Keeps error reporting alive; dropping it sends what is waiting.
pub struct Telemetry(#[expect(dead_code, reason = "held for its drop")] Option<sentry::ClientInitGuard>);

/// Sets up logs, and Sentry when a DSN is configured. Call it once a process.
pub fn start(config: &Config, service: &'static str) -> Result<Telemetry> {
    let filter = EnvFilter::try_new(&config.log.filter).context("`log.filter`")?;
    // lapin logs returned messages with their bodies, and ordinary reconnects as errors; the bus logs what matters.
    let filter = filter.add_directive("lapin=off".parse()?).add_directive("io_loop=off".parse()?);
    // actix_http logs as an error each request that is none: whoever reaches a port could fill the log, and bury what is ours.
    let filter = filter.add_directive("actix_http=off".parse()?);
    let lines = tracing_subscriber::registry().with(filter);
    let started = match config.log.format {
        LogFormat::Text => lines
            .with(
                fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(std::io::stderr().is_terminal()),
            )
            .try_init(),
        LogFormat::Json => lines.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init(),
    };
    started.context("starting logs")?;
    start_sentry(config, service).map(Telemetry)
}

fn start_sentry(config: &Config, service: &'static str) -> Result<Option<sentry::ClientInitGuard>> {
    let Some(settings) = &config.sentry else { return Ok(None) };
    let dsn = settings.dsn.read()?;
    // The parser's own words may repeat the DSN, which is a secret.
    let dsn = dsn.expose().parse().map_err(|_| anyhow::anyhow!("`sentry.dsn`: {} holds no DSN", settings.dsn))?;
    let secrets = config.secrets();
    let mut options = sentry::ClientOptions::new()
        .release(concat!("windlass@", env!("CARGO_PKG_VERSION")))
        // Read anew for each report: a secret may have been replaced since.
        .before_send(move |event| scrub(event, secrets.iter().filter_map(|secret| secret.read().ok())));
    options.dsn = Some(dsn);
    options.environment = settings.environment.clone().map(Into::into);
    let guard = sentry::init(options);
    sentry::configure_scope(|scope| scope.set_tag("service", service));
    Ok(Some(guard))
}

/// Takes every secret out of whatever part of the report it stands in. A report that cannot be cleaned is not sent.
fn scrub(
    mut event: sentry::protocol::Event<'static>,
    secrets: impl Iterator<Item = Secret>,
) -> Option<sentry::protocol::Event<'static>> {
    event.request = None;
    event.user = None;
    event.server_name = None;
    let mut text = serde_json::to_string(&event).ok()?;
    for secret in secrets.filter(|secret| secret.expose().len() >= SHORTEST) {
        let quoted = serde_json::to_string(secret.expose()).ok()?;
        text = text.replace(quoted.trim_matches('"'), "***");
    }
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_secret_is_sent() {
        let mut event = sentry::protocol::Event::new();
        event.message = Some("push to https://x:hunter22@git failed".to_owned());
        event.server_name = Some("build-3".into());
        event.extra.insert("note".to_owned(), "it is \"hunter22\"".into());
        let sent = scrub(event, [Secret::from("hunter22".to_owned())].into_iter()).unwrap();
        assert_eq!(sent.message.as_deref(), Some("push to https://x:***@git failed"));
        assert_eq!(sent.extra["note"], "it is \"***\"");
        assert_eq!(sent.server_name, None);
    }
}
