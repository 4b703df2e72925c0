#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const BANDIT: &str = include_str!("../../samples/bandit.sarif");
const GRADED: &str = include_str!("../../samples/graded.sarif");
const TRIVY: &str = include_str!("../../samples/trivy.json");
const SNYK: &str = include_str!("../../samples/snyk.json");
const SNYK_PROJECTS: &str = include_str!("../../samples/snyk-projects.json");

fn read(format: ScanFormat, text: &str) -> Vec<(String, Severity, String)> {
    let found = parse(format, text.as_bytes()).unwrap();
    found.into_iter().map(|found| (found.id, found.severity, found.location)).collect()
}

fn error(format: ScanFormat, text: &str) -> String {
    parse(format, text.as_bytes()).expect_err(text)
}

fn entry(id: &str, severity: Severity, location: &str) -> (String, Severity, String) {
    (id.to_owned(), severity, location.to_owned())
}

#[test]
fn bandits_sarif_is_read_by_its_levels() {
    assert_eq!(
        read(ScanFormat::Sarif, BANDIT),
        [
            entry("B101", Severity::Low, "app/run.py:5"),
            entry("B602", Severity::High, "app/run.py:6"),
            // Bandit leaves the level out where it is the standard's own default.
            entry("B108", Severity::Medium, "app/tmp.py:2"),
        ]
    );
    let found = parse(ScanFormat::Sarif, BANDIT.as_bytes()).unwrap();
    assert!(found[1].title.starts_with("subprocess call with shell=True"), "{}", found[1].title);
}

#[test]
fn scores_go_before_levels_and_what_is_not_there_is_not_found() {
    let found = parse(ScanFormat::Sarif, GRADED.as_bytes()).unwrap();
    let all: Vec<_> = found.iter().map(|f| (f.id.as_str(), f.severity, f.suppressed.as_deref())).collect();
    assert_eq!(
        all,
        [
            ("CVE-2026-0001", Severity::Critical, None),
            ("CVE-2026-0002", Severity::Low, None),
            ("by-default-level", Severity::High, None),
            ("accepted", Severity::Medium, Some("not reachable")),
            ("under-review", Severity::Medium, None),
            ("in-an-extension", Severity::Medium, None),
            ("second-run", Severity::None, None),
        ]
    );
    assert_eq!(found[0].location, "package-lock.json");
    assert_eq!(found[1].location, "shop.cart.Cart");
    assert_eq!(found[5].title, "Told by the extension's rule");
}

#[test]
fn trivys_three_kinds_are_read() {
    assert_eq!(
        read(ScanFormat::Trivy, TRIVY),
        [
            entry("CVE-2021-44906", Severity::Critical, "minimist@1.2.5"),
            entry("CVE-2026-9999", Severity::Medium, "left-pad@1.0.0"),
            entry("DS002", Severity::High, "Dockerfile:1"),
            entry("aws-access-key-id", Severity::Critical, "config/prod.env:3"),
        ]
    );
    let found = parse(ScanFormat::Trivy, TRIVY.as_bytes()).unwrap();
    assert!(!format!("{found:?}").contains("AKIA"), "what leaked is not repeated");
    let nothing = r#"{"SchemaVersion":2,"ArtifactName":".","ArtifactType":"filesystem"}"#;
    assert_eq!(read(ScanFormat::Trivy, nothing), []);
}

#[test]
fn snyks_one_project_or_many_are_read() {
    assert_eq!(
        read(ScanFormat::Snyk, SNYK),
        [
            entry("SNYK-JS-MINIMIST-2429795", Severity::Critical, "minimist@1.2.5"),
            entry("snyk:lic:npm:gpl-thing:GPL-3.0", Severity::Medium, "gpl-thing@2.0.0"),
        ]
    );
    let found = parse(ScanFormat::Snyk, SNYK.as_bytes()).unwrap();
    assert_eq!(found[0].aliases, ["CVE-2021-44906", "GHSA-xvch-5gv4-984h"]);
    assert_eq!(
        read(ScanFormat::Snyk, SNYK_PROJECTS),
        [entry("SNYK-JS-LODASH-1018905", Severity::High, "lodash@4.17.20")]
    );
}

#[test]
fn what_is_no_report_is_no_pass() {
    for format in [ScanFormat::Sarif, ScanFormat::Trivy, ScanFormat::Snyk] {
        for text in [
            "",
            " \n",
            "null",
            "{}",
            "[]",
            "true",
            "panic: runtime error",
            "<html>502</html>",
            "{\"runs\":[]}",
            "\u{0}",
        ] {
            assert!(parse(format, text.as_bytes()).is_err(), "{format:?} takes {text:?}");
        }
        assert!(parse(format, &[0xff, 0xfe, 0x00]).is_err());
    }
    let wrong = [
        (ScanFormat::Sarif, TRIVY),
        (ScanFormat::Sarif, SNYK),
        (ScanFormat::Trivy, BANDIT),
        (ScanFormat::Trivy, SNYK),
        (ScanFormat::Snyk, BANDIT),
        (ScanFormat::Snyk, TRIVY),
    ];
    for (format, text) in wrong {
        assert!(parse(format, text.as_bytes()).is_err(), "{format:?} takes another's report");
    }
}

#[test]
fn a_report_cut_anywhere_is_no_report() {
    let all = [
        (ScanFormat::Sarif, BANDIT),
        (ScanFormat::Sarif, GRADED),
        (ScanFormat::Trivy, TRIVY),
        (ScanFormat::Snyk, SNYK),
        (ScanFormat::Snyk, SNYK_PROJECTS),
    ];
    for (format, text) in all {
        let text = text.trim_end();
        for end in 0..text.len() {
            assert!(parse(format, &text.as_bytes()[..end]).is_err(), "{format:?} takes its first {end} bytes");
        }
    }
}

#[test]
fn a_scanner_that_says_it_failed_is_believed() {
    let run = |rest: &str| format!(r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"x"}}}}{rest}}}]}}"#);
    assert_eq!(read(ScanFormat::Sarif, &run(r#","results":[]"#)), []);
    let failed = run(r#","results":[],"invocations":[{"executionSuccessful":true},{"executionSuccessful":false}]"#);
    assert!(error(ScanFormat::Sarif, &failed).contains("not successful"));
    assert!(error(ScanFormat::Sarif, &run("")).contains("no scan was made"));
    assert!(error(ScanFormat::Sarif, &run(r#","results":null"#)).contains("no scan was made"));
    assert!(error(ScanFormat::Sarif, r#"{"version":"2.0.0","runs":[]}"#).contains("2.0.0"));
    assert!(error(ScanFormat::Sarif, r#"{"version":"2.1.0","runs":[]}"#).contains("no run"));
    let refused = r#"{"ok":false,"error":"Authentication failed. Please check the API token","path":"."}"#;
    assert!(error(ScanFormat::Snyk, refused).contains("Authentication failed"));
    let half = r#"[{"ok":true,"vulnerabilities":[]},{"ok":false,"error":"no lockfile"}]"#;
    assert!(error(ScanFormat::Snyk, half).contains("no lockfile"));
    assert!(error(ScanFormat::Snyk, r#"{"ok":false,"vulnerabilities":[]}"#).contains("not why"));
    assert!(error(ScanFormat::Trivy, r#"{"SchemaVersion":3,"ArtifactName":"."}"#).contains("only 2"));
}

#[test]
fn what_could_not_be_looked_at_is_a_finding() {
    // As bandit has it for a file that does not parse.
    let text = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Bandit"}},"results":[],"invocations":[{
        "executionSuccessful":true,"toolConfigurationNotifications":[
            {"level":"error","message":{"text":"syntax error while parsing AST from file"},
             "locations":[{"physicalLocation":{"artifactLocation":{"uri":"old.py"}}}]},
            {"level":"warning","message":{"text":"never mind"}}]}]}]}"#;
    assert_eq!(read(ScanFormat::Sarif, text), [entry("not-scanned", Severity::Medium, "old.py")]);
}

#[test]
fn what_goes_into_an_event_is_one_short_line_without_secrets() {
    let secret = runtime::Secret::from("hunter22".to_owned());
    let mut found = Found {
        id: "X".to_owned(),
        location: "file:///srv/ws/src/a.rs:1".to_owned(),
        title: format!("hunter22 \u{1b}[31m{}\nsecond", "x".repeat(1000)),
        ..Found::default()
    };
    found.tidy("/srv/ws".as_ref(), &Masks::of(&[secret]));
    assert_eq!(found.location, "src/a.rs:1");
    assert!(found.title.starts_with("*** [31mxxx") && found.title.chars().count() == 300, "{}", found.title);
}

#[test]
fn scores_fall_into_the_bands_of_cvss() {
    for (score, severity) in [
        (0.0, Severity::None),
        (0.1, Severity::Low),
        (3.9, Severity::Low),
        (4.0, Severity::Medium),
        (6.9, Severity::Medium),
        (7.0, Severity::High),
        (8.9, Severity::High),
        (9.0, Severity::Critical),
        (10.0, Severity::Critical),
    ] {
        assert_eq!(by_score(score), severity, "{score}");
    }
}
