//! What the services stand on and are: the bus and its queues, the ledger and its dead letters, and who answers here.

use std::{path::Path, time::Duration};

use bus::{Location, QueueState};
use ledger::{Ledger, OpenLetters};
use proto::topology::{DEAD, UNROUTED};
use runtime::Config;

use super::report::{Finding, ago};
use crate::open;

/// How long the service on this machine may take to say how it is.
const ANSWER: Duration = Duration::from_secs(5);

/// Whether the bus takes messages, what waits in it, and who takes that.
pub(super) async fn bus(config: &Config) -> Vec<Finding> {
    const NEXT: &str = "check `bus` and `bus_password`, and that RabbitMQ runs and can be reached from here";
    let location = match config.bus_location() {
        Ok(location) => location,
        Err(error) => return vec![Finding::broken("bus", format!("{error:#}"), "check `bus` and `bus_password`")],
    };
    if let Location::Sqlite(path) = &location
        && let Some(missing) = not_made_yet(path)
    {
        return vec![missing];
    }
    let bus = match open::bus(config).await {
        Ok(bus) => bus,
        Err(error) => return vec![Finding::broken(&location, format!("{error:#}"), NEXT)],
    };
    let mut findings = Vec::new();
    match bus.ready() {
        Ok(()) => findings.push(Finding::ok(&location, "takes messages")),
        Err(why) => findings.push(Finding::broken(&location, why, NEXT)),
    }
    if bus.ready().is_ok() {
        match bus.queues().await {
            Ok(queues) => findings.extend(queues.iter().filter_map(queue)),
            Err(error) => findings.push(Finding::broken("queues", error, NEXT)),
        }
    }
    bus.close().await;
    findings
}

/// How it stands with a queue. Those of the retry ladder have nobody who takes from them, and need nobody.
fn queue(state: &QueueState) -> Option<Finding> {
    let QueueState { name, waiting, consumers } = state;
    let worker = if [DEAD, UNROUTED].contains(&name.as_str()) { "recorder" } else { name.strip_prefix("windlass.")? };
    if worker.starts_with("retry.") {
        return (*waiting > 0).then(|| Finding::ok(name, format!("{waiting} wait for another attempt")));
    }
    let next = format!("start windlass-{worker}, or see why it does not run");
    Some(match (consumers, waiting) {
        (Some(0), 0) => Finding::warning(name, "nobody takes from it", &next),
        (Some(0), _) => Finding::broken(name, format!("{waiting} wait, and nobody takes them"), &next),
        (Some(consumers), _) => Finding::ok(name, format!("{waiting} wait, {consumers} take from it")),
        (None, 0) => return None,
        (None, _) => Finding::ok(name, format!("{waiting} wait or are being worked on")),
    })
}

/// The ledger, if it answers, and what was found of it.
pub(super) struct OfLedger {
    pub(super) open: Option<Ledger>,
    pub(super) findings: Vec<Finding>,
}

/// Whether the ledger answers, and which dead letters are open.
pub(super) async fn ledger(config: &Config) -> OfLedger {
    const NEXT: &str = "check `ledger` and `ledger_password`, and that PostgreSQL runs and can be reached from here";
    let closed = |finding| OfLedger { open: None, findings: vec![finding] };
    let location = match config.ledger_location() {
        Ok(location) => location,
        Err(error) => {
            return closed(Finding::broken("ledger", format!("{error:#}"), "check `ledger` and `ledger_password`"));
        }
    };
    if let ledger::Location::Sqlite(path) = &location
        && let Some(missing) = not_made_yet(path)
    {
        return closed(missing);
    }
    let opened = match open::ledger(config).await {
        Ok(opened) => opened,
        Err(error) => return closed(Finding::broken(&location, format!("{error:#}"), NEXT)),
    };
    match opened.open_letters().await {
        Err(error) => closed(Finding::broken(&location, error, NEXT)),
        Ok(letters) => {
            let answers = Finding::ok(&location, "answers");
            OfLedger {
                open: Some(opened),
                findings: std::iter::once(answers).chain(letters.iter().map(dead)).collect(),
            }
        }
    }
}

fn dead(letters: &OpenLetters) -> Finding {
    let OpenLetters { worker, count, oldest } = letters;
    let (of, which) = match worker {
        Some(worker) => (worker.as_str(), format!(" --worker {worker}")),
        None => ("what no queue took", String::new()),
    };
    let next = format!("windlass dead list{which}; mend the cause, and windlass dead replay{which}");
    Finding::warning(format!("dead letters of {of}"), format!("{count}, the oldest given up {}", ago(*oldest)), &next)
}

/// A file that nobody has made yet is not made just to look at it.
fn not_made_yet(path: &Path) -> Option<Finding> {
    let next = "it is made at the first start: windlass up";
    (!path.exists()).then(|| Finding::warning(path.display(), "there is no such file yet", next))
}

/// What the service whose operators' port the configuration names says of itself.
pub(super) async fn service(config: &Config) -> Vec<Finding> {
    let embedded = matches!(config.bus_location(), Ok(Location::Sqlite(_)));
    let url = format!("http://{}/readyz", open::reachable(&config.ops.listen));
    let client = match runtime::http::trusted() {
        Ok(client) => client,
        Err(error) => return vec![Finding::broken(url, format!("{error:#}"), "see the error")],
    };
    match client.get(&url).timeout(ANSWER).send().await {
        // Over RabbitMQ each service has such a port where it runs, which need not be here.
        Err(_) if !embedded => Vec::new(),
        Err(error) => {
            let why = runtime::http::HttpError::from(error);
            vec![Finding::warning(
                url,
                why,
                "start it with `windlass up`, or look at the `ops.listen` it was started with",
            )]
        }
        Ok(answer) => {
            let ready = answer.status().is_success();
            let says = answer.text().await.unwrap_or_default();
            let says = says.trim().replace('\n', "; ");
            let next = "what it says of the part that is not ready is what to mend";
            vec![if ready { Finding::ok(url, says) } else { Finding::broken(url, says, next) }]
        }
    }
}
