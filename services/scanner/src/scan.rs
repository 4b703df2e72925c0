//! One scanner over one checkout: run it, take its report, judge it.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use proto::{Change, ScanReport, Timestamp};
use runtime::{
    Failure, Secret,
    config::{Scan, ScanFormat},
    exec::{Ended, Finished, Masks, Program},
    logs,
};
use tracing::info;

use crate::{judge, preset, report};

/// The largest report that is read, in bytes. Those of large repositories take a few megabytes.
const LARGEST: usize = 64 * 1024 * 1024;
/// How much of a failed scanner's last words goes into the error, in bytes.
const LAST_WORDS: usize = 2000;

/// Where a scan takes place.
pub(crate) struct Place<'a> {
    pub(crate) checkout: &'a Path,
    /// For the report: in the checkout, it would be scanned too.
    pub(crate) scratch: &'a Path,
    pub(crate) home: &'a Path,
    pub(crate) logs: &'a Path,
    pub(crate) change: &'a Change,
}

/// Runs a scanner to its verdict.
pub(crate) async fn run(scan: &Scan, place: &Place<'_>) -> Result<ScanReport, Failure> {
    let Some(format) = preset::format(scan) else {
        return Err(Failure::permanent(format!("`{}` is no preset; say in `format` what its report is in", scan.tool)));
    };
    info!(tool = scan.tool, commit = %place.change.commit, "runs scanner {}", scan.tool);
    let secrets = secrets(scan, place)?;
    let masks: Vec<Secret> = secrets.iter().map(|(_, secret)| secret.clone()).collect();
    let output = place.scratch.join(if format == ScanFormat::Sarif { "report.sarif" } else { "report.json" });
    let argv: Vec<String> =
        preset::run(scan).iter().map(|word| word.replace(preset::OUTPUT, &output.to_string_lossy())).collect();
    let program = Program::new(&argv)
        .dir(place.checkout)
        .timeout(scan.timeout)
        .env("HOME", place.home)
        .env("CI", "true")
        .envs(&scan.env)
        .envs(secrets.iter().map(|(name, secret)| (name, secret.expose())))
        .mask(masks.clone())
        .log(logs::of(place.logs, place.change, &format!("scan-{}", scan.tool)).path)
        .label(&scan.tool)
        .leave_nothing();
    let to_file = preset::run(scan).iter().any(|word| word.contains(preset::OUTPUT));
    let program = if to_file { program } else { program.keep_stdout(LARGEST) };
    let finished = program.run().await?;
    let masks = Masks::of(&masks);
    did_its_work(scan, &finished, &masks)?;
    let bytes = if to_file { read(scan, &output)? } else { printed(scan, &finished)?.to_vec() };
    let mut findings = report::parse(format, &bytes).map_err(|why| said_nothing(scan, &why, &finished))?;
    for finding in &mut findings {
        finding.tidy(place.checkout, &masks);
    }
    Ok(judge::judge(scan, findings, finished.millis(), Timestamp::now()))
}

fn secrets<'a>(scan: &'a Scan, place: &Place<'_>) -> Result<Vec<(&'a String, Secret)>, Failure> {
    let at = |name| format!("`apps.{}.scan`: `{}`, secret `{name}`", place.change.app, scan.tool);
    let read = scan.secrets.iter().map(|(name, secret)| Ok((name, secret.read().with_context(|| at(name))?)));
    read.collect::<anyhow::Result<_>>().map_err(Failure::Permanent)
}

/// Whether it ended as it does when it has looked at everything.
fn did_its_work(scan: &Scan, finished: &Finished, masks: &Masks) -> Result<(), Failure> {
    let expected = preset::exit_codes(scan);
    let how = match finished.ended {
        Ended::Exited(code) if expected.contains(&code) => return Ok(()),
        Ended::TimedOut => format!("did not end within {:?}", scan.timeout),
        ended => format!("{ended}; only {expected:?} would mean that it did its work (`exit_codes`)"),
    };
    let printed = masks.apply(&String::from_utf8_lossy(&finished.stdout));
    let words = [finished.tail.as_str(), last(printed.trim())].join("\n");
    Err(Failure::transient(format!("the scanner `{}` {how}: {}", scan.tool, last(words.trim()))))
}

fn said_nothing(scan: &Scan, why: &str, finished: &Finished) -> Failure {
    let words = last(finished.tail.trim());
    Failure::transient(format!(
        "the scanner `{}` left no report that can be read: {why}; its last words: {words}",
        scan.tool
    ))
}

fn last(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(LAST_WORDS))..]
}

fn read(scan: &Scan, output: &Path) -> Result<Vec<u8>, Failure> {
    let meta = output.symlink_metadata();
    let meta = meta.map_err(|_| Failure::transient(format!("the scanner `{}` left no report", scan.tool)))?;
    if !meta.is_file() {
        return Err(Failure::transient(format!("what the scanner `{}` left is no file", scan.tool)));
    }
    if meta.len() > LARGEST as u64 {
        return Err(too_large(scan));
    }
    std::fs::read(output).with_context(|| format!("reading {}", output.display())).map_err(Failure::Transient)
}

fn printed<'a>(scan: &Scan, finished: &'a Finished) -> Result<&'a [u8], Failure> {
    if finished.stdout_cut { Err(too_large(scan)) } else { Ok(&finished.stdout) }
}

fn too_large(scan: &Scan) -> Failure {
    Failure::Permanent(anyhow!("the report of `{}` is larger than {LARGEST} bytes; let it leave out more", scan.tool))
}
