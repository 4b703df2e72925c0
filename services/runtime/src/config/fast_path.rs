//! What users write of the way of a fix: what it leaves out, and where it leads.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use proto::{EnvironmentName, Lane};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{App, Scan, Step};
use crate::names::there_are;

/// What the fast path leaves out, and where it leads. The verdict over what it deploys, and the rollback, are never left
/// out.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FastPath {
    /// What is left out.
    #[serde(default)]
    pub skip: BTreeSet<Skip>,
    /// The environments it leads to straight away; those new images come to when empty.
    #[serde(default)]
    pub to: BTreeSet<EnvironmentName>,
}

/// Something the fast path may leave out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Skip {
    /// Approvals.
    Approval,
    /// The time a release must have been healthy before.
    Soak,
    /// Time windows.
    Windows,
    /// Freezes.
    Freezes,
    /// The test step of this name; all of them without one.
    Test(Option<String>),
    /// The scanner of this name; all of them without one.
    Scan(Option<String>),
}

impl TryFrom<String> for Skip {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Ok(match (text.as_str(), text.split_once(':')) {
            ("approval", _) => Self::Approval,
            ("soak", _) => Self::Soak,
            ("windows", _) => Self::Windows,
            ("freezes", _) => Self::Freezes,
            ("test", _) => Self::Test(None),
            ("scan", _) => Self::Scan(None),
            (_, Some(("test", name))) if !name.is_empty() => Self::Test(Some(name.to_owned())),
            (_, Some(("scan", name))) if !name.is_empty() => Self::Scan(Some(name.to_owned())),
            _ => {
                return Err(format!(
                    "`{text}` cannot be left out; write `approval`, `soak`, `windows`, `freezes`, `test`, `scan`, \
                     or one of them as `test:NAME`, `scan:TOOL`"
                ));
            }
        })
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approval => f.write_str("approval"),
            Self::Soak => f.write_str("soak"),
            Self::Windows => f.write_str("windows"),
            Self::Freezes => f.write_str("freezes"),
            Self::Test(None) => f.write_str("test"),
            Self::Scan(None) => f.write_str("scan"),
            Self::Test(Some(name)) => write!(f, "test:{name}"),
            Self::Scan(Some(name)) => write!(f, "scan:{name}"),
        }
    }
}

impl JsonSchema for Skip {
    fn schema_name() -> Cow<'static, str> {
        "Skip".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "something the fast path may leave out: a gate, all test steps or scanners, or one by its name",
            "pattern": "^(approval|soak|windows|freezes|test(:.+)?|scan(:.+)?)$",
            "examples": ["approval", "soak", "windows", "freezes", "test", "test:e2e", "scan", "scan:trivy"],
        })
    }
}

impl App {
    /// Whether a lane's releases leave out this gate.
    pub fn skips(&self, lane: Lane, gate: &Skip) -> bool {
        lane == Lane::Hotfix && self.fast_path.skip.contains(gate)
    }

    /// What leaves out this test step of a lane's commits, if anything.
    pub fn skip_of_test(&self, lane: Lane, step: &Step) -> Option<Skip> {
        [Skip::Test(None), Skip::Test(Some(step.name.clone()))].into_iter().find(|skip| self.skips(lane, skip))
    }

    /// What leaves out this scan of a lane's commits, if anything.
    pub fn skip_of_scan(&self, lane: Lane, scan: &Scan) -> Option<Skip> {
        [Skip::Scan(None), Skip::Scan(Some(scan.tool.clone()))].into_iter().find(|skip| self.skips(lane, skip))
    }
}

/// What names nothing there is.
pub(super) fn problems<'a>(at: &'a str, app: &'a App) -> impl Iterator<Item = String> + 'a {
    let unknown = app.fast_path.to.iter().filter(|name| !app.environments.contains_key(*name));
    let unknown = unknown.map(move |name| {
        format!("`{at}.fast_path.to`: there is no environment `{name}`; {}", there_are(app.environments.keys()))
    });
    let nothing = app.fast_path.skip.iter().filter_map(|skip| match skip {
        Skip::Test(Some(name)) if !app.test.iter().any(|step| step.name == *name) => Some(("test step", name)),
        Skip::Scan(Some(name)) if !app.scan.iter().any(|scan| scan.tool == *name) => Some(("scanner", name)),
        _ => None,
    });
    unknown.chain(nothing.map(move |(what, name)| format!("`{at}.fast_path.skip`: there is no {what} `{name}`")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Config, ConfigError};
    use super::*;

    fn app(skip: &str) -> Result<App, ConfigError> {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, hotfix: ['hotfix/*'], fast_path: {{ skip: [{skip}] }}, \
             test: [{{ name: lint, run: [a] }}, {{ name: 'e2e: all', run: [b] }}], scan: [{{ tool: trivy }}, {{ tool: snyk }}] }} }}"
        );
        Config::parse(&text, "windlass.yaml".as_ref()).map(|config| config.apps.into_values().next().unwrap())
    }

    fn left_out(skip: &str, lane: Lane) -> Vec<String> {
        let app = app(skip).unwrap();
        let tests = app.test.iter().filter_map(|step| Some((&step.name, app.skip_of_test(lane, step)?)));
        let scans = app.scan.iter().filter_map(|scan| Some((&scan.tool, app.skip_of_scan(lane, scan)?)));
        tests.chain(scans).map(|(name, skip)| format!("{name} by {skip}")).collect()
    }

    #[test]
    fn steps_and_scanners_are_left_out_by_name_or_all_and_by_the_fast_path_alone() {
        assert_eq!(left_out("approval, soak", Lane::Hotfix), Vec::<String>::new());
        assert_eq!(left_out("test", Lane::Hotfix), ["lint by test", "e2e: all by test"]);
        assert_eq!(
            left_out("'test:e2e: all', scan:snyk", Lane::Hotfix),
            ["e2e: all by test:e2e: all", "snyk by scan:snyk"]
        );
        assert_eq!(left_out("test, scan", Lane::Deploy), Vec::<String>::new());
        assert_eq!(left_out("test, scan", Lane::Check), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_or_must_not_be_left_out_is_told() {
        for (skip, key, hint) in [
            ("health", "apps.shop.fast_path.skip", "cannot be left out"),
            ("rollback", "apps.shop.fast_path.skip", "test:NAME"),
            ("'test:'", "apps.shop.fast_path.skip", "cannot be left out"),
            ("test:unit", "apps.shop.fast_path.skip", "no test step `unit`"),
            ("scan:semgrep", "apps.shop.fast_path.skip", "no scanner `semgrep`"),
        ] {
            let why = app(skip).unwrap_err().to_string();
            assert!(why.contains(&format!("`{key}")) && why.contains(hint), "{skip}: {why}");
        }
    }
}
