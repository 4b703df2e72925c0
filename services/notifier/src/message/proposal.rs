//! Pull requests that people are to merge, or to look after.

use proto::{BumpReason, ReleaseWaiting};
use runtime::config::Topic;

use super::{LINE, LISTED, Message, clipped};
use crate::text::{code, escape, start};

/// A pull request that waits for people. Any other wait is told by what it is for, or not at all.
pub(super) fn of(data: &ReleaseWaiting) -> Option<Message> {
    let ReleaseWaiting { app, environment, .. } = data;
    let url = data.pull_request.as_ref().filter(|_| data.tell)?;
    let (emoji, what) = match data.reason {
        BumpReason::Rollback => (":rewind:", "is to be rolled back by a pull request"),
        BumpReason::Deploy | BumpReason::Promotion => (":eyes:", "has a pull request"),
    };
    let headline = format!("{emoji} {app}: {environment} {what}");
    let mut message = Message::about_environment(Topic::Approval, headline, app, environment);
    message.lines.push(escape(&clipped(url)));
    for (component, released) in data.release.iter().take(LISTED) {
        let digest = code(released.digest.short());
        let commit = released.commit.as_ref().map(|commit| format!("{} ({digest})", code(commit.short())));
        message.lines.push(format!("• {component} {}", commit.unwrap_or(digest)));
    }
    message.lines.push(format!("waits for {}", start(&data.waits_for, LINE)));
    Some(message)
}
