//! Trivy's JSON, schema version 2 (trivy.dev, "Reporting"; pkg/types/report.go).

use serde::Deserialize;

use super::{Found, by_word, read};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    schema_version: u32,
    /// Always there, so its absence tells another tool's JSON.
    artifact_name: String,
    /// Left out when there is nothing to report on.
    #[serde(default)]
    results: Option<Vec<Scanned>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scanned {
    #[serde(default)]
    target: String,
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
    #[serde(default)]
    misconfigurations: Option<Vec<Misconfiguration>>,
    #[serde(default)]
    secrets: Option<Vec<Leak>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(default)]
    pkg_name: String,
    #[serde(default)]
    installed_version: String,
    severity: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Misconfiguration {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "AVDID", default)]
    avd_id: String,
    #[serde(default)]
    title: String,
    severity: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    cause_metadata: Cause,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Cause {
    #[serde(default)]
    start_line: u64,
}

/// `Match` is left out on purpose: it holds what leaked, or most of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Leak {
    #[serde(rename = "RuleID")]
    id: String,
    #[serde(default)]
    title: String,
    severity: String,
    #[serde(default)]
    start_line: u64,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let report: Report = read("Trivy report", bytes)?;
    if report.schema_version != 2 {
        return Err(format!("its schema version is {}, only 2 is known", report.schema_version));
    }
    if report.artifact_name.is_empty() {
        return Err("it does not say what was scanned".to_owned());
    }
    Ok(report.results.unwrap_or_default().iter().flat_map(found).collect())
}

fn found(scanned: &Scanned) -> Vec<Found> {
    let vulnerabilities = scanned.vulnerabilities.iter().flatten().map(vulnerability);
    let failed = scanned.misconfigurations.iter().flatten().filter(|m| m.status.is_empty() || m.status == "FAIL");
    let misconfigurations = failed.map(|m| Found {
        id: m.id.clone(),
        aliases: vec![m.avd_id.clone()],
        severity: by_word(&m.severity),
        location: at(&scanned.target, m.cause_metadata.start_line),
        title: m.title.clone(),
        suppressed: None,
    });
    let secrets = scanned.secrets.iter().flatten().map(|s| Found {
        id: s.id.clone(),
        severity: by_word(&s.severity),
        location: at(&scanned.target, s.start_line),
        title: s.title.clone(),
        ..Found::default()
    });
    vulnerabilities.chain(misconfigurations).chain(secrets).collect()
}

fn vulnerability(v: &Vulnerability) -> Found {
    let title = if v.title.is_empty() { &v.description } else { &v.title };
    Found {
        id: v.id.clone(),
        severity: by_word(&v.severity),
        location: format!("{}@{}", v.pkg_name, v.installed_version),
        title: title.clone(),
        ..Found::default()
    }
}

fn at(target: &str, line: u64) -> String {
    if line == 0 { target.to_owned() } else { format!("{target}:{line}") }
}
