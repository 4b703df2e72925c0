//! What a commit of ours says: a line for people, and trailers for machines.

use std::{collections::BTreeSet, fmt::Write as _};

use proto::{BumpReason, CommitSha, ComponentName, EnvironmentName, EventId, ReleasedImage};
use runtime::config::{Placeholder, Subject};

use crate::edit::Ask;

const EVENT: &str = "Windlass-Event";
const ENVIRONMENT: &str = "Windlass-Environment";
/// The source commit of the release as a whole, by which an earlier run's commit is told in full.
const RELEASE: &str = "Windlass-Release-Commit";
/// What a note begins with.
const QUOTE: &str = "> ";

/// The whole message.
pub(crate) fn message(first: &Subject, ask: &Ask, changed: &[ComponentName]) -> String {
    let released: Vec<_> = changed.iter().filter_map(|name| Some((name, ask.wanted.get(name)?))).collect();
    let mut text = format!("{}\n\n", subject(first, ask, changed));
    text += body(ask.reason);
    if let Some(note) = &ask.note {
        let _ = write!(text, "\n\n{QUOTE}{}", quoted(note));
    }
    let _ = write!(text, "\n\n{EVENT}: {}\n{ENVIRONMENT}: {}\n", ask.event, ask.environment);
    if let Some(commit) = &ask.commit {
        let _ = writeln!(text, "{RELEASE}: {commit}");
    }
    let commits: BTreeSet<_> = released.iter().filter_map(|(_, image)| image.commit.as_ref()).collect();
    for commit in commits {
        let _ = writeln!(text, "Windlass-Source-Commit: {commit}");
    }
    for (name, image) in released {
        let _ = writeln!(text, "Windlass-Digest: {name}={}", image.digest);
    }
    let _ = writeln!(text, "Windlass-Reason: {}", word(ask.reason));
    text
}

/// A note as it stands there: one line, so that nothing in it can pass for a trailer.
fn quoted(note: &str) -> String {
    note.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// What people are told of a commit that an earlier run made: what that said, as far as it is known.
pub(crate) fn note_of(message: &str, asked: Option<&str>) -> Option<String> {
    let said = message.lines().skip(1).find_map(|line| line.strip_prefix(QUOTE))?;
    // In full, where it is the same.
    Some(asked.filter(|asked| quoted(asked).trim_end() == said.trim_end()).unwrap_or(said).to_owned())
}

/// The first line.
pub(crate) fn subject(first: &Subject, ask: &Ask, changed: &[ComponentName]) -> String {
    let value = |placeholder| value(placeholder, ask, changed);
    let line = Some(first.fill(value)).filter(|line| !line.is_empty());
    let line = line.unwrap_or_else(|| Subject::default().fill(value));
    // A value at its beginning must not make a trailer of it.
    if line.starts_with("Windlass-") { format!("{}: {line}", ask.app) } else { line }
}

fn value(placeholder: Placeholder, ask: &Ask, changed: &[ComponentName]) -> String {
    let images = || changed.iter().filter_map(|name| ask.wanted.get(name));
    match placeholder {
        Placeholder::App => ask.app.to_string(),
        Placeholder::Environment => ask.environment.to_string(),
        Placeholder::Components => changed.iter().map(ComponentName::as_str).collect::<Vec<_>>().join(","),
        Placeholder::Version => distinct(images().map(version)),
        Placeholder::Tag => distinct(images().filter_map(|image| image.tag.clone())),
        Placeholder::Commit => distinct(images().filter_map(|image| Some(image.commit.as_ref()?.short().to_owned()))),
        Placeholder::Reason => word(ask.reason).to_owned(),
        Placeholder::Event => ask.event.to_string(),
    }
}

fn version(image: &ReleasedImage) -> String {
    match (&image.commit, &image.tag) {
        (Some(commit), _) => commit.short().to_owned(),
        (None, Some(tag)) => tag.clone(),
        (None, None) => image.digest.short().to_owned(),
    }
}

/// Each once, in their order.
fn distinct(all: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen.join(",")
}

pub(crate) fn body(reason: BumpReason) -> &'static str {
    match reason {
        BumpReason::Deploy => "A new image is in the registry.",
        BumpReason::Promotion => "The environment before this one is healthy with it.",
        BumpReason::Rollback => "What was here is taken back; this was healthy here before.",
    }
}

fn word(reason: BumpReason) -> &'static str {
    match reason {
        BumpReason::Deploy => "deploy",
        BumpReason::Promotion => "promotion",
        BumpReason::Rollback => "rollback",
    }
}

/// Whether this is the message of a commit of ours in an environment, whichever event led to it.
pub(crate) fn is_ours(message: &str, environment: &EnvironmentName) -> bool {
    let has = |wanted: &str| message.lines().any(|line| line.trim_end().starts_with(wanted));
    has(&format!("{EVENT}: ")) && message.lines().any(|line| line.trim_end() == format!("{ENVIRONMENT}: {environment}"))
}

/// Whether this is the message of the commit an event led to in an environment.
pub(crate) fn is_of(message: &str, event: EventId, environment: &EnvironmentName) -> bool {
    let has = |wanted: String| message.lines().any(|line| line.trim_end() == wanted);
    has(format!("{EVENT}: {event}")) && has(format!("{ENVIRONMENT}: {environment}"))
}

/// The source commit of the release that this message is of.
pub(crate) fn release_of(message: &str) -> Option<CommitSha> {
    let named = |line: &str| line.strip_prefix(RELEASE)?.strip_prefix(": ").map(str::trim_end).map(ToOwned::to_owned);
    message.lines().find_map(named).and_then(|commit| CommitSha::new(commit).ok())
}
