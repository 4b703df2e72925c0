//! Scanners' reports, read into one form. What is not clearly a report of a scan that was made is an error.

#[cfg(test)]
mod fuzz;
mod sarif;
mod snyk;
mod trivy;

use std::path::Path;

use proto::Severity;
use runtime::{config::ScanFormat, exec::Masks};
use serde::de::DeserializeOwned;

/// The longest id, location and title, in characters: events are not the place for essays.
const LONGEST: (usize, usize, usize) = (120, 300, 300);

/// One thing a scanner found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: String,
    /// Its names elsewhere, such as the CVE of a vendor's advisory.
    pub(crate) aliases: Vec<String>,
    pub(crate) severity: Severity,
    pub(crate) location: String,
    pub(crate) title: String,
    /// Why it does not count, when the report itself says so.
    pub(crate) suppressed: Option<String>,
}

impl Default for Found {
    fn default() -> Self {
        let (id, location, title) = Default::default();
        Self { id, aliases: Vec::new(), severity: Severity::None, location, title, suppressed: None }
    }
}

impl Found {
    /// One line each, bounded, without secrets, and without the folder that is another one each time.
    pub(crate) fn tidy(&mut self, checkout: &Path, masks: &Masks) {
        let folder = format!("{}/", checkout.display());
        let location = self.location.strip_prefix("file://").unwrap_or(&self.location);
        self.location = line(&masks.apply(location.strip_prefix(&folder).unwrap_or(location)), LONGEST.1);
        self.id = line(&masks.apply(&self.id), LONGEST.0);
        self.title = line(&masks.apply(&self.title), LONGEST.2);
        self.suppressed = self.suppressed.as_ref().map(|why| line(&masks.apply(why), LONGEST.2));
    }
}

fn line(text: &str, longest: usize) -> String {
    let first = text.trim().lines().next().unwrap_or_default();
    let plain: String = first.chars().filter(|c| !c.is_control()).take(longest + 1).collect();
    if plain.chars().count() > longest { plain.chars().take(longest - 3).chain("...".chars()).collect() } else { plain }
}

/// Reads a report; the error says what is wrong with it.
pub(crate) fn parse(format: ScanFormat, bytes: &[u8]) -> Result<Vec<Found>, String> {
    // Some tools on Windows, and .NET's everywhere, write a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    match format {
        ScanFormat::Sarif => sarif::parse(bytes),
        ScanFormat::Trivy => trivy::parse(bytes),
        ScanFormat::Snyk => snyk::parse(bytes),
    }
}

fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|why| format!("it is no {what}: {why}"))
}

/// A severity as a word. One that is not known, even to the scanner, is borne as little as a medium one.
fn by_word(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "low" => Severity::Low,
        "none" | "info" | "negligible" => Severity::None,
        _ => Severity::Medium,
    }
}

/// CVSS v3.1, 5: the qualitative ratings.
fn by_score(score: f64) -> Severity {
    match score {
        s if s >= 9.0 => Severity::Critical,
        s if s >= 7.0 => Severity::High,
        s if s >= 4.0 => Severity::Medium,
        s if s > 0.0 => Severity::Low,
        _ => Severity::None,
    }
}

#[cfg(test)]
mod tests;
