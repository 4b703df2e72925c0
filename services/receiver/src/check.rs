//! How a configured source stands, for whoever sets it up: judged by what will verify its senders.

use std::path::PathBuf;

use anyhow::Result;
use bus::{Inspected, SqliteBus};
use runtime::{
    Config, SecretRef,
    config::{JwtProof, Proof},
};

use crate::{proof, secrets, spool};
pub use proof::{IssuerKeys, KEYS_SERVE};

/// Whether a secret could verify anybody now: it can be read, and has the form that this proof takes.
pub fn secret(reference: &SecretRef, proof: &Proof) -> Result<()> {
    secrets::read(reference, proof).map(drop)
}

/// Asks an identity provider for its keys.
pub async fn issuer(jwt: &JwtProof) -> Result<IssuerKeys> {
    proof::issuer_keys(jwt).await
}

/// Where this machine's spool is, and what lies in it; `None` where none was ever opened. Nothing is written to it.
pub async fn spool(config: &Config) -> Option<(PathBuf, Result<Inspected>)> {
    let path = spool::path(config);
    if !path.exists() {
        return None;
    }
    let found = SqliteBus::inspect(path.clone()).await;
    Some((path, found.map_err(Into::into)))
}

/// Spools of this machine that could not be read and were put out of the way, and lie there still; the oldest first.
pub fn damaged_spools(config: &Config) -> Vec<PathBuf> {
    spool::damaged(&spool::path(config))
}
