//! From a config file to a running service: open bus and ledger, serve the operators' port, work, stop in good order.

use std::{path::PathBuf, sync::Arc};

use bus::Bus;
use ledger::Ledger;

use crate::{Config, git::Git, oci::Registries};

/// What workers are built from.
#[derive(Clone)]
pub struct Context {
    /// The configuration.
    pub config: Arc<Config>,
    /// The ledger.
    pub ledger: Ledger,
    /// The bus; only the harness, the receiver and replay publish.
    pub bus: Bus,
    /// HTTP out, with timeouts and without redirects.
    pub http: reqwest::Client,
    /// Git, with the configured credentials.
    pub git: Git,
    /// Registries, with the configured credentials.
    pub registries: Registries,
}

impl Context {
    /// A folder of this worker's own below the data folder; made when it is not there.
    pub fn folder(&self, name: &str) -> std::io::Result<PathBuf> {
        let path = self.config.data.join(name);
        std::fs::create_dir_all(&path)?;
        path.canonicalize()
    }
}
