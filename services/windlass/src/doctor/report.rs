//! What was found, for people and for programs.

use jiff::Timestamp;
use serde::Serialize;

use super::sources::SourceReport;

/// How it stands with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    /// As it should be.
    Ok,
    /// As it may be, and worth knowing.
    Note,
    /// It works, and may not for long or not as was meant.
    Warning,
    /// It does not work.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// What: an address, a queue, a reference.
    pub(super) about: String,
    pub(super) standing: Standing,
    /// How it stands, in words.
    pub(super) says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Finding {
    #[expect(clippy::needless_pass_by_value, reason = "errors and texts made on the spot, which nobody else needs")]
    fn new(standing: Standing, about: impl ToString, says: impl ToString, next: Option<&str>) -> Self {
        let (about, says) = (about.to_string(), says.to_string());
        Self { about, standing, says, next: next.map(ToOwned::to_owned) }
    }

    pub(super) fn ok(about: impl ToString, says: impl ToString) -> Self {
        Self::new(Standing::Ok, about, says, None)
    }

    pub(super) fn note(about: impl ToString, says: impl ToString, next: &str) -> Self {
        Self::new(Standing::Note, about, says, Some(next))
    }

    pub(super) fn warning(about: impl ToString, says: impl ToString, next: &str) -> Self {
        Self::new(Standing::Warning, about, says, Some(next))
    }

    pub(super) fn broken(about: impl ToString, says: impl ToString, next: &str) -> Self {
        Self::new(Standing::Broken, about, says, Some(next))
    }

    fn lines(&self, indent: &str) -> Vec<String> {
        let standing = match self.standing {
            Standing::Ok => "ok",
            Standing::Note => "note",
            Standing::Warning => "warning",
            Standing::Broken => "BROKEN",
        };
        let says = self.says.trim_end().replace('\n', " ");
        let next = self.next.iter().map(|next| format!("{indent}{:<8} → {next}", ""));
        std::iter::once(format!("{indent}{standing:<8} {}: {says}", self.about)).chain(next).collect()
    }
}

/// All that was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    checks: Vec<Check>,
    pub(super) sources: Vec<SourceReport>,
}

#[derive(Debug, Serialize)]
struct Check {
    part: &'static str,
    #[serde(flatten)]
    finding: Finding,
}

impl Report {
    /// What was found of a part of the installation.
    pub(super) fn add(&mut self, part: &'static str, findings: Vec<Finding>) {
        self.checks.extend(findings.into_iter().map(|finding| Check { part, finding }));
    }

    fn all(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().map(|check| &check.finding).chain(self.sources.iter().flat_map(SourceReport::findings))
    }

    fn count(&self, standing: Standing) -> usize {
        self.all().filter(|finding| finding.standing == standing).count()
    }

    /// How much does not work.
    pub(super) fn broken(&self) -> usize {
        self.count(Standing::Broken)
    }

    /// The report for a terminal.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for part in self.checks.chunk_by(|one, next| one.part == next.part) {
            lines.extend(part.first().map(|first| first.part.to_owned()));
            lines.extend(part.iter().flat_map(|check| check.finding.lines("  ")));
        }
        for source in &self.sources {
            lines.push(source.title());
            lines.extend(source.findings().flat_map(|finding| finding.lines("  ")));
        }
        let (broken, warnings) = (self.broken(), self.count(Standing::Warning));
        lines.push(if broken + warnings == 0 {
            "everything is in order".to_owned()
        } else {
            format!("{broken} broken, {warnings} to be warned of")
        });
        lines
    }
}

/// How long ago, in one unit.
pub(super) fn ago(then: Timestamp) -> String {
    match Timestamp::now().duration_since(then).as_secs() {
        ..120 => "just now".to_owned(),
        seconds @ ..7200 => format!("{} minutes ago", seconds / 60),
        seconds @ ..172_800 => format!("{} hours ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}
