//! SARIF 2.1.0 (OASIS), as far as scanners use it. Section numbers are the standard's.

use serde::Deserialize;
use serde_json::Value;

use proto::Severity;

use super::{Found, by_score, read};

/// The rule that what a scanner could not look at is reported under.
const NOT_SCANNED: &str = "not-scanned";

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Option<Vec<Run>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    /// Absent or null when no scan was made (3.14.23).
    #[serde(default)]
    results: Option<Vec<Finding>>,
    #[serde(default)]
    invocations: Vec<Invocation>,
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Component,
    #[serde(default)]
    extensions: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    short_description: Text,
    #[serde(default)]
    default_configuration: Configuration,
    #[serde(default)]
    properties: Value,
}

#[derive(Deserialize, Default)]
struct Configuration {
    level: Option<String>,
}

#[derive(Deserialize, Default)]
struct Text {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(default)]
    tool_execution_notifications: Vec<Notification>,
    #[serde(default)]
    tool_configuration_notifications: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(default)]
    message: Text,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    locations: Vec<Location>,
}

#[derive(Deserialize, Default)]
struct Artifact {
    #[serde(default)]
    location: ArtifactLocation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    #[serde(default)]
    rule_id: Option<String>,
    #[serde(default)]
    rule_index: Option<i64>,
    #[serde(default)]
    rule: RuleReference,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    message: Text,
    #[serde(default)]
    locations: Vec<Location>,
    #[serde(default)]
    suppressions: Option<Vec<Suppression>>,
    #[serde(default)]
    baseline_state: Option<String>,
    #[serde(default)]
    properties: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RuleReference {
    id: Option<String>,
    index: Option<i64>,
    tool_component: Option<ComponentReference>,
}

#[derive(Deserialize)]
struct ComponentReference {
    index: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(default)]
    physical_location: Option<PhysicalLocation>,
    #[serde(default)]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    #[serde(default)]
    artifact_location: ArtifactLocation,
    #[serde(default)]
    region: Region,
}

#[derive(Deserialize, Default)]
struct ArtifactLocation {
    uri: Option<String>,
    index: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    #[serde(default)]
    fully_qualified_name: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Suppression {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    justification: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let log: Log = read("SARIF log", bytes)?;
    if log.version != "2.1.0" {
        return Err(format!("its SARIF version is `{}`, only 2.1.0 is known", super::line(&log.version, 20)));
    }
    let runs = log.runs.unwrap_or_default();
    if runs.is_empty() {
        return Err("it holds no run, so nothing was scanned".to_owned());
    }
    let mut all = Vec::new();
    for run in &runs {
        let name = &run.tool.driver.name;
        if run.invocations.iter().any(|invocation| !invocation.execution_successful) {
            return Err(format!("{name} says that its run was not successful"));
        }
        let Some(results) = &run.results else {
            return Err(format!("the run of {name} has no `results`, so no scan was made"));
        };
        all.extend(results.iter().filter(|result| is_finding(result)).map(|result| found(run, result)));
        all.extend(run.invocations.iter().flat_map(|invocation| not_scanned(run, invocation)));
    }
    Ok(all)
}

/// What the tool could not look at, though it did the rest (3.58.6: after an error the results are incomplete). That
/// must not pass unseen, and one file that cannot be parsed must not stop everything.
fn not_scanned<'a>(run: &'a Run, invocation: &'a Invocation) -> impl Iterator<Item = Found> + 'a {
    let all = invocation.tool_execution_notifications.iter().chain(&invocation.tool_configuration_notifications);
    all.filter(|notification| notification.level.as_deref() == Some("error")).map(|notification| Found {
        id: NOT_SCANNED.to_owned(),
        severity: Severity::Medium,
        location: notification.locations.first().map(|location| place(run, location)).unwrap_or_default(),
        title: notification.message.text.clone().unwrap_or_default(),
        ..Found::default()
    })
}

/// Not every result is a problem (3.27.9), nor is each still there (3.27.24).
fn is_finding(result: &Finding) -> bool {
    let good = matches!(result.kind.as_deref(), Some("pass" | "notApplicable" | "informational"));
    !good && result.baseline_state.as_deref() != Some("absent")
}

fn found(run: &Run, result: &Finding) -> Found {
    let rule = rule(run, result);
    let named = result.rule_id.as_ref().or(result.rule.id.as_ref()).or(rule.map(|rule| &rule.id));
    let described = rule.and_then(|rule| rule.short_description.text.as_ref().or(rule.name.as_ref()));
    Found {
        id: named.cloned().unwrap_or_else(|| run.tool.driver.name.clone()),
        aliases: Vec::new(),
        severity: severity(result, rule),
        location: result.locations.first().map(|location| place(run, location)).unwrap_or_default(),
        title: result.message.text.as_ref().or(described).cloned().unwrap_or_default(),
        suppressed: suppressed(result),
    }
}

/// The rule a result is about: by index in the component it names, or by id (3.27.5 to 3.27.7, 3.52).
fn rule<'a>(run: &'a Run, result: &Finding) -> Option<&'a Rule> {
    let tool = &run.tool;
    let component = match result.rule.tool_component.as_ref().and_then(|component| at(component.index)) {
        Some(index) => tool.extensions.get(index)?,
        None => &tool.driver,
    };
    let by_index = at(result.rule.index).or(at(result.rule_index)).and_then(|index| component.rules.get(index));
    let id = result.rule_id.as_ref().or(result.rule.id.as_ref());
    // A hierarchical id names a rule by its beginning (3.5.4).
    let is_it = |rule: &&Rule| id.is_some_and(|id| *id == rule.id || id.starts_with(&format!("{}/", rule.id)));
    by_index.or_else(|| tool.extensions.iter().chain([&tool.driver]).flat_map(|c| &c.rules).find(is_it))
}

/// -1 stands for none throughout the standard.
fn at(index: Option<i64>) -> Option<usize> {
    usize::try_from(index?).ok()
}

/// GitHub's `security-severity` is a CVSS score, and more exact than the level.
fn severity(result: &Finding, rule: Option<&Rule>) -> Severity {
    let score = |properties: &Value| match properties.get("security-severity")? {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_f64(),
    };
    if let Some(score) = score(&result.properties).or_else(|| score(&rule?.properties)) {
        return by_score(score);
    }
    let level = result.level.as_ref().or(rule.and_then(|rule| rule.default_configuration.level.as_ref()));
    match level.map_or("warning", String::as_str) {
        "error" => Severity::High,
        "note" => Severity::Low,
        "none" => Severity::None,
        _ => Severity::Medium,
    }
}

/// Suppressed when it is said so, and nothing says that this is still open or was refused (3.27.23, 3.35).
fn suppressed(result: &Finding) -> Option<String> {
    let suppressions = result.suppressions.as_ref().filter(|list| !list.is_empty())?;
    let open = |s: &Suppression| matches!(s.status.as_deref(), Some("underReview" | "rejected"));
    if suppressions.iter().any(open) {
        return None;
    }
    let why = suppressions.iter().find_map(|s| s.justification.clone()).filter(|why| !why.trim().is_empty());
    Some(why.unwrap_or_else(|| "suppressed in the report".to_owned()))
}

fn place(run: &Run, location: &Location) -> String {
    let physical = location.physical_location.as_ref();
    let artifact = physical.map(|physical| &physical.artifact_location);
    let by_index = || at(artifact?.index).and_then(|index| run.artifacts.get(index)?.location.uri.clone());
    let uri = artifact.and_then(|artifact| artifact.uri.clone()).or_else(by_index);
    match (uri, physical.and_then(|physical| physical.region.start_line)) {
        (Some(uri), Some(line)) => format!("{uri}:{line}"),
        (Some(uri), None) => uri,
        (None, _) => {
            let logical = location.logical_locations.first();
            logical.and_then(|l| l.fully_qualified_name.clone().or_else(|| l.name.clone())).unwrap_or_default()
        }
    }
}
