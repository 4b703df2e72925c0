//! GitHub: `push`, `pull_request`, `package` and `registry_package` (docs.github.com, "Webhook events and payloads").
//!
//! Only fields we use are read, and of those nothing is believed that the config can say instead: a repository is
//! cloned from where the config says, not from where the payload does.

mod package;
mod pull_request;
mod push;

use proto::{AppName, WebhookReceived};
use runtime::{
    Config, Failure, Outcomes,
    config::{App, SourceKind},
};
use serde::Deserialize;

use crate::shown;

/// The repository an event is about.
#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
}

pub(crate) fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    let Some(event) = webhook.headers.get("xgithubevent") else {
        let kind = SourceKind::Github.as_str();
        return Err(Failure::permanent(format!(
            "a webhook of kind `{kind}` without the attribute `headerxgithubevent`"
        )));
    };
    match event.as_str() {
        "push" => push::read(config, webhook),
        "pull_request" => pull_request::read(config, webhook),
        "package" | "registry_package" => package::read(config, webhook, event),
        other => Ok(Outcomes::ignored(format!("GitHub's `{other}` is of no use here"))),
    }
}

impl Repository {
    /// The apps whose source this is. GitHub's names do not heed case.
    fn apps<'a>(&self, config: &'a Config) -> Vec<(&'a AppName, &'a App)> {
        config.apps.iter().filter(|(_, app)| app.repository.eq_ignore_ascii_case(&self.full_name)).collect()
    }

    fn unknown(&self) -> Outcomes {
        Outcomes::ignored(format!(
            "no app has the repository `{}`; see `apps.<app>.repository`",
            shown(&self.full_name)
        ))
    }
}

/// The first line of what people wrote, cut to 120 characters.
fn title(text: &str) -> Option<String> {
    let line: String = text.lines().next()?.trim().chars().take(120).collect();
    (!line.is_empty()).then_some(line)
}
