//! What is left alone for good stands in the history, as what a worker does nothing about does: `event.ignored`.

use anyhow::{Context as _, Result};
use proto::{AppName, Event, EventId, EventIgnored, EventType, Timestamp, WorkerName};
use runtime::Context;

/// Who tells.
pub(crate) const SOURCE: &str = "/reconciler";

/// Something that is left alone.
pub(crate) struct LeftAlone<'a> {
    /// The id of what did not come: said again, it is the same.
    pub(crate) of: EventId,
    pub(crate) app: Option<&'a AppName>,
    /// Whose work it would have been.
    pub(crate) worker: WorkerName,
    pub(crate) time: Timestamp,
    /// Why, and what would have to be different.
    pub(crate) reason: String,
}

/// Writes it down; returns once it is durable.
pub(crate) async fn record(context: &Context, all: Vec<LeftAlone<'_>>) -> Result<()> {
    let messages: Vec<_> = all.into_iter().map(|left| left.event().to_message()).collect();
    context.bus.publish(&messages).await.context("telling what is left alone")
}

impl LeftAlone<'_> {
    fn event(self) -> Event {
        let Self { of, app, worker, time, reason } = self;
        let id = EventId::of_outcome(of, EventType::EventIgnored, app, worker.as_str());
        let data = EventIgnored { app: app.cloned(), worker, reason };
        Event::first(id, SOURCE.to_owned(), worker.to_string(), time, data)
    }
}
