//! GitHub's webhooks: it keeps what it attempted for three days, and sends a delivery again when it is asked to.
//!
//! - [`webhook`] is one webhook there, asked about by [`forge`]'s API; [`wire`] what is said of it.
//! - [`history`] decides what to ask for; [`sweep`] does it.

mod history;
mod sweep;
mod webhook;
mod wire;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use forge::github::Gates;
use ledger::Swept;
use proto::{SourceName, Timestamp};
use runtime::{Context, config::Reconcile};

use crate::{Mode, metrics::Metrics};
use history::History;
pub(crate) use history::Plan;
pub(crate) use sweep::Done;
use sweep::Sweep;
pub(crate) use webhook::{Webhook, names};

/// One webhook that is swept.
pub(crate) struct Hook {
    pub(crate) webhook: Webhook,
    pub(crate) every: Duration,
    pause: Duration,
    /// What was asked for last to see whether anybody is there.
    probe: Mutex<Option<Probe>>,
    /// What the last sweep read, if it ended at a shut door.
    read: Mutex<Option<Read>>,
}

/// What a sweep read.
pub(crate) struct Read {
    /// How far was swept before.
    watermark: Option<Timestamp>,
    /// How far back it was read.
    since: Timestamp,
    /// The newest attempt when it was read so far back. What was made somewhat before may be listed since.
    newest: Option<Timestamp>,
    history: History,
}

/// A delivery's place among the others.
type Probe = (Timestamp, String);

impl Hook {
    /// Every webhook that a source's configuration names.
    pub(crate) fn all(
        source: &SourceName,
        config: &Reconcile,
        gates: &Gates,
        http: &reqwest::Client,
        metrics: &Metrics,
    ) -> Result<Vec<Self>> {
        let webhooks = Webhook::all(source, config, gates, http, metrics);
        let webhooks = webhooks.with_context(|| format!("`sources.{source}.reconcile`"))?;
        let (every, pause) = (config.every, config.pause);
        let hook = |webhook| Self { webhook, every, pause, probe: Mutex::default(), read: Mutex::default() };
        Ok(webhooks.into_iter().map(hook).collect())
    }

    /// One sweep, given how far the last one came.
    pub(crate) async fn sweep(&self, context: &Context, swept: Option<Swept>, mode: Mode) -> Result<Done> {
        Sweep::begin(self, context, swept).await?.run(mode).await
    }

    /// What was read up to this watermark at the last sweep, so that it need not be read again.
    fn take_read(&self, watermark: Option<Timestamp>) -> Option<Read> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).take();
        read.filter(|read| read.watermark == watermark)
    }

    fn keep_read(&self, read: Read) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    }

    fn last_probe(&self) -> Option<Probe> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn probed(&self, probe: Probe) {
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(probe);
    }
}
