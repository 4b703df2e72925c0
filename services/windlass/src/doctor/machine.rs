//! This machine: programs the workers run, secrets that are not a source's, room on the disk.

use std::path::{Path, PathBuf};

use bus::Location;
use proto::WorkerName;
use runtime::{Config, SecretRef, Worker, git::Git, network::Guard, programs::Needed};

use super::report::Finding;

/// With less room than this, in bytes, builds fail and databases stop.
const TIGHT: u64 = 256 << 20;
/// With less than this it will not be long.
const LOW: u64 = 2 << 30;

/// Whether what the configured workers run is here. Over RabbitMQ they may run elsewhere, and then it need not be.
pub(super) async fn programs(config: &Config) -> Vec<Finding> {
    let embedded = matches!(config.bus_location(), Ok(Location::Sqlite(_)));
    let mut findings = Vec::new();
    for (worker, needed) in config.workers.iter().flat_map(|worker| needed_by(*worker, config)) {
        let Needed { program, key } = &needed;
        if findings.iter().any(|finding: &Finding| finding.about == *program) {
            continue;
        }
        let next = format!("install it where the {worker} runs");
        findings.push(match needed.find() {
            Some(_) if program == "git" => git(config, worker).await,
            Some(path) => Finding::ok(program, path.display()),
            None if embedded => Finding::broken(program, format!("`{key}` needs it, and it is not here"), &next),
            None => {
                let says = format!("`{key}` needs it, and it is not on this machine");
                Finding::warning(program, says, &format!("{next}; if that is elsewhere, run the doctor there"))
            }
        });
    }
    findings
}

fn needed_by(worker: WorkerName, config: &Config) -> Vec<(WorkerName, Needed)> {
    let needed = match worker {
        WorkerName::Normalizer => normalizer::Normalizer::programs(config),
        WorkerName::Builder => builder::Builder::programs(config),
        WorkerName::Scanner => scanner::Scanner::programs(config),
        WorkerName::Bumper => bumper::Bumper::programs(config),
        WorkerName::Syncer => syncer::Syncer::programs(config),
        WorkerName::Prober => prober::Prober::programs(config),
        WorkerName::Notifier => notifier::Notifier::programs(config),
        // It runs none.
        WorkerName::Recorder => Vec::new(),
    };
    needed.into_iter().map(|needed| (worker, needed)).collect()
}

async fn git(config: &Config, worker: WorkerName) -> Finding {
    match Git::new(&config.git, &Guard::new(&config.network)).version().await {
        Ok(version) => Finding::ok("git", version),
        Err(error) => Finding::broken("git", error, &format!("install git 2.37 or newer where the {worker} runs")),
    }
}

/// Secrets that belong to no source and no operator: each must be readable. Those are said with them.
pub(super) fn other_secrets(config: &Config) -> Vec<Finding> {
    let of_sources = config.sources.values().flat_map(|source| &source.secrets);
    let operators = config.console.iter().flat_map(|console| &console.operators);
    let said: Vec<&SecretRef> = of_sources.chain(operators.map(|operator| &operator.token)).collect();
    let mut others: Vec<SecretRef> = Vec::new();
    for secret in config.secrets() {
        if !said.contains(&&secret) && !others.contains(&secret) {
            others.push(secret);
        }
    }
    let judged = |secret: &SecretRef| match secret.read() {
        Ok(_) => Finding::ok(secret, "can be read"),
        Err(error) => Finding::broken(secret, format!("{error:#}"), "put a secret there that the services may read"),
    };
    others.iter().map(judged).collect()
}

/// Whether there is room below the data folder, given how many bytes the spool holds already.
pub(super) fn disk(config: &Config, spooled: u64) -> Vec<Finding> {
    let folder = existing(&config.data);
    let about = folder.display();
    let free = match rustix::fs::statvfs(&folder) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return vec![Finding::broken(about, error, "check `data`")],
    };
    let spool = config.receiver.spool.as_ref().filter(|_| matches!(config.bus_location(), Ok(Location::Amqp(_))));
    vec![room(about, free, spool.map(|spool| spool.max_bytes.saturating_sub(spooled)))]
}

/// Whether so many free bytes are enough, where the spool may take so many of them.
fn room(about: impl ToString, free: u64, spool: Option<u64>) -> Finding {
    let shown = format!("{} MiB free", free >> 20);
    match spool {
        _ if free < TIGHT => Finding::broken(about, shown, "make room, or put `data` on a larger disk"),
        Some(more) if free < more => {
            let says = format!("{shown}, and the spool may grow by {} MiB", more >> 20);
            Finding::warning(about, says, "make room, or lower `receiver.spool.max_bytes`")
        }
        _ if free < LOW => Finding::warning(about, shown, "make room, or put `data` on a larger disk"),
        _ => Finding::ok(about, shown),
    }
}

/// The folder, or the nearest above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::report::Standing, *};

    #[test]
    fn what_the_spool_holds_already_is_not_asked_for_again() {
        let (gib, spool) = (1 << 30, 10_u64 << 30);
        let standing = |free: u64, held: u64| room("data", free, Some(spool.saturating_sub(held))).standing;
        assert_eq!(standing(4 * gib, 0), Standing::Warning);
        assert_eq!(standing(4 * gib, 5 * gib), Standing::Warning);
        assert_eq!(standing(4 * gib, 7 * gib), Standing::Ok);
        assert_eq!(standing(4 * gib, 11 * gib), Standing::Ok);
        assert_eq!(standing(gib / 8, 11 * gib), Standing::Broken);
        assert_eq!(room("data", 4 * gib, None).standing, Standing::Ok);
        assert_eq!(room("data", gib, None).standing, Standing::Warning);
    }
}
