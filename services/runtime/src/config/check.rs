//! What no single key can say: keys that must fit each other.

mod addresses;
mod apps;
mod bodies;
mod servers;

use super::{Config, Console, idle, logging, repositories, routes};
use crate::names::there_are;

/// Every contradiction, each beginning with the path of the key to mend.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let data = &config.data;
    if let Err(error) = bus::Location::parse(&config.bus, data) {
        found.push(format!("`bus`: {error}"));
    }
    if let Err(error) = ledger::Location::parse(&config.ledger, data) {
        found.push(format!("`ledger`: {error}"));
    }
    found.extend(servers::unfit_servers(config));
    if data.as_os_str().is_empty() {
        found.push("`data`: it is empty; write a folder, or leave it out".to_owned());
    }
    found.extend(logging::problem(&config.log.filter).map(|why| format!("`log.filter`: {why}")));
    servers::check_listeners(config, &mut found);
    bodies::check_bodies(config, &mut found);
    bodies::check_spool(config, &mut found);
    found.extend(idle::problems(config));
    found.extend(config.git.problems().into_iter().map(|(key, why)| format!("`{key}`: {why}")));
    for (name, source) in &config.sources {
        found.extend(source.problems().into_iter().map(|(key, why)| format!("`sources.{name}.{key}`: {why}")));
    }
    for (name, app) in &config.apps {
        apps::check_app(name, app, &mut found);
        let unnamed = repositories::problem(config, app);
        found.extend(unnamed.map(|why| format!("`apps.{name}.repository`: {why}")));
        for unknown in app.sources.iter().filter(|source| !config.sources.contains_key(source)) {
            found.push(format!(
                "`apps.{name}.sources`: there is no source `{unknown}`; {}",
                there_are(config.sources.keys())
            ));
        }
    }
    found.extend(routes::problems(config));
    found.extend(config.console.iter().flat_map(Console::problems));
    apps::check_images(config, &mut found);
    apps::check_polls(config, &mut found);
    addresses::check_addresses(config, &mut found);
    found
}
