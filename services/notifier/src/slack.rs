//! Slack's incoming webhooks: one POST, and what its answer means.
//!
//! The URL is the secret. It is read anew for each message, so a changed file is a rotation, and it is in no error:
//! a route is named by its place in the configuration.

use std::time::Duration;

use reqwest::{Client, StatusCode, header::RETRY_AFTER};
use runtime::{
    Failure, SecretRef,
    http::{HttpError, read_start},
};
use serde_json::Value;

/// How long Slack may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when Slack says "too many" and not how long; its limit is about one message a second.
const TOO_MANY: Duration = Duration::from_secs(30);
/// Slack's answers are a word.
const ANSWER: usize = 200;

/// Posts to a route.
pub(crate) async fn post(http: &Client, route: usize, url: &SecretRef, payload: &Value) -> Result<(), Failure> {
    let name = format!("`notify[{route}].slack`");
    let url = url.read().map_err(|why| Failure::Permanent(why.context(name.clone())))?;
    let url = url::Url::parse(url.expose()).map_err(|_| Failure::permanent(format!("{name}: the secret is no URL")))?;
    let request = http.post(url).timeout(TIMEOUT).json(payload);
    let response = request.send().await.map_err(|error| away(&name, error.into()))?;
    let (status, wait) = (response.status(), retry_after(response.headers()));
    let (words, _) = read_start(response, ANSWER).await.map_err(|error| away(&name, error))?;
    let words = String::from_utf8_lossy(&words);
    let words = slacks(words.trim());
    match status {
        StatusCode::OK if words == "ok" => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => Err(Failure::NotYet {
            after: wait.unwrap_or(TOO_MANY),
            reason: format!("{name}: Slack takes no more for now"),
        }),
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Err(Failure::transient(format!("{name}: Slack answered {status}: {words}")))
        }
        status => Err(Failure::permanent(format!(
            "{name}: Slack answered {status}: {words}; check that the webhook exists and its channel is open"
        ))),
    }
}

/// What was answered, if it is one of Slack's words (`no_service`). Anything else is a proxy's page, and may repeat the
/// address it was asked for, which is the secret.
fn slacks(words: &str) -> &str {
    let is_word = !words.is_empty() && words.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { words } else { "none of Slack's words (is a proxy between?)" }
}

fn away(name: &str, error: HttpError) -> Failure {
    Failure::Transient(anyhow::Error::from(error).context(name.to_owned()))
}

/// Seconds, as Slack sends it; at least one, and no more than an hour whatever it says.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(1, 3600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slacks_own_words_are_repeated() {
        for word in ["ok", "no_service", "channel_is_archived"] {
            assert_eq!(slacks(word), word);
        }
        for page in ["", "Cannot POST /services/T0/B0/hunter2", "<html>hunter2</html>", "hunter2"] {
            assert_eq!(slacks(page), "none of Slack's words (is a proxy between?)");
        }
    }
}
