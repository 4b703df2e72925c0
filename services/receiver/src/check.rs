//! How a configured source stands, for whoever sets it up: judged by what will verify its senders.

use anyhow::Result;
use runtime::{
    SecretRef,
    config::{JwtProof, Proof},
};

use crate::{proof, secrets};

/// Whether a secret could verify anybody now: it can be read, and has the form that this proof takes.
pub fn secret(reference: &SecretRef, proof: &Proof) -> Result<()> {
    secrets::read(reference, proof).map(drop)
}

/// Asks an identity provider for its keys; how many of them may sign tokens.
pub async fn issuer(jwt: &JwtProof) -> Result<usize> {
    proof::issuer_keys(jwt).await
}
