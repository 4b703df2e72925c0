//! A Slack app's interactions: a click on a button under what asks for an approval
//! (docs.slack.dev, "`block_actions` payload").
//!
//! Who clicked is known by the user's id alone, which nobody can change. No address in a body is called, `response_url`
//! among them, which the receiver has blotted out: what comes of a click is told by the notifier, as all else is.

use proto::{WebhookReceived, button};
use runtime::{
    Failure,
    config::{SlackApp, Source},
};
use serde::Deserialize;

use crate::{
    body,
    said::{Answer, Said},
    shown,
};

/// What this is called in words for people.
const EVENT: &str = "interaction";

/// What Slack sends is a form. Where it only checks the address (`ssl_check=1`) there is nothing in it.
#[derive(Debug, Deserialize)]
struct Form {
    payload: Option<String>,
    ssl_check: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Interaction {
    #[serde(rename = "type")]
    kind: String,
    /// The workspace the app is in; absent where it is installed for a whole organization.
    #[serde(default)]
    team: Option<Team>,
    user: Option<User>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Team {
    id: String,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
    /// The user's own workspace: another than the app's, where a channel is shared.
    #[serde(default)]
    team_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

pub(crate) fn read(webhook: &WebhookReceived, source: Option<&Source>) -> Result<Vec<Said>, Failure> {
    let Some(payload) = payload(webhook)? else { return Ok(Said::nothing("Slack checks the address")) };
    let interaction: Interaction = body::parse_bytes(webhook, EVENT, "payload", payload.as_bytes())?;
    let Some(app) = source.and_then(|source| source.slack.as_ref()) else {
        let name = &webhook.webhook_source;
        return Ok(Said::nothing(format!("`sources.{name}` is of the kind `slack` no more, so nobody is known there")));
    };
    if interaction.kind != "block_actions" {
        return Ok(Said::nothing(format!("Slack's `{}` is no click on a button", shown(&interaction.kind))));
    }
    let user = match who(&interaction, app) {
        Ok(user) => user,
        Err(why) => return Ok(Said::nothing(format!("{why}; see `sources.{}.slack.team`", webhook.webhook_source))),
    };
    interaction.actions.iter().map(|action| said(webhook, app, &user, action)).collect()
}

fn payload(webhook: &WebhookReceived) -> Result<Option<String>, Failure> {
    let form: Form = serde_urlencoded::from_bytes(&webhook.body)
        .map_err(|error| body::unreadable(webhook, EVENT, &format!("no form: {error}")))?;
    match (form.payload, form.ssl_check) {
        (Some(payload), _) => Ok(Some(payload)),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(body::unreadable(webhook, EVENT, "no form with a field `payload`")),
    }
}

/// The id of who clicked, if that is somebody of the workspace.
fn who(interaction: &Interaction, app: &SlackApp) -> Result<String, String> {
    let user = interaction.user.as_ref().ok_or("a click that names no user")?;
    let own = user.team_id.as_deref();
    let teams: Vec<_> = interaction.team.iter().map(|team| team.id.as_str()).chain(own).collect();
    if teams.is_empty() {
        return Err("a click that names no workspace".to_owned());
    }
    if let Some(other) = teams.iter().find(|team| **team != app.team) {
        return Err(format!("a click from the workspace `{}`, not from `{}`", shown(other), app.team));
    }
    let is_id = !user.id.is_empty() && user.id.len() <= 32 && user.id.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_id { Ok(user.id.clone()) } else { Err(format!("a click by `{}`, which is no user's id", shown(&user.id))) }
}

fn said(webhook: &WebhookReceived, app: &SlackApp, user: &str, action: &Action) -> Result<Said, Failure> {
    let granted = match action.action_id.as_str() {
        button::APPROVE => true,
        button::REJECT => false,
        other => return Ok(Said::Nothing(format!("`{}` is no button of Windlass's", shown(other)))),
    };
    let value = body::parse_bytes(webhook, EVENT, "payload.actions.value", action.value.as_bytes())?;
    Ok(Said::Answer(Answer { value, granted, by: app.name(user) }))
}
