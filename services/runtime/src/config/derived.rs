//! What follows from a configuration: addresses with their passwords put in, and every secret it names.

use anyhow::{Context as _, Result};
use url::Url;

use super::{Config, Forge, Reconcile, SecretRef};

impl Config {
    /// Where the bus is, password included.
    pub fn bus_location(&self) -> Result<bus::Location> {
        let address = with_password(&self.bus, self.bus_password.as_ref()).context("`bus`")?;
        Ok(bus::Location::parse(&address, &self.data)?)
    }

    /// Where the ledger is, password included.
    pub fn ledger_location(&self) -> Result<ledger::Location> {
        let address = with_password(&self.ledger, self.ledger_password.as_ref()).context("`ledger`")?;
        Ok(ledger::Location::parse(&address, &self.data)?)
    }

    /// Every secret the configuration refers to, for whoever must keep them out of something.
    pub fn secrets(&self) -> Vec<SecretRef> {
        let steps = |app: &super::App| {
            let checks = app.environments.values().flat_map(|e| &e.test);
            let of_steps = app.test.iter().chain(checks).flat_map(|s| s.secrets.values());
            of_steps.chain(app.scan.iter().flat_map(|s| s.secrets.values())).cloned().collect::<Vec<_>>()
        };
        let single = [&self.bus_password, &self.ledger_password].into_iter().flatten();
        let single = single.chain(self.sentry.iter().map(|s| &s.dsn));
        single
            .chain(self.sources.values().flat_map(|s| &s.secrets))
            .chain(self.sources.values().flat_map(|s| &s.reconcile).flat_map(Reconcile::secrets))
            .chain(self.git.secrets())
            .chain(self.registries.values().filter_map(|r| r.password.as_ref()))
            .chain(self.notify.iter().map(|n| &n.slack))
            .chain(self.apps.values().filter_map(|app| app.gitops.as_ref()?.forge.as_ref()).flat_map(Forge::secrets))
            .cloned()
            .chain(self.apps.values().flat_map(steps))
            .collect()
    }
}

fn with_password(address: &str, password: Option<&SecretRef>) -> Result<String> {
    let Some(password) = password else { return Ok(address.to_owned()) };
    // The parser's own words may repeat the address.
    let mut url = Url::parse(address).map_err(|_| anyhow::anyhow!("a password is given, but this is no URL"))?;
    let set = url.set_password(Some(password.read()?.expose()));
    set.map_err(|()| anyhow::anyhow!("a password is given, but this URL has no host to give it to"))?;
    Ok(url.to_string())
}

/// The JSON Schema of `windlass.yaml`, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}
