//! A click on a button of a message, as Slack sends it to the app's address (docs.slack.dev, "`block_actions` payload",
//! "Verifying requests from Slack").

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::http;

/// Who clicks, and where: ids as Slack has them.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// The workspace.
    pub team: &'a str,
    /// The user.
    pub id: &'a str,
}

/// A request of Slack's, less its signature.
#[derive(Debug, Clone)]
pub struct Click {
    body: Vec<u8>,
}

impl Click {
    /// A user clicks on the button of this action under a message.
    pub fn on(message: &Value, action: &str, user: User<'_>) -> Result<Self> {
        let blocks = message["blocks"].as_array().into_iter().flatten();
        let mut elements = blocks.filter_map(|block| block["elements"].as_array()).flatten();
        let button = elements.find(|element| element["action_id"] == action);
        let button = button.with_context(|| format!("there is no button `{action}` under {message}"))?;
        let mut clicked = json!({ "block_id": "b1", "action_ts": time() });
        for key in ["type", "action_id", "value", "text", "style"] {
            clicked[key] = button[key].clone();
        }
        let payload = json!({
            "type": "block_actions",
            "token": "verification-token-of-this-app",
            "user": { "id": user.id, "username": "whatever-they-like", "name": "whatever-they-like", "team_id": user.team },
            "api_app_id": "A0WINDLASS",
            "trigger_id": hex::encode(rand::random::<[u8; 16]>()),
            "team": { "id": user.team, "domain": "acme" },
            "channel": { "id": "C0DEPLOYS", "name": "deploys" },
            "message": message,
            "response_url": "https://hooks.slack.com/actions/never-called",
            "actions": [clicked],
        });
        let coded = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
        let body = format!("payload={}", payload.to_string().bytes().map(coded).collect::<String>()).into_bytes();
        Ok(Self { body })
    }

    /// Signs it as Slack does at this moment, and posts it; the status and the body of the answer.
    pub async fn post(&self, url: &str, secret: &str) -> Result<(u16, String)> {
        let seconds = jiff::Timestamp::now().as_second();
        let request = http::client().post(url).header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("x-slack-request-timestamp", seconds.to_string());
        let request = request.header("x-slack-signature", sign(secret, seconds, &self.body));
        let answer = request.body(self.body.clone()).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

/// The value of `X-Slack-Signature`.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub fn sign(secret: &str, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("v0:{seconds}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

/// Seconds and microseconds, as Slack writes them.
fn time() -> String {
    let now = jiff::Timestamp::now().as_microsecond();
    format!("{}.{:06}", now / 1_000_000, now % 1_000_000)
}
