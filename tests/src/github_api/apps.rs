//! GitHub Apps: their keys, the words they sign, and where they are installed.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context as _, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proto::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::tokens;
use crate::{folder::Folder, process};

/// What an App may do where it is installed, unless a test says otherwise.
const MAY: [(&str, &str); 6] = [
    ("checks", "read"),
    ("contents", "write"),
    ("metadata", "read"),
    ("pull_requests", "write"),
    ("repository_hooks", "write"),
    ("statuses", "read"),
];

/// An App, as its owner has it.
#[derive(Debug)]
pub struct App {
    /// Its id.
    pub id: String,
    /// Its private key in PEM (PKCS #1), as GitHub hands it out.
    pub private_key: String,
}

/// An App, as GitHub has it.
#[derive(Debug)]
pub(super) struct Known {
    id: String,
    public_key: Vec<u8>,
    /// On what it is installed; an installation's number is its place here.
    pub(super) installed: Vec<String>,
    /// What it may do there.
    pub(super) permissions: BTreeMap<String, String>,
}

pub(super) async fn make(id: &str, installed: &[&str]) -> Result<(App, Known)> {
    let folder = Folder::new("app")?;
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(folder.path()).args(arguments);
        process::run(command)
    };
    openssl(&["genrsa", "-traditional", "-out", "key.pem", "2048"]).await?;
    openssl(&["rsa", "-in", "key.pem", "-RSAPublicKey_out", "-outform", "DER", "-out", "public.der"]).await?;
    let private_key = std::fs::read_to_string(folder.join("key.pem"))?;
    let public_key = std::fs::read(folder.join("public.der"))?;
    let installed = installed.iter().map(ToString::to_string).collect();
    let permissions = tokens::permissions(&MAY);
    Ok((App { id: id.to_owned(), private_key }, Known { id: id.to_owned(), public_key, installed, permissions }))
}

impl Known {
    /// Whether this is the App's own word, and good now (docs.github.com, "Generating a JSON Web Token for a GitHub
    /// App"): RS256, issued in the past, for ten minutes at most.
    pub(super) fn signed(&self, token: &str) -> Result<()> {
        let (signed, signature) = token.rsplit_once('.').context("a JWT has three parts")?;
        let (header, claims) = signed.split_once('.').context("a JWT has three parts")?;
        let read = |part: &str| anyhow::Ok(serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part)?)?);
        anyhow::ensure!(read(header)?["alg"] == "RS256", "not RS256");
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        let good = key.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature)?);
        good.ok().context("signed by another key")?;
        let claims = read(claims)?;
        let time = |name: &str| claims[name].as_i64().with_context(|| format!("no `{name}`"));
        let now = Timestamp::now().as_second();
        anyhow::ensure!(claims["iss"] == *self.id, "issued by {}", claims["iss"]);
        anyhow::ensure!(time("iat")? <= now && time("exp")? > now && time("exp")? <= now + 600, "not now: {claims}");
        Ok(())
    }
}
