//! A lean copy of the installed RabbitMQ: its scripts, and links to the parts a broker without plugins needs.
//!
//! Erlang looks for each of a thousand modules in every folder of its path, which is most of a node's start: without
//! the plugins nobody turned on, it starts in a third of the time.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// Where Debian, and packages that follow it, put RabbitMQ.
const INSTALLED: &str = "/usr/lib/rabbitmq/lib";

/// Plugins, and libraries that only plugins use. `rabbitmq_prelaunch` is the one that the broker itself needs.
const LEFT_OUT: [&str; 9] =
    ["rabbitmq_", "cowboy-", "cowlib-", "gun-", "eetcd-", "jose-", "prometheus-", "quantile_", "accept-"];

/// Makes the copy in `home`.
pub(super) fn copy_to(home: &Path) -> Result<()> {
    let installed = find()?;
    std::fs::create_dir_all(home.join("sbin"))?;
    std::fs::create_dir_all(home.join("plugins"))?;
    for script in entries(&installed.join("sbin"))? {
        // Copied, not linked: the scripts find everything else from where they themselves lie.
        std::fs::copy(&script, home.join("sbin").join(name(&script)))?;
    }
    for part in entries(&installed.join("plugins"))?.into_iter().filter(|part| needed(name(part))) {
        symlink(&part, home.join("plugins").join(name(&part)))?;
    }
    symlink(installed.join("escript"), home.join("escript"))?;
    Ok(())
}

fn find() -> Result<PathBuf> {
    let found = entries(Path::new(INSTALLED)).unwrap_or_default();
    let found = found.into_iter().find(|place| name(place).starts_with("rabbitmq_server-"));
    found.ok_or_else(|| anyhow!("RabbitMQ is not installed below {INSTALLED}; run: apt-get install rabbitmq-server"))
}

fn needed(part: &str) -> bool {
    part.starts_with("rabbitmq_prelaunch-") || !LEFT_OUT.iter().any(|prefix| part.starts_with(prefix))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect())
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
