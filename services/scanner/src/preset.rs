//! Known scanners: their command line, what their report is in, and which exit statuses mean that they did their
//! work. From the tools' own documentation; what is written in the configuration goes before it.

use runtime::config::{Scan, ScanFormat};

/// What stands for the report's path.
pub(crate) const OUTPUT: &str = "{output}";

struct Preset {
    tool: &'static str,
    run: &'static [&'static str],
    format: ScanFormat,
    exit_codes: &'static [i32],
}

const PRESETS: [Preset; 5] = [
    Preset {
        tool: "trivy",
        run: &[
            "trivy",
            "fs",
            "--quiet",
            "--scanners",
            "vuln,misconfig,secret",
            "--exit-code",
            "0",
            "--format",
            "json",
            "--output",
            OUTPUT,
            ".",
        ],
        format: ScanFormat::Trivy,
        exit_codes: &[0],
    },
    Preset {
        // 1: there are findings. 2: it failed. 3: it found no project it supports, so it looked at nothing.
        tool: "snyk",
        run: &["snyk", "test", "--all-projects", "--json"],
        format: ScanFormat::Snyk,
        exit_codes: &[0, 1],
    },
    Preset {
        tool: "dependency-check",
        run: &["dependency-check", "--scan", ".", "--format", "SARIF", "--out", OUTPUT],
        format: ScanFormat::Sarif,
        exit_codes: &[0],
    },
    Preset {
        // 1: there are findings, where it is told to say so. 2 and up: it failed.
        tool: "semgrep",
        run: &[
            "semgrep",
            "scan",
            "--quiet",
            "--metrics",
            "off",
            "--config",
            "p/default",
            "--sarif",
            "--output",
            OUTPUT,
            ".",
        ],
        format: ScanFormat::Sarif,
        exit_codes: &[0, 1],
    },
    Preset {
        // 1: there are findings. 2: it failed.
        tool: "bandit",
        run: &["bandit", "--quiet", "--recursive", "--format", "sarif", "--output", OUTPUT, "."],
        format: ScanFormat::Sarif,
        exit_codes: &[0, 1],
    },
];

fn of(scan: &Scan) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.tool == scan.tool)
}

/// Program and arguments.
pub(crate) fn run(scan: &Scan) -> Vec<String> {
    let preset = || of(scan).map(|preset| preset.run.iter().map(ToString::to_string).collect());
    scan.run.clone().or_else(preset).unwrap_or_default()
}

/// What the report is in, if anybody said.
pub(crate) fn format(scan: &Scan) -> Option<ScanFormat> {
    scan.format.or_else(|| of(scan).map(|preset| preset.format))
}

/// The exit statuses that mean that the scanner did its work.
pub(crate) fn exit_codes(scan: &Scan) -> Vec<i32> {
    let preset = || of(scan).map_or(&[0][..], |preset| preset.exit_codes).to_vec();
    scan.exit_codes.clone().unwrap_or_else(preset)
}

#[cfg(test)]
mod tests {
    use runtime::config::SCAN_PRESETS;

    use super::*;

    #[test]
    fn every_name_that_the_configuration_allows_is_known_here() {
        let known = PRESETS.map(|preset| preset.tool);
        assert_eq!(known, SCAN_PRESETS);
    }
}
