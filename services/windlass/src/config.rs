//! `windlass config`: is it right, and what may stand in it.

use anyhow::{Result, bail};
use clap::Subcommand;
use runtime::{Config, SecretRef, service::Arguments};

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
    let (config, places) = arguments.load_with_places()?;
    let problems: Vec<_> =
        problems(&config).into_iter().map(|problem| format!("{problem}{}", places.of(&problem))).collect();
    anyhow::ensure!(problems.is_empty(), "{}:\n  - {}", arguments.config.display(), problems.join("\n  - "));
    out::line(format_args!("{}: {}", arguments.config.display(), summary(&config)))?;
    config.warnings().iter().try_for_each(|warning| out::line(format_args!("  warning: {warning}")))
}

/// What a look at what the configuration refers to finds, each beginning with the path of the key to mend.
fn problems(config: &Config) -> Vec<String> {
    let mut problems: Vec<String> = config
        .secrets_by_key()
        .into_iter()
        .filter_map(|(key, secret)| Some(format!("`{key}`: {:#}", unfit(config, &key, secret).err()?)))
        .collect();
    if problems.is_empty() {
        let (bus, ledger) = (config.bus_location(), config.ledger_location());
        let addresses = [bus.err(), ledger.err()];
        problems.extend(addresses.into_iter().flatten().map(|error| format!("{error:#}")));
    }
    problems
}

/// Why a secret is of no use: it cannot be read, or does not have the form that what verifies senders or operators by
/// it takes.
fn unfit(config: &Config, key: &str, secret: &SecretRef) -> Result<()> {
    match (secret.read(), secret) {
        // One that is empty says so itself.
        (Err(error), SecretRef::File(_)) if error.source().is_some() => {
            bail!("{error:#}; write the secret into that file, where whoever runs Windlass may read it")
        }
        (Err(error), SecretRef::Env(_)) if error.source().is_some() => {
            bail!("{error:#}; set that variable where Windlass runs")
        }
        (read, _) => read?,
    };
    if key.starts_with("console.operators[") {
        return console::check::token(secret);
    }
    let sender = config.sources.iter().find(|(name, _)| key.starts_with(&format!("sources.{name}.secrets[")));
    match sender.and_then(|(_, source)| source.proof()) {
        Some(proof) => receiver::check::secret(secret, &proof),
        None => Ok(()),
    }
}

fn summary(config: &Config) -> String {
    let names = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let sources = names(config.sources.keys().map(ToString::to_string).collect());
    let apps = names(config.apps.keys().map(ToString::to_string).collect());
    format!("in order\n  sources: {sources}\n  apps:    {apps}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_read_is_told_with_the_line_that_refers_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, good) = (folder.path().join("windlass.yaml"), folder.path().join("good"));
        std::fs::write(&good, "hunter2-hunter2-hunter2").unwrap();
        let text = format!(
            "sources:\n  hub:\n    kind: github\n    secrets:\n      - file:{0}\n      - file:{0}-gone\nnotify:\n  - slack: file:{0}\n",
            good.display()
        );
        std::fs::write(&path, text).unwrap();
        let overrides = vec![("notify[0].slack".to_owned(), "env:WINDLASS_TEST_NO_SUCH_VARIABLE".to_owned())];
        let why = check(&Arguments { config: path.clone(), overrides }).unwrap_err().to_string();
        let lines: Vec<_> = why.lines().collect();
        assert!(lines.len() == 3 && lines[0] == format!("{}:", path.display()), "{why}");
        assert!(lines[1].starts_with("  - `sources.hub.secrets[1]`: ") && lines[1].ends_with(" (line 6)"), "{why}");
        assert!(lines[2].ends_with(" (set by `--set notify[0].slack`)"), "{why}");
    }

    #[test]
    fn each_secret_that_is_of_no_use_is_named_once_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("'file:{}'", folder.path().join(name).display());
        std::fs::write(folder.path().join("good"), "c2VjcmV0\n").unwrap();
        std::fs::write(folder.path().join("spaced"), "hunter2 \n").unwrap();
        let (good, spaced, gone) = (at("good"), at("spaced"), at("gone"));
        let text = format!(
            "bus: 'amqp://me@127.0.0.1/'\nbus_password: {gone}\n\
             sources:\n  github: {{ kind: github, secrets: [{good}], reconcile: {{ token: {gone}, hooks: [{{ repository: a/b }}] }} }}\n  gitlab: {{ kind: gitlab, secrets: [{good}, {spaced}] }}\n\
             git: {{ sign: {{ ssh: {gone} }}, credentials: [{{ url: 'https://git.example', username: me, password: {good} }}, {{ url: 'ssh://git@git.example', key: {gone} }}] }}\n\
             registries: {{ ghcr.io: {{ username: me, password: {gone} }} }}\n\
             apps: {{ shop: {{ repository: acme/shop, test: [{{ name: a, run: [x], secrets: {{ T: {gone} }} }}] }} }}\n\
             notify: [{{ slack: {good} }}, {{ slack: {gone} }}]\n\
             console: {{ operators: [{{ name: alice, token: {spaced} }}] }}\n"
        );
        let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
        let found = problems(&config);
        let keys: Vec<_> = found.iter().filter_map(|problem| problem.split('`').nth(1)).collect();
        let wanted = [
            "bus_password",
            "sources.github.reconcile.token",
            "sources.gitlab.secrets[1]",
            "git.credentials[1].key",
            "git.sign.ssh",
            "registries.ghcr.io.password",
            "notify[1].slack",
            "console.operators[0].token",
            "apps.shop.test[0].secrets.T",
        ];
        assert_eq!(keys, wanted, "{found:?}");
        assert!(!found.concat().contains("hunter2"), "{found:?}");
        assert!(config.secrets().len() == 13, "{:?}", config.secrets());
    }
}
