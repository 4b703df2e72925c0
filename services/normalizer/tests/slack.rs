//! Clicks in Slack: who clicked, on what, and which are none of ours.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{failed, ignored, only, parse, raw, read};
use proto::{Data, EventId, WebhookReceived, button::ButtonValue};
use runtime::Config;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

fn config() -> Config {
    parse(
        "sources:\n  slack: { kind: slack, secrets: [env:S], slack: { team: T0ACME, users: { U0ADA: ada } } }\n  \
         other: { kind: quay, secrets: [env:S] }\napps: { shop: { repository: acme/shop, \
         gitops: { repository: 'https://git.example/gitops.git' }, \
         environments: { production: { path: p, sync: { argocd: shop } } } } }",
    )
}

fn value(app: &str, environment: &str) -> ButtonValue {
    let (app, environment) = (app.parse().unwrap(), environment.parse().unwrap());
    ButtonValue { approval: EventId::fresh(), app, environment, chain: EventId::fresh() }
}

fn click(user: &Value, team: &Value, value: &str) -> Value {
    json!({ "type": "block_actions", "user": user, "team": team, "trigger_id": "1", "unheard": "of",
            "actions": [{ "action_id": "windlass.approve", "type": "button", "value": value, "action_ts": "1.2" }] })
}

fn webhook(payload: &Value) -> WebhookReceived {
    let coded: String = url::form_urlencoded::byte_serialize(payload.to_string().as_bytes()).collect();
    raw("slack", None, FORM, format!("payload={coded}").as_bytes())
}

/// A click of Ada's in her own workspace.
fn of_ada(value: &str) -> WebhookReceived {
    let user = json!({ "id": "U0ADA", "username": "mallory", "name": "mallory", "team_id": "T0ACME" });
    webhook(&click(&user, &json!({ "id": "T0ACME" }), value))
}

#[test]
fn an_answer_is_of_who_the_config_says_and_joins_the_chain_of_what_it_answers() {
    let value = value("shop", "production");
    let outcomes = read(&config(), &of_ada(&json!(value).to_string()));
    let (subject, Data::ApprovalGranted(granted)) = only(&outcomes) else { panic!("{outcomes:?}") };
    assert_eq!((granted.by.as_str(), granted.approval, granted.comment), ("ada", value.approval, None));
    assert_eq!(subject, format!("{} by ada", value.approval));
    assert_eq!(outcomes.unwrap().chain(), Some(value.chain));
}

#[test]
fn who_is_not_listed_is_an_id_whatever_they_call_themselves() {
    let user = json!({ "id": "U0MALLORY", "username": "ada", "name": "ada", "team_id": "T0ACME" });
    let value = json!(value("shop", "production")).to_string();
    let outcomes = read(&config(), &webhook(&click(&user, &json!({ "id": "T0ACME" }), &value)));
    let (_, Data::ApprovalGranted(granted)) = only(&outcomes) else { panic!("{outcomes:?}") };
    assert_eq!(granted.by, "slack:U0MALLORY");
}

#[test]
fn a_click_from_elsewhere_or_by_nobody_is_none() {
    let (own, value) = (json!({ "id": "T0ACME" }), json!(value("shop", "production")).to_string());
    let ada = |team: &str| json!({ "id": "U0ADA", "team_id": team });
    for (user, team, says) in [
        (ada("T0ACME"), json!({ "id": "T0OTHER" }), "from the workspace `T0OTHER`, not from `T0ACME`"),
        // In a channel that is shared with another workspace.
        (ada("T0OTHER"), own.clone(), "from the workspace `T0OTHER`"),
        (json!({ "id": "U0ADA" }), Value::Null, "names no workspace"),
        (Value::Null, own.clone(), "names no user"),
        (json!({ "id": "ada <x>" }), own, "`ada <x>`, which is no user's id"),
    ] {
        let why = ignored(&read(&config(), &webhook(&click(&user, &team, &value))));
        assert!(why.contains(says) && why.contains("`sources.slack.slack.team`"), "{why}");
    }
    let mut gone = config();
    gone.sources.values_mut().for_each(|source| source.slack = None);
    assert!(ignored(&read(&gone, &of_ada(&value))).contains("`sources.slack` is of the kind `slack` no more"));
}

#[test]
fn what_the_config_does_not_know_or_lets_others_speak_of_is_not_answered() {
    for (app, environment) in [("till", "production"), ("shop", "moon")] {
        let why = ignored(&read(&config(), &of_ada(&json!(value(app, environment)).to_string())));
        assert!(why.contains(&format!("no environment `{environment}` of an app `{app}`")), "{why}");
    }
    let mut config = config();
    config.apps.values_mut().for_each(|app| app.sources = vec!["other".parse().unwrap()]);
    let why = ignored(&read(&config, &of_ada(&json!(value("shop", "production")).to_string())));
    assert!(why.contains("`apps.shop.sources`"), "{why}");
}

#[test]
fn what_cannot_be_read_is_parked_and_a_check_of_the_address_is_not() {
    for (body, says) in [
        (&b"x=1"[..], "no form with a field `payload`"),
        (b"payload=%7B", "at `payload"),
        (b"payload=%7B%7D", "missing field `type`"),
    ] {
        let why = failed(&read(&config(), &raw("slack", None, FORM, body)));
        assert!(why.contains(says) && why.contains("`slack`"), "{why}");
    }
    for wrong in ["", "{}", "margherita", r#"{"approval":"x","app":"shop","environment":"production","chain":"y"}"#] {
        assert!(failed(&read(&config(), &of_ada(wrong))).contains("`payload.actions.value"), "{wrong}");
    }
    assert!(
        ignored(&read(&config(), &raw("slack", None, FORM, b"ssl_check=1&token=x"))).contains("checks the address")
    );
}
