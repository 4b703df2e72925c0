//! Fuzz targets: scanners' reports.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proto::Timestamp;
use runtime::{Config, Secret, config::ScanFormat, exec::Masks};
use testkit::fuzz::{Fuzz, Input};

use super::{LONGEST, parse};
use crate::judge;

#[test]
fn reports() {
    let text = "{ apps: { a: { repository: a/b, scan: [{ tool: trivy, ignore: [{ id: X, reason: y, until: 2030-01-01 }] }] } } }";
    let config = Config::parse(text, Path::new("windlass.yaml")).unwrap();
    let scan = config.apps.values().next().unwrap().scan[0].clone();
    let masks = Masks::of(&[Secret::from("hunter22".to_owned())]);
    // A report is read whole or refused in words; what goes into the event is bounded.
    let target = |input: &Input| {
        let format = match &*input.label {
            "sarif" => ScanFormat::Sarif,
            "trivy" => ScanFormat::Trivy,
            _ => ScanFormat::Snyk,
        };
        let mut found = match parse(format, &input.bytes) {
            Ok(found) => found,
            Err(why) => return why,
        };
        for found in &mut found {
            found.tidy(Path::new("/srv/ws"), &masks);
            for (text, longest) in [(&found.id, LONGEST.0), (&found.location, LONGEST.1), (&found.title, LONGEST.2)] {
                assert!(text.chars().count() <= longest && !text.contains(char::is_control), "{text}");
                assert!(!text.contains("hunter22"), "{text}");
            }
        }
        let any = !found.is_empty();
        let report = judge::judge(&scan, found, 1, Timestamp::UNIX_EPOCH);
        assert!(any || report.passed, "nothing found, and not passed");
        format!("{} {:?}", report.passed, report.counts.keys())
    };
    let seeds = [
        ("sarif", include_str!("../../samples/bandit.sarif")),
        ("sarif", include_str!("../../samples/graded.sarif")),
        ("trivy", include_str!("../../samples/trivy.json")),
        ("snyk", include_str!("../../samples/snyk.json")),
        ("snyk", include_str!("../../samples/snyk-projects.json")),
    ];
    let fuzz = seeds.into_iter().fold(Fuzz::new("reports"), |fuzz, (label, text)| fuzz.seed(label, text));
    let words =
        ["hunter22", "security-severity", "ruleIndex", "level", "suppressions", "severity", "\u{1b}[31m", "NaN"];
    fuzz.count(2_000).words(&words).run(target);
}
