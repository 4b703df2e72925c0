//! What changed between two commits, asked of the repository itself: senders list a few commits of a push at best, and
//! none of what a rewritten history left behind.

use proto::{Change, CommitSha};
use runtime::{
    Failure,
    config::{App, PathPattern},
    git::GitError,
    workspace::Workspace,
};
use tracing::info;

use crate::Builder;

/// The paths that differ from this earlier commit; `None` where that cannot be told, and everything may have changed.
pub(crate) async fn files(
    builder: &Builder,
    app: &App,
    since: &CommitSha,
    change: &Change,
) -> Result<Option<Vec<String>>, Failure> {
    if *since == change.commit {
        return Ok(Some(Vec::new()));
    }
    let within = Workspace::new(&builder.folders.workspaces)?;
    match builder.context.git.changed(&app.clone_url(), since, &change.commit, within.path()).await {
        Ok(files) => Ok(files),
        // Rewritten away; or what was pushed is gone, which the checkout says better.
        Err(error @ GitError::NoSuchCommit { .. }) => {
            info!(%since, commit = %change.commit, "everything counts as changed: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// That no file has changed, or how many have and that none is among these; with what to write where a pattern seems to
/// mean them.
pub(crate) fn none_of(files: &[String], since: &CommitSha, key: &str, patterns: &[PathPattern]) -> String {
    let since = since.short();
    let none = match files.len() {
        0 => format!("no file differs from {since} (`{key}`)"),
        1 => format!("the one file that differs from {since} is not among `{key}`"),
        several => format!("none of the {several} files that differ from {since} is among `{key}`"),
    };
    let hint = PathPattern::hint(patterns, files).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{none} ({}{hint})", shown(patterns.iter().map(PathPattern::as_str)))
}

/// Patterns as they are shown.
pub(crate) fn shown<'a>(patterns: impl Iterator<Item = &'a str>) -> String {
    patterns.collect::<Vec<_>>().join(", ")
}
