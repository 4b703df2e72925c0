//! What is swept: webhooks at GitHub, and tags at registries.

use std::time::Duration;

use anyhow::Result;
use ledger::{SweepEnd, Swept};
use proto::{SourceName, Timestamp};
use runtime::{Config, Context};

use crate::{
    Mode,
    github::{self, Hook},
    metrics::Of,
    registry::{self, Tags},
    report::Report,
};

/// One place that is swept by itself.
pub(crate) enum Place {
    /// A webhook of this source.
    Hook(SourceName, Box<Hook>),
    /// A component's tags.
    Tags(Box<Tags>),
}

/// A place that the configuration has swept, as others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its name for people.
    pub name: String,
    /// Its name in the ledger.
    pub target: String,
    /// How long after one sweep the next begins.
    pub every: Duration,
}

/// What a sweep came to.
pub(crate) struct Done {
    pub(crate) report: Report,
    /// What is older need not be looked at again.
    pub(crate) watermark: Option<Timestamp>,
    /// What it leaves for the next.
    pub(crate) left: Option<String>,
}

/// Whatever the configuration has swept.
pub fn watched(config: &Config) -> Vec<Watched> {
    let hooks = config.sources.iter().filter_map(|(name, source)| Some((name, source.reconcile.as_ref()?)));
    let hooks = hooks.flat_map(|(source, reconcile)| {
        let watched = |name: String| Watched { target: name.clone(), name, every: reconcile.every };
        github::names(source, reconcile).into_iter().map(watched)
    });
    let tags = registry::polled(config).map(|polled| polled.watched());
    hooks.chain(tags).collect()
}

impl Done {
    /// What the ledger is told of it.
    pub(crate) fn end(&self) -> SweepEnd {
        SweepEnd { watermark: self.watermark, left: self.left.clone(), trouble: self.report.trouble() }
    }
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
            Self::Tags(tags) => tags.every(),
        }
    }

    pub(crate) fn metrics(&self) -> &Of {
        match self {
            Self::Hook(_, hook) => &hook.webhook.metrics,
            Self::Tags(tags) => &tags.metrics,
        }
    }

    /// Until when whoever sweeps it waits, as the limits of who is asked have it.
    pub(crate) fn waits_until(&self) -> Option<Timestamp> {
        match self {
            Self::Hook(_, hook) => hook.webhook.waits_until(),
            Self::Tags(_) => None,
        }
    }

    /// Whether it belongs to this source.
    pub(crate) fn is_of(&self, source: &SourceName) -> bool {
        matches!(self, Self::Hook(name, _) if name == source)
    }

    /// One sweep, given how far the last one came.
    pub(crate) async fn sweep(&self, context: &Context, swept: Option<Swept>, mode: Mode) -> Result<Done> {
        match self {
            Self::Hook(_, hook) => {
                let done = Box::pin(hook.sweep(context, swept, mode)).await?;
                Ok(Done { report: Report::Hook(done.report), watermark: done.watermark, left: done.left })
            }
            Self::Tags(tags) => {
                let done = Box::pin(tags.sweep(swept, mode)).await?;
                Ok(Done { report: Report::Tags(done.report), watermark: Some(done.begun), left: Some(done.left) })
            }
        }
    }
}
