//! An approval by a click in Slack.

use anyhow::ensure;
use serde_json::{Value, json};
use testkit::{
    engine::Layout,
    shop::{Options, TEAM},
    slack::{Click, User},
    wait,
};

use crate::{Place, SOON};

impl Place {
    /// The message that asks for an approval, once it is there.
    async fn asks(&self) -> Value {
        let asks =
            |message: &Value| message["text"].as_str().is_some_and(|text| text.contains("waits for an approval"));
        let found = wait::until(SOON, "a message that asks for an approval", async || {
            let found = self.shop.slack.messages().into_iter().find(asks);
            found.ok_or_else(|| anyhow::anyhow!("Slack was told: {}", self.shop.slack.text()))
        });
        found.await.unwrap()
    }

    /// Somebody of the workspace clicks; Slack shows anything but this to them as an error.
    async fn click(&self, message: &Value, action: &str, user: &str) -> Click {
        let click = self.shop.click(message, action, user).unwrap();
        self.again(&click).await;
        click
    }

    async fn again(&self, click: &Click) {
        assert_eq!(self.shop.deliver_click(click).await.unwrap(), (200, String::new()));
    }

    /// Waits until all of this is told in Slack.
    async fn told(&self, words: &[&str]) {
        let told = wait::until(SOON, "an answer in Slack", async || {
            let text = self.shop.slack.text();
            let missing: Vec<_> = words.iter().filter(|words| !text.contains(**words)).collect();
            ensure!(missing.is_empty(), "no {missing:?} in: {text}");
            Ok(())
        });
        told.await.unwrap();
    }
}

const APPROVE: &str = "windlass.approve";

#[tokio::test(flavor = "multi_thread")]
async fn a_click_of_somebody_who_may_lets_a_release_in_and_every_click_is_answered() {
    let app = json!({ "environments": { "production": { "approval": "required" } } });
    let place = Place::open(&Options { app, ..Options::default() }, Layout::Together).await.unwrap();
    let (commit, _) = place.push("main", &[("VERSION", "2.7.0\n")]).await;
    let message = place.asks().await;
    let waiting = place.event("release.waiting", |event| event["data"]["environment"] == "production").await;

    // Who knows no secret, and who is somewhere else, is nobody.
    let click = place.shop.click(&message, APPROVE, "U0ADA").unwrap();
    let url = format!("http://127.0.0.1:{}/webhooks/slack", place.shop.receiver_port);
    assert_eq!(click.post(&url, "another secret").await.unwrap().0, 401);
    let abroad = Click::on(&message, APPROVE, User { team: "T0ELSEWHERE", id: "U0ADA" }).unwrap();
    place.again(&abroad).await;
    let why = |event: &Value| event["summary"].as_str().unwrap().contains(&format!("`T0ELSEWHERE`, not from `{TEAM}`"));
    place.event("event.ignored", why).await;

    // Dana wrote it; of whom nobody knows anything, it may be the same.
    place.click(&message, APPROVE, "U0DANA").await;
    place.told(&["Dana Developer's approval for production does not count", "wrote it, so somebody else"]).await;
    place.click(&message, APPROVE, "U0STRANGER").await;
    place
        .told(&["slack:U0STRANGER's approval for production does not count", "`sources.&lt;source&gt;.slack.users`"])
        .await;
    assert_eq!(place.verdicts("production", &commit).await, 0);

    let click = place.click(&message, APPROVE, "U0ADA").await;
    assert_eq!(place.verdict("production", &commit).await["data"]["healthy"], true);
    place.told(&["ada approved a release for production", "it goes there now"]).await;
    let granted = place.event("approval.granted", |event| event["data"]["by"] == "ada").await;
    let chain = &waiting["attributes"]["correlationid"];
    assert!(chain.is_string() && granted["attributes"]["correlationid"] == *chain, "{granted} {waiting}");
    let shown = place.windlass(&["events", "show", waiting["attributes"]["id"].as_str().unwrap()]).await;
    for words in ["ada approves", "ada's approval for production counts", "production promotes"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    let clicks = place.events("webhook.received").await.unwrap();
    let clicked = clicks.iter().rfind(|event| event["data"]["webhook_source"] == "slack").unwrap();
    let shown = place.windlass(&["events", "show", clicked["attributes"]["id"].as_str().unwrap()]).await;
    for words in ["slack sent", "ada approves", "production promotes"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // The same click sent once more is none; another is answered, and does nothing.
    let (before, history) = (place.events("approval.granted").await.unwrap().len(), place.history().await);
    place.again(&click).await;
    place.click(&message, APPROVE, "U0ADA").await;
    place.told(&["ada's approval for production does not count", "it has gone there"]).await;
    assert_eq!(place.events("approval.granted").await.unwrap().len(), before + 1);
    assert_eq!(place.history().await, history);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_keeps_a_release_out() {
    let app = json!({ "environments": { "production": { "approval": "required" } } });
    let place = Place::open(&Options { app, ..Options::default() }, Layout::Together).await.unwrap();
    let (commit, _) = place.push("main", &[("VERSION", "2.8.0\n")]).await;
    let message = place.asks().await;
    // As an operator tries it without Slack; Dana wrote it.
    let asked = place.event("approval.requested", |_| true).await;
    let approval = asked["data"]["approval"].as_str().unwrap();
    place.windlass(&["send", "slack", "--sample", "approve", "--approval", approval, "--user", "U0DANA"]).await;
    place.told(&["Dana Developer's approval for production does not count"]).await;
    place.click(&message, "windlass.reject", "U0ADA").await;
    place.told(&["production does not get a release: ada rejected it"]).await;
    place.event("event.ignored", |event| event["summary"].as_str().unwrap().contains("ada rejected it")).await;
    assert_eq!(place.verdicts("production", &commit).await, 0);
    place.close().await;
}
