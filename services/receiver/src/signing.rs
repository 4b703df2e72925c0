//! The senders' side of every proof: what a request must carry so that it passes for theirs. To try a configuration
//! without its sender, and to test the other side; nothing in here verifies, and nothing that verifies is used here.

use anyhow::{Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use runtime::config::{Encoding, HmacAlgorithm, HmacProof, Proof, Source, SourceKind};

/// What proves a request, besides its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signed {
    /// Headers, by name; over any others of these names that the request has.
    pub headers: Vec<(String, String)>,
    /// What is added to the path `/webhooks/<source>`: empty, or `/` and the secret.
    pub path: String,
}

/// Signs `body` with the secret as a sender of this source would. Fails where a proof needs what only its real sender has (an identity provider's key, a client certificate).
pub fn sign(source: &Source, secret: &str, body: &[u8]) -> Result<Signed> {
    let mut signed = Signed::default();
    let mut add = |name: &str, value: String| signed.headers.push((name.to_owned(), value));
    match source.proof() {
        None => {}
        Some(Proof::Hmac(hmac)) => add(&hmac.header, stated(&hmac, secret, body)?),
        Some(Proof::Token(token)) if token.header.eq_ignore_ascii_case("authorization") => {
            add("authorization", format!("Bearer {secret}"));
        }
        Some(Proof::Token(token)) => add(&token.header, secret.to_owned()),
        Some(Proof::Basic(basic)) => {
            let name = basic.username.unwrap_or_else(|| "windlass".to_owned());
            add("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{secret}"))));
        }
        Some(Proof::Path) => signed.path = format!("/{secret}"),
        Some(Proof::StandardWebhooks) => {
            let (id, time) = (format!("msg_{}", uuid::Uuid::new_v4().simple()), jiff::Timestamp::now().as_second());
            let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret))?;
            let content = [format!("{id}.{time}.").as_bytes(), body].concat();
            add("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(mac::<sha2::Sha256>(&key, &content)?)));
            add("webhook-id", id);
            add("webhook-timestamp", time.to_string());
        }
        Some(Proof::Slack) => {
            let time = jiff::Timestamp::now().as_second();
            let content = [format!("v0:{time}:").as_bytes(), body].concat();
            add("x-slack-signature", format!("v0={}", hex::encode(mac::<sha2::Sha256>(secret.as_bytes(), &content)?)));
            add("x-slack-request-timestamp", time.to_string());
        }
        Some(Proof::Jwt(_)) => bail!("its sender's tokens are signed by an identity provider, whose key only it has"),
        Some(Proof::ProxyTls(_)) => {
            bail!("its sender shows a client certificate to the proxy in front; send through it")
        }
    }
    Ok(signed)
}

/// The headers by which a kind of sender says what it sends, its content type among them; names in lower case.
pub fn envelope(kind: SourceKind, event: &str) -> Vec<(String, String)> {
    let id = uuid::Uuid::new_v4().to_string();
    let (content_type, others): (_, &[(&str, &str)]) = match kind {
        SourceKind::Github => (JSON, &[("x-github-event", event), ("x-github-delivery", &id)]),
        SourceKind::Gitlab => (JSON, &[("x-gitlab-event", event), ("x-gitlab-event-uuid", &id)]),
        SourceKind::Gitea => (JSON, &[("x-gitea-event", event), ("x-gitea-delivery", &id)]),
        SourceKind::Bitbucket => (JSON, &[("x-event-key", event), ("x-request-uuid", &id)]),
        SourceKind::Nexus => (JSON, &[("x-nexus-webhook-id", event), ("x-nexus-webhook-delivery", &id)]),
        SourceKind::Distribution => ("application/vnd.docker.distribution.events.v1+json", &[]),
        SourceKind::CloudEvents => ("application/cloudevents+json", &[]),
        SourceKind::Slack => ("application/x-www-form-urlencoded", &[]),
        _ => (JSON, &[]),
    };
    let all = [("content-type", content_type)].into_iter().chain(others.iter().copied());
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const JSON: &str = "application/json";

fn stated(proof: &HmacProof, secret: &str, body: &[u8]) -> Result<String> {
    let mac = match proof.algorithm {
        HmacAlgorithm::Sha1 => mac::<sha1::Sha1>(secret.as_bytes(), body)?,
        HmacAlgorithm::Sha256 => mac::<sha2::Sha256>(secret.as_bytes(), body)?,
        HmacAlgorithm::Sha512 => mac::<sha2::Sha512>(secret.as_bytes(), body)?,
    };
    let text = match proof.encoding {
        Encoding::Hex => hex::encode(mac),
        Encoding::Base64 => BASE64_STANDARD.encode(mac),
    };
    Ok(format!("{}{text}", proof.prefix))
}

fn mac<D: hmac::EagerHash>(key: &[u8], body: &[u8]) -> Result<Vec<u8>> {
    let mut mac = Hmac::<D>::new_from_slice(key)?;
    mac.update(body);
    Ok(mac.finalize().into_bytes().to_vec())
}
