//! Whether a push is worth a run: its branch is looked at, and something that counts has changed.

use proto::{Change, Event};
use runtime::{
    Failure,
    config::{App, BranchPattern, PathPattern},
};

use crate::{Builder, branch, changed};

/// Why a push is not worth a run, if it is not. A replay was asked for by somebody, and is.
pub(crate) async fn filtered(
    builder: &Builder,
    app: &App,
    push: &Event,
    change: &Change,
) -> Result<Option<String>, Failure> {
    if push.replay > 0 {
        return Ok(None);
    }
    if !app.looks_at(&change.branch) {
        let patterns = changed::shown(app.branches.iter().map(BranchPattern::as_str));
        let key = format!("apps.{}.branches", change.app);
        return Ok(Some(format!("the branch `{}` is not among `{key}` ({patterns})", change.branch)));
    }
    if app.paths.is_empty() {
        return Ok(None);
    }
    let Some(since) = branch::went_before(&builder.context.ledger, app, push, change).await? else { return Ok(None) };
    let Some(files) = changed::files(builder, app, &since, change).await? else { return Ok(None) };
    if files.iter().any(|file| PathPattern::let_in(&app.paths, file)) {
        return Ok(None);
    }
    let none = changed::none_of(&files, &since, &format!("apps.{}.paths", change.app), &app.paths);
    let commit = change.commit.short();
    Ok(Some(format!("{commit} is neither tested nor built: {none}; `windlass events replay` runs it")))
}
