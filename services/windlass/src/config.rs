//! `windlass config`: is it right, and what may stand in it.

use anyhow::Result;
use clap::Subcommand;
use runtime::service::Arguments;

use crate::out;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Reads the configuration and every secret it refers to, and says what is wrong.
    Check,
    /// Prints the JSON Schema of `windlass.yaml`, for editors.
    Schema,
}

pub(crate) fn run(verb: &Verb, arguments: &Arguments) -> Result<()> {
    match verb {
        Verb::Schema => out::line(serde_json::to_string_pretty(&runtime::config::schema())?),
        Verb::Check => check(arguments),
    }
}

fn check(arguments: &Arguments) -> Result<()> {
    let config = arguments.load()?;
    let (bus, ledger) = (config.bus_location(), config.ledger_location());
    let addresses = [bus.as_ref().err(), ledger.as_ref().err()];
    let mut problems: Vec<String> = addresses.into_iter().flatten().map(|e| format!("{e:#}")).collect();
    problems.extend(config.secrets().iter().filter_map(|secret| secret.read().err()).map(|e| format!("{e:#}")));
    anyhow::ensure!(problems.is_empty(), "{}:\n  - {}", arguments.config.display(), problems.join("\n  - "));
    out::line(format_args!("{}: {}", arguments.config.display(), summary(&config)))
}

fn summary(config: &runtime::Config) -> String {
    let names = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let sources = names(config.sources.keys().map(ToString::to_string).collect());
    let apps = names(config.apps.keys().map(ToString::to_string).collect());
    format!("in order\n  sources: {sources}\n  apps:    {apps}")
}
