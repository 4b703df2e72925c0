//! What is swept: webhooks at GitHub, and tags at registries.

use std::time::Duration;

use anyhow::Result;
use ledger::{Ledger, Swept};
use proto::{SourceName, Timestamp};

use crate::{Mode, github::Hook, metrics::Of, registry::Tags, report::Report};

/// One place that is swept by itself.
pub(crate) enum Place {
    /// A webhook of this source.
    Hook(SourceName, Box<Hook>),
    /// A component's tags.
    Tags(Box<Tags>),
}

/// What a sweep came to.
pub(crate) struct Done {
    pub(crate) report: Report,
    /// What is older need not be looked at again.
    pub(crate) watermark: Option<Timestamp>,
}

impl Place {
    /// Its name for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Hook(_, hook) => hook.webhook.name(),
            Self::Tags(tags) => tags.name(),
        }
    }

    /// Its name in the ledger.
    pub(crate) fn target(&self) -> String {
        match self {
            Self::Hook(_, hook) => hook.webhook.name(),
            Self::Tags(tags) => tags.target(),
        }
    }

    pub(crate) fn every(&self) -> Duration {
        match self {
            Self::Hook(_, hook) => hook.every,
            Self::Tags(tags) => tags.every,
        }
    }

    pub(crate) fn metrics(&self) -> &Of {
        match self {
            Self::Hook(_, hook) => &hook.webhook.metrics,
            Self::Tags(tags) => &tags.metrics,
        }
    }

    /// Whether it belongs to this source.
    pub(crate) fn is_of(&self, source: &SourceName) -> bool {
        matches!(self, Self::Hook(name, _) if name == source)
    }

    /// One sweep, given how far the last one came.
    pub(crate) async fn sweep(&self, ledger: &Ledger, swept: Option<Swept>, mode: Mode) -> Result<Done> {
        match self {
            Self::Hook(_, hook) => {
                let done = Box::pin(hook.sweep(ledger, swept, mode)).await?;
                Ok(Done { report: Report::Hook(done.report), watermark: done.watermark })
            }
            Self::Tags(tags) => {
                let report = Box::pin(tags.sweep(swept, mode)).await?;
                Ok(Done { report: Report::Tags(report), watermark: None })
            }
        }
    }
}
