//! From findings to a verdict: what is ignored, until when, and what is too grave.

use std::{cmp::Reverse, collections::BTreeMap};

use proto::{Finding, ScanReport, Severity, Timestamp};
use runtime::config::{IgnoredFinding, Scan};

use crate::report::Found;

/// How many findings a report lists; the rest is counted.
const LISTED: usize = 50;

/// The verdict over everything that was found.
pub(crate) fn judge(scan: &Scan, found: Vec<Found>, duration_ms: u64, now: Timestamp) -> ScanReport {
    let mut findings: Vec<Finding> = found.into_iter().map(|found| weighed(scan, found, now)).collect();
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
    // Snyk names a vulnerability once for each way to it, and SARIF runs may overlap.
    findings.dedup_by(|a, b| a.id == b.id && a.location == b.location && a.title == b.title);
    let mut counts = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.ignored.is_none()) {
        *counts.entry(name(finding.severity).to_owned()).or_default() += 1;
    }
    let passed = !findings.iter().any(|f| f.ignored.is_none() && f.severity >= scan.fail_on);
    let omitted = u32::try_from(findings.len().saturating_sub(LISTED)).unwrap_or(u32::MAX);
    findings.truncate(LISTED);
    let (tool, fail_on, skipped) = (scan.tool.clone(), scan.fail_on, None);
    ScanReport { tool, passed, skipped, fail_on, counts, findings, omitted, duration_ms }
}

/// Those that count before those that do not, the gravest first.
fn key(finding: &Finding) -> (bool, Reverse<Severity>, &str, &str, &str) {
    let Finding { id, severity, location, title, ignored } = finding;
    (ignored.is_some(), Reverse(*severity), id, location, title)
}

fn weighed(scan: &Scan, found: Found, now: Timestamp) -> Finding {
    let matching = |ignore: &&IgnoredFinding| {
        let is_id = ignore.id == found.id || found.aliases.contains(&ignore.id);
        is_id && ignore.location.as_ref().is_none_or(|part| found.location.contains(part.as_str()))
    };
    let holds = scan.ignore.iter().filter(matching).find(|ignore| ignore.holds(now));
    let expired = scan.ignore.iter().filter(matching).max_by_key(|ignore| ignore.until);
    let ignored = found.suppressed.clone().or_else(|| holds.map(|ignore| ignore.reason.clone()));
    let title = match expired {
        Some(expired) if ignored.is_none() => {
            format!("{} (ignored until {}: {})", found.title, expired.until, expired.reason)
        }
        _ => found.title.clone(),
    };
    Finding { id: found.id, severity: found.severity, location: found.location, title, ignored }
}

/// As it stands in events.
fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::None => "none",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scan(yaml: &str) -> Scan {
        let text = format!("{{ apps: {{ a: {{ repository: a/b, scan: [{{ tool: trivy, {yaml} }}] }} }} }}");
        let config = runtime::Config::parse(&text, "test.yaml".as_ref()).unwrap();
        config.apps.into_values().next().unwrap().scan.remove(0)
    }

    fn found(id: &str, severity: Severity) -> Found {
        Found {
            id: id.to_owned(),
            severity,
            location: "lib/x@1".to_owned(),
            title: "bad".to_owned(),
            ..Found::default()
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-11-23T12:00:00Z";

    #[test]
    fn the_threshold_is_reached_from_there_on() {
        for (severity, passed) in [(Severity::Medium, true), (Severity::High, false), (Severity::Critical, false)] {
            assert_eq!(judge(&scan("fail_on: high"), vec![found("A", severity)], 1, at(NOW)).passed, passed);
        }
        assert!(!judge(&scan("fail_on: none"), vec![found("A", Severity::None)], 1, at(NOW)).passed);
        assert!(judge(&scan("fail_on: none"), Vec::new(), 1, at(NOW)).passed);
    }

    #[test]
    fn what_is_ignored_counts_again_when_its_day_is_over() {
        let scan = scan("ignore: [{ id: CVE-1, reason: no fix yet, until: 2026-11-23 }]");
        let report = judge(&scan, vec![found("CVE-1", Severity::Critical)], 1, at("2026-11-23T23:59:59Z"));
        assert!(report.passed && report.counts.is_empty());
        assert_eq!(report.findings[0].ignored.as_deref(), Some("no fix yet"));
        let report = judge(&scan, vec![found("CVE-1", Severity::Critical)], 1, at("2026-11-24T00:00:00Z"));
        assert!(!report.passed && report.findings[0].ignored.is_none());
        assert_eq!(report.findings[0].title, "bad (ignored until 2026-11-23: no fix yet)");
        assert_eq!(report.counts, BTreeMap::from([("critical".to_owned(), 1)]));
    }

    #[test]
    fn an_ignored_place_is_not_ignored_elsewhere() {
        let scan = scan("ignore: [{ id: CVE-1, location: other, reason: x, until: 2030-01-01 }]");
        assert!(!judge(&scan, vec![found("CVE-1", Severity::High)], 1, at(NOW)).passed);
        let other = Found { location: "other/y@2".to_owned(), ..found("CVE-1", Severity::High) };
        assert!(judge(&scan, vec![other], 1, at(NOW)).passed);
    }

    #[test]
    fn an_advisorys_other_names_are_its_names() {
        let scan = scan("ignore: [{ id: CVE-1, reason: x, until: 2030-01-01 }]");
        let snyk = Found { aliases: vec!["CVE-1".to_owned()], ..found("SNYK-JS-1", Severity::High) };
        assert!(judge(&scan, vec![snyk], 1, at(NOW)).passed);
    }

    #[test]
    fn the_gravest_fifty_are_listed_once_each() {
        let mut many: Vec<Found> = (0..80).map(|n| found(&format!("L{n:02}"), Severity::Low)).collect();
        many.push(found("C", Severity::Critical));
        many.push(found("C", Severity::Critical));
        let report = judge(&scan("fail_on: critical"), many, 1, at(NOW));
        assert_eq!((report.findings.len(), report.omitted, report.findings[0].id.as_str()), (50, 31, "C"));
        assert_eq!(report.counts, BTreeMap::from([("critical".to_owned(), 1), ("low".to_owned(), 80)]));
    }
}
