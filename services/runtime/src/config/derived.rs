//! What follows from a configuration: addresses with their passwords put in, and every secret it names.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use url::Url;

use super::{App, Config, SecretRef};

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
        self.secrets_by_key().into_iter().map(|(_, secret)| secret.clone()).collect()
    }

    /// The same, each with the path of the key that refers to it.
    pub fn secrets_by_key(&self) -> Vec<(String, &SecretRef)> {
        let single = [
            ("bus_password", self.bus_password.as_ref()),
            ("ledger_password", self.ledger_password.as_ref()),
            ("sentry.dsn", self.sentry.as_ref().map(|sentry| &sentry.dsn)),
        ];
        let mut found: Vec<_> =
            single.into_iter().filter_map(|(key, secret)| Some((key.to_owned(), secret?))).collect();
        for (name, source) in &self.sources {
            let numbered = source.secrets.iter().enumerate();
            found.extend(numbered.map(|(n, secret)| (format!("sources.{name}.secrets[{n}]"), secret)));
            if let Some(reconcile) = &source.reconcile {
                let at = format!("sources.{name}.reconcile");
                found.extend(with_app(
                    &at,
                    reconcile.token.as_ref(),
                    reconcile.app.as_ref().map(|app| &app.private_key),
                ));
            }
        }
        found.extend(self.git.secrets());
        let passwords = self.registries.iter().filter_map(|(host, registry)| Some((host, registry.password.as_ref()?)));
        found.extend(passwords.map(|(host, password)| (format!("registries.{host}.password"), password)));
        found.extend(self.notify.iter().enumerate().map(|(n, route)| (format!("notify[{n}].slack"), &route.slack)));
        let operators = self.console.iter().flat_map(|console| &console.operators).enumerate();
        found.extend(operators.map(|(n, operator)| (format!("console.operators[{n}].token"), &operator.token)));
        for (name, app) in &self.apps {
            found.extend(of_app(&format!("apps.{name}"), app));
        }
        found
    }
}

fn with_app<'a>(
    at: &str,
    token: Option<&'a SecretRef>,
    key: Option<&'a SecretRef>,
) -> impl Iterator<Item = (String, &'a SecretRef)> {
    let both = [(format!("{at}.token"), token), (format!("{at}.app.private_key"), key)];
    both.into_iter().filter_map(|(key, secret)| Some((key, secret?)))
}

fn of_app<'a>(at: &str, app: &'a App) -> Vec<(String, &'a SecretRef)> {
    let mut found = Vec::new();
    if let Some(forge) = app.gitops.as_ref().and_then(|gitops| gitops.forge.as_ref()) {
        let key = forge.app.as_ref().map(|app| &app.private_key);
        found.extend(with_app(&format!("{at}.gitops.forge"), forge.token.as_ref(), key));
    }
    let mut variables = |at: String, secrets: &'a BTreeMap<String, SecretRef>| {
        found.extend(secrets.iter().map(|(name, secret)| (format!("{at}.secrets.{name}"), secret)));
    };
    for (n, step) in app.test.iter().enumerate() {
        variables(format!("{at}.test[{n}]"), &step.secrets);
    }
    for (n, scan) in app.scan.iter().enumerate() {
        variables(format!("{at}.scan[{n}]"), &scan.secrets);
    }
    for (name, environment) in &app.environments {
        for (n, step) in environment.test.iter().enumerate() {
            variables(format!("{at}.environments.{name}.test[{n}]"), &step.secrets);
        }
    }
    found
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{ForgeKind, GithubHook, SourceKind};

    /// What serde takes, as it says itself of what it does not take.
    fn taken<T: DeserializeOwned>(unknown: Value) -> BTreeSet<String> {
        let why = serde_json::from_value::<T>(unknown).err().unwrap().to_string();
        let known = why.split_once("expected ").unwrap().1;
        known.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    }

    /// Whether it is one value, and cannot be left empty.
    fn is_plain(schema: &Value, property: &Value) -> bool {
        let of = property["$ref"].as_str().map_or(property, |path| schema.pointer(&path[1..]).unwrap());
        let is_value = ["string", "integer", "number", "boolean"].iter().any(|kind| of["type"] == *kind);
        let choices = of["oneOf"].as_array();
        is_value || choices.is_some_and(|choices| choices.iter().all(|choice| choice["const"].is_string()))
    }

    #[test]
    fn the_schema_says_what_a_value_is_unless_said() {
        let schema = schema();
        let parts = schema["$defs"].as_object().unwrap().iter().map(|(name, part)| (name.as_str(), part));
        let mut seen = BTreeSet::new();
        for (name, part) in parts.chain([("Config", &schema)]) {
            let required: Vec<_> = part["required"].as_array().into_iter().flatten().collect();
            for (key, property) in part["properties"].as_object().into_iter().flatten() {
                if required.iter().any(|name| *name == key) || !is_plain(&schema, property) {
                    continue;
                }
                let usual = &property["default"];
                assert!(!usual.is_null() && !usual.is_object(), "{name}.{key}: {property}");
                seen.insert(format!("{name}.{key}: {usual}"));
            }
        }
        for usual in [
            "Step.timeout: \"15m\"",
            "Component.timeout: \"30m\"",
            "Component.dockerfile: \"Dockerfile\"",
            "Receiver.body_deadline: \"20s\"",
            "Receiver.max_body_bytes: 26214400",
            "Spool.max_age: \"24h\"",
            "Environment.soak: \"0s\"",
            "Gitops.branch: \"main\"",
            "Git.message: \"{app} {environment}: {components} -> {version}\"",
            "Window.zone: \"UTC\"",
            "HmacProof.algorithm: \"sha256\"",
        ] {
            assert!(seen.contains(usual), "{usual}: {seen:#?}");
        }
    }

    #[test]
    fn the_schema_has_every_name_that_is_taken() {
        let schema = schema();
        let words = |of: &str| -> BTreeSet<String> {
            let values = schema["$defs"][of]["oneOf"].as_array().unwrap();
            values.iter().map(|value| value["const"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(words("SourceKind"), taken::<SourceKind>(json!("?")));
        assert_eq!(words("ForgeKind"), taken::<ForgeKind>(json!("?")));
        let keys = schema["$defs"]["GithubHook"]["properties"].as_object().unwrap();
        assert_eq!(keys.keys().cloned().collect::<BTreeSet<_>>(), taken::<GithubHook>(json!({ "?": 1 })));
        assert!(words("SourceKind").contains("forgejo") && words("ForgeKind").contains("forgejo"));
    }
}
