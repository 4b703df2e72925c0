//! GitHub's webhooks: it keeps what it attempted for three days, and sends a delivery again when it is asked to.
//!
//! - [`api`] asks, with the patience that [`limits`] says GitHub wants, as whom [`credentials`] say.
//! - [`webhook`] is one webhook there; [`wire`] what is said of it.
//! - [`history`] decides what to ask for; [`sweep`] does it.

mod api;
mod credentials;
mod history;
mod limits;
mod sweep;
mod webhook;
mod wire;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use ledger::{Ledger, Swept};
use proto::{SourceName, Timestamp};
use runtime::config::Reconcile;

use crate::{Mode, metrics::Metrics};
pub(crate) use history::Plan;
pub(crate) use limits::Cause;
pub(crate) use sweep::Done;
use sweep::Sweep;
pub(crate) use webhook::Webhook;

/// One webhook that is swept.
pub(crate) struct Hook {
    pub(crate) webhook: Webhook,
    pub(crate) every: Duration,
    pause: Duration,
    /// What was asked for last to see whether anybody is there.
    probe: Mutex<Option<Probe>>,
}

/// A delivery's place among the others.
type Probe = (Timestamp, String);

impl Hook {
    /// Every webhook that a source's configuration names.
    pub(crate) fn all(
        source: &SourceName,
        config: &Reconcile,
        http: &reqwest::Client,
        metrics: &Metrics,
    ) -> Result<Vec<Self>> {
        let webhooks = Webhook::all(source, config, http, metrics);
        let webhooks = webhooks.with_context(|| format!("`sources.{source}.reconcile`"))?;
        let hook = |webhook| Self { webhook, every: config.every, pause: config.pause, probe: Mutex::default() };
        Ok(webhooks.into_iter().map(hook).collect())
    }

    /// One sweep, given how far the last one came.
    pub(crate) async fn sweep(&self, ledger: &Ledger, swept: Option<Swept>, mode: Mode) -> Result<Done> {
        Sweep::begin(self, ledger, swept).await?.run(mode).await
    }

    fn last_probe(&self) -> Option<Probe> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn probed(&self, probe: Probe) {
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(probe);
    }
}
