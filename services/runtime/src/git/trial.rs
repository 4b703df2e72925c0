//! Trying the key of `git.sign`: a commit that nobody sees is signed with it, and the signature verified.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::{Git, Signer, sign::Keys};
use crate::exec::{Finished, Program};

/// Who signs, as the list of those who may calls them.
const WHO: &str = "windlass";

impl Git {
    /// Signs an empty commit as commits are signed, and verifies it by the key's public half; which key that was, in
    /// words. `None` when none is configured.
    ///
    /// # Errors
    /// What is wrong with the key, or which program is missing.
    pub async fn try_signing(&self) -> Result<Option<String>> {
        let Some(signer) = self.signer().await? else { return Ok(None) };
        let tried = self.tried(&signer).await;
        signer.finish().await;
        tried.map(Some)
    }

    async fn tried(&self, signer: &Signer) -> Result<String> {
        let folder = tempfile::Builder::new().prefix("windlass-trial").tempdir().context("making a folder")?;
        let dir = folder.path();
        told(self.local(dir).args(["init", "-q", "--bare", "--template="])).await?;
        let tree = told(self.local(dir).args(["hash-object", "-t", "tree", "-w", "--stdin"]).stdin(Vec::new())).await?;
        let signs = signer.local(dir).args(["commit-tree", "-S", "-m", "A trial", &tree]);
        let finished = signs.keep_stdout(200).run().await?;
        if !finished.succeeded() {
            bail!("it signs nothing: {}", signer.words(&finished));
        }
        let commit = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        match signer.keys() {
            Keys::Ssh { file } => self.verified_by_ssh(signer, &folder, file, &commit).await,
            Keys::Gpg { fingerprint, .. } => {
                verified(signer, signer.local(dir).args(["verify-commit", "--raw", &commit])).await?;
                Ok(format!("the key {fingerprint}"))
            }
        }
    }

    async fn verified_by_ssh(&self, signer: &Signer, folder: &TempDir, key: &Path, commit: &str) -> Result<String> {
        let public = told(Program::new(["ssh-keygen", "-y", "-P", "", "-f"]).arg(key)).await?;
        let signers = folder.path().join("signers");
        std::fs::write(&signers, format!("{WHO} {public}\n")).context("writing down the public key")?;
        let allowed = format!("gpg.ssh.allowedSignersFile={}", signers.display());
        let verify = signer.local(folder.path()).args(["-c", &allowed, "verify-commit", "--raw", commit]);
        let says = verified(signer, verify).await?.tail;
        // `Good "git" signature for windlass with ED25519 key SHA256:…`
        let key = says.lines().find_map(|line| line.split_once(&format!(" for {WHO} with ")));
        Ok(key.map_or("an SSH key".to_owned(), |(_, key)| format!("the {}", key.trim())))
    }
}

/// What a program printed, once it has ended well.
async fn told(program: Program) -> Result<String> {
    let finished = program.keep_stdout(64 << 10).run().await?;
    if !finished.succeeded() {
        bail!("{}", finished.tail.trim());
    }
    Ok(String::from_utf8_lossy(&finished.stdout).trim().to_owned())
}

async fn verified(signer: &Signer, verify: Program) -> Result<Finished> {
    let finished = verify.run().await?;
    if !finished.succeeded() {
        bail!("it signs, and the signature does not verify: {}", signer.words(&finished));
    }
    Ok(finished)
}
