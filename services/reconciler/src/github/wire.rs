//! What GitHub's API says, as far as it is needed (docs.github.com, REST API: "Repository webhooks", "Organization
//! webhooks", "GitHub App webhooks", API version 2022-11-28).

use proto::Timestamp;
use serde::Deserialize;

/// A webhook.
#[derive(Debug, Deserialize)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) config: HookConfig,
}

/// Where it sends.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct HookConfig {
    #[serde(default)]
    pub(crate) url: Option<String>,
}

/// One attempt to deliver: the first, or one that was asked for. Those of one delivery share its GUID.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Attempt {
    /// The attempt's own number.
    pub(crate) id: u64,
    /// The delivery's id: `X-GitHub-Delivery`.
    pub(crate) guid: String,
    pub(crate) delivered_at: Timestamp,
    /// What the receiver answered; 0 or nothing when it did not.
    #[serde(default)]
    pub(crate) status_code: Option<i64>,
    /// `push`.
    #[serde(default)]
    pub(crate) event: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use forge::github::parse;

    use super::*;

    #[test]
    fn an_attempt_may_have_had_no_answer() {
        let attempt = |status: &str| {
            let text = format!(
                "[{{\"id\":12345678,\"guid\":\"0b989ba4\",\"delivered_at\":\"2019-06-03T00:57:16Z\",\"redelivery\":false,\
                 \"duration\":0.27,\"status\":\"timed out\",\"status_code\":{status},\"event\":\"push\",\"action\":null,\
                 \"installation_id\":null,\"repository_id\":123,\"throttled_at\":null}}]"
            );
            parse::<Vec<Attempt>>("deliveries", &text).map(|list| list[0].status_code)
        };
        assert_eq!(attempt("0").unwrap(), Some(0));
        assert_eq!(attempt("null").unwrap(), None);
        let error = format!("{:#}", attempt("\"no\"").unwrap_err());
        assert!(error.contains("reading GitHub's deliveries: [0].status_code"), "{error}");
    }
}
