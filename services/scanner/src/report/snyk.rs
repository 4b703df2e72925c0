//! Snyk's JSON (`snyk test --json`, and `--all-projects`, which makes it a list; docs.snyk.io, "CLI commands: test").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Found, by_word, read};

#[derive(Deserialize)]
#[serde(untagged)]
enum Report {
    Several(Vec<Project>),
    One(Box<Project>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Project {
    #[serde(default)]
    ok: Option<bool>,
    /// Instead of everything else, when a project could not be tested.
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vulnerability {
    id: String,
    #[serde(default)]
    title: String,
    severity: String,
    #[serde(default)]
    package_name: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: String,
    /// `CVE`, `CWE`, `GHSA` and more, a list each; CWEs name a kind, not this one.
    #[serde(default)]
    identifiers: BTreeMap<String, Option<Vec<String>>>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let projects = match read("Snyk report", bytes)? {
        Report::Several(projects) => projects,
        Report::One(project) => vec![*project],
    };
    if projects.is_empty() {
        return Err("it names no project, so nothing was tested".to_owned());
    }
    let mut all = Vec::new();
    for project in projects {
        if let Some(error) = project.error {
            return Err(format!("Snyk could not test a project: {}", super::line(&error, 500)));
        }
        let Some((ok, vulnerabilities)) = project.ok.zip(project.vulnerabilities) else {
            return Err("a project in it has no `ok` or no `vulnerabilities`".to_owned());
        };
        if !ok && vulnerabilities.is_empty() {
            return Err("it says that a project is not ok, and not why".to_owned());
        }
        all.extend(vulnerabilities.into_iter().map(found));
    }
    Ok(all)
}

fn found(v: Vulnerability) -> Found {
    let names = v.identifiers.into_iter().filter(|(kind, _)| kind != "CWE");
    Found {
        id: v.id,
        aliases: names.flat_map(|(_, ids)| ids.unwrap_or_default()).collect(),
        severity: by_word(&v.severity),
        location: format!("{}@{}", v.package_name.or(v.name).unwrap_or_default(), v.version),
        title: v.title,
        suppressed: None,
    }
}
