//! The receiver on this machine: whether it can be reached, and what lies in its spool.

use std::{path::Path, time::Duration};

use bus::{Inspected, Location};
use runtime::{Config, http};

use super::report::{Finding, ago};
use crate::open;

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What of the configuration is rarely meant.
pub(super) fn warnings(config: &Config) -> Vec<Finding> {
    let warnings = config.warnings();
    warnings.iter().map(|it| Finding::warning(format!("`{}`", it.key), &it.says, &it.next)).collect()
}

/// Whether anybody answers where webhooks are to come in. What is asked for is not there; to say so is an answer.
pub(super) async fn reachable(config: &Config) -> Vec<Finding> {
    let listen = &config.receiver.listen;
    // Nobody knows where it listens who lets the system choose.
    if config.sources.is_empty() || listen.ends_with(":0") {
        return Vec::new();
    }
    let url = format!("http://{}", open::reachable(listen));
    let next = match config.bus_location() {
        Ok(Location::Sqlite(_)) => "start it with `windlass up`, or mend `receiver.listen`",
        _ => "start windlass-receiver, or mend `receiver.listen`; if it runs elsewhere, run the doctor there",
    };
    let asked = match http::trusted() {
        Ok(client) => client.get(&url).timeout(ANSWER).send().await,
        Err(error) => return vec![Finding::broken(url, format!("{error:#}"), "see the error")],
    };
    vec![match asked {
        Ok(_) => Finding::ok(url, "answers"),
        Err(error) => {
            let says = format!("no webhook can come in here: {}", http::HttpError::from(error));
            Finding::warning(url, says, next)
        }
    }]
}

/// What lies in this machine's spool, and how many bytes that is. Nothing is said where none was ever opened.
pub(super) async fn spool(config: &Config) -> (Vec<Finding>, u64) {
    let mut findings: Vec<_> = ::receiver::check::damaged_spools(config).iter().map(|path| damaged(path)).collect();
    let Some((path, found)) = ::receiver::check::spool(config).await else { return (findings, 0) };
    let about = path.display();
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let next = "check who may read it; it is the receiver's own file";
            findings.push(Finding::broken(about, format!("{error:#}"), next));
            return (findings, 0);
        }
    };
    findings.push(waiting(config, &about.to_string(), &found));
    findings.extend(set_aside(&about, &found));
    (findings, found.stock.bytes)
}

/// A spool that could not be read at a start.
fn damaged(path: &Path) -> Finding {
    let about = path.display();
    Finding::broken(
        about.to_string(),
        "a spool that was found damaged: webhooks in it were answered with 202, and may not have been handed on",
        &format!(
            "see what is left with `sqlite3 {about} .recover`, have the senders send again what came about that time, \
             and take the file away"
        ),
    )
}

fn waiting(config: &Config, about: &str, found: &Inspected) -> Finding {
    let stock = found.stock;
    if stock.waiting == 0 {
        return Finding::ok(about, "nothing waits for the bus in it");
    }
    let oldest = found.oldest.map(|oldest| format!(", the oldest of which came {}", ago(oldest))).unwrap_or_default();
    let says = format!("{} webhooks of {} KiB wait for the bus{oldest}", stock.waiting, stock.bytes.div_ceil(1024));
    let drains = matches!(config.bus_location(), Ok(Location::Amqp(_)));
    let Some(settings) = config.receiver.spool.as_ref().filter(|_| drains) else {
        let next = "set `receiver.spool` and start a receiver over RabbitMQ with this `data`, which hands them on";
        return Finding::broken(about, format!("{says}, and nobody hands them on: there is no spool now"), next);
    };
    let age = found.oldest.map(|oldest| jiff::Timestamp::now().duration_since(oldest).unsigned_abs());
    let next = "see what is said of the bus, and that windlass-receiver runs here: it hands them on";
    if stock.bytes >= settings.max_bytes || age.is_some_and(|age| age > settings.max_age) {
        let says = format!("{says}; it takes no more (`receiver.spool.max_bytes`, `max_age`)");
        return Finding::broken(about, says, next);
    }
    Finding::warning(about, says, next)
}

/// What the bus refused for good.
fn set_aside(about: &impl ToString, found: &Inspected) -> Option<Finding> {
    let (count, why) = (found.stock.dead, found.dead_because.as_deref().unwrap_or("no reason is kept"));
    let next = "raise the bus's limit and start the receiver again, which hands them on";
    (count > 0).then(|| {
        Finding::broken(about.to_string(), format!("{count} webhooks are set aside, refused by the bus: {why}"), next)
    })
}
