//! The whole chain, told as stories over the real programs: from a signed push to production, and every way it may
//! rightly stop before.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "pipeline/browser.rs"]
mod browser;
#[path = "pipeline/buttons.rs"]
mod buttons;
#[path = "pipeline/console/mod.rs"]
mod console;
mod stage;
#[path = "pipeline/verbs.rs"]
mod verbs;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{
    engine::{Engine, Layout},
    postgres::Postgres,
    rabbitmq::RabbitMq,
    shop::{COMPONENTS, Options, Shop},
    wait,
};

const SOON: Duration = Duration::from_secs(90);

/// The shop, and Windlass at work on it.
struct Place {
    shop: Shop,
    engine: Engine,
}

impl Place {
    async fn embedded() -> Self {
        Self::open(&Options::default(), Layout::Together).await.unwrap()
    }

    async fn apart() -> Self {
        let (bus, ledger) = tokio::try_join!(RabbitMq::shared(), Postgres::shared()).unwrap();
        let (bus, ledger) = tokio::try_join!(bus.vhost(), ledger.database()).unwrap();
        Self::open(&Options { bus, ledger, ..Options::default() }, Layout::Apart).await.unwrap()
    }

    async fn open(options: &Options, layout: Layout) -> Result<Self> {
        let shop = Shop::open(options).await?;
        let engine = shop.start(layout).await?;
        Ok(Self { shop, engine })
    }

    /// Commits, pushes and delivers the webhook; returns the commit and the webhook's event.
    async fn push(&self, branch: &str, files: &[(&str, &str)]) -> (String, String) {
        let commit = self.shop.push(branch, files, "A change").await.unwrap();
        let (status, answer) = self.shop.deliver(&self.shop.push_payload(branch, &commit, "A change")).await.unwrap();
        assert_eq!(status, 202, "{answer}");
        (commit, answer["event"].as_str().unwrap().to_owned())
    }

    /// The events of a type, oldest first.
    async fn events(&self, kind: &str) -> Result<Vec<Value>> {
        self.engine.json(&["events", "--json", "--limit", "5000", "--type", kind]).await
    }

    /// The first event of a type that is so, once there is one.
    async fn event(&self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let what = format!("such a {kind}");
        let found = wait::until(SOON, &what, async || {
            let events = self.events(kind).await?;
            let seen: Vec<_> = events.iter().map(|event| event["summary"].clone()).collect();
            events.into_iter().find(|event| is_it(event)).ok_or_else(|| anyhow::anyhow!("{seen:?}"))
        });
        found.await.unwrap()
    }

    /// The verdict over this commit's backend in an environment.
    async fn verdict(&self, environment: &str, commit: &str) -> Value {
        self.event("health.reported", |event| {
            let deployment = &event["data"]["deployment"];
            deployment["environment"] == environment && deployment["release"]["backend"]["commit"] == commit
        })
        .await
    }

    /// How many verdicts there are over this commit's backend in an environment.
    async fn verdicts(&self, environment: &str, commit: &str) -> usize {
        let is_it = |event: &&Value| {
            let deployment = &event["data"]["deployment"];
            deployment["environment"] == environment && deployment["release"]["backend"]["commit"] == commit
        };
        self.events("health.reported").await.unwrap().iter().filter(is_it).count()
    }

    /// How many commits the GitOps repository has.
    async fn history(&self) -> usize {
        self.shop.git.log("acme/shop-gitops", "main").await.unwrap().len()
    }

    async fn dead(&self) -> Vec<Value> {
        self.engine.json(&["dead", "list", "--json"]).await.unwrap()
    }

    async fn windlass(&self, arguments: &[&str]) -> String {
        testkit::process::run(self.engine.windlass(arguments).unwrap()).await.unwrap()
    }

    /// Nothing is left in any queue, nothing is dead, and everything stops in good order.
    async fn close(mut self) {
        assert_eq!(self.dead().await, Vec::<Value>::new());
        self.engine.stop().await.unwrap();
    }
}

/// The fault is in the world outside: the GitOps repository takes no pushes. Mended, the letters are replayed, and the
/// chain ends in production.
async fn a_dead_letter_is_mended_and_replayed(place: Place) {
    place.shop.git.reject_pushes("acme/shop-gitops", "main is protected").unwrap();
    let (commit, _) = place.push("main", &[("VERSION", "2.0.0\n")]).await;
    let dead = wait::until(SOON, "a dead letter", async || {
        let dead = place.dead().await;
        ensure!(!dead.is_empty(), "there is none");
        Ok(dead)
    });
    let dead = dead.await.unwrap();
    assert_eq!(dead[0]["worker"], "bumper", "{dead:?}");
    assert!(dead[0]["reason"].as_str().unwrap().contains("main is protected"), "{dead:?}");
    place.event("delivery.parked", |event| event["data"]["worker"] == "bumper").await;

    place.shop.git.accept_pushes("acme/shop-gitops").unwrap();
    wait::until_true(SOON, "a report in Sentry", async || place.shop.sentry.text().contains("main is protected"))
        .await
        .unwrap();
    let dry = place.windlass(&["dead", "replay", "--worker", "bumper", "--dry-run"]).await;
    assert!(dry.contains("would replay to bumper"), "{dry}");
    assert!(!place.dead().await.is_empty());
    place.windlass(&["dead", "replay", "--worker", "bumper", "--by", "ada"]).await;
    assert_eq!(place.verdict("production", &commit).await["data"]["healthy"], true);
    assert_eq!(place.shop.health("production").await.unwrap()["version"], "2.0.0");
    let replayed = place.engine.json(&["dead", "list", "--json", "--with-replayed"]).await.unwrap();
    // The other image's event may have died while the first one's was replayed.
    let is_first = |letter: &Value| letter["id"] == dead[0]["id"] && letter["replayed_by"] == "ada";
    assert!(replayed.iter().any(is_first), "{replayed:?}");
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_mended_and_replayed_on_the_embedded_bus() {
    a_dead_letter_is_mended_and_replayed(Place::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_mended_and_replayed_on_rabbitmq() {
    a_dead_letter_is_mended_and_replayed(Place::apart().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_commit_stops_at_its_tests_and_slack_is_told() {
    let place = Place::embedded().await;
    let (commit, _) = place.push("main", &[("VERSION", "not a version\n")]).await;
    let tests = place.event("tests.finished", |event| event["data"]["change"]["commit"] == commit.as_str()).await;
    assert_eq!(tests["data"]["passed"], false);
    assert!(tests["data"]["steps"][0]["output_tail"].as_str().unwrap().contains("not a version"), "{tests}");
    place.event("event.ignored", |event| event["data"]["worker"] == "scanner").await;
    place.shop.slack.wait_for(1, SOON).await.unwrap();
    assert!(place.shop.slack.text().contains("unit"), "{}", place.shop.slack.text());
    assert_eq!(place.shop.registry.resolve("acme/shop-backend", &commit).await.unwrap(), None);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_key_stops_at_the_scan() {
    let place = Place::embedded().await;
    let key = "-----BEGIN RSA PRIVATE KEY-----\n";
    let (commit, _) = place.push("main", &[("VERSION", "2.0.1\n"), ("deploy.pem", key)]).await;
    let scan = place.event("scan.finished", |event| event["data"]["change"]["commit"] == commit.as_str()).await;
    assert_eq!(scan["data"]["passed"], false);
    assert!(scan["data"]["scans"][0]["findings"][0]["location"].as_str().unwrap().contains("deploy.pem"), "{scan}");
    place.event("event.ignored", |event| event["data"]["worker"] == "builder").await;
    assert_eq!(place.shop.registry.resolve("acme/shop-backend", &commit).await.unwrap(), None);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_on_another_branch_is_tested_and_not_built() {
    let place = Place::embedded().await;
    let (commit, _) = place.push("feature/x", &[("VERSION", "2.1.0\n")]).await;
    place.event("scan.finished", |event| event["data"]["passed"] == true).await;
    place.event("event.ignored", |event| event["data"]["worker"] == "builder").await;
    assert_eq!(place.shop.registry.resolve("acme/shop-backend", &commit).await.unwrap(), None);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_built_is_told_and_nothing_moves() {
    let place = Place::embedded().await;
    let before = place.shop.manifest("staging", "frontend").await.unwrap();
    let broken = "FROM scratch\nCOPY nothing/of/the/kind /\n";
    let (commit, _) = place.push("main", &[("VERSION", "2.2.0\n"), ("frontend/Dockerfile", broken)]).await;
    let failed = place.event("image.failed", |event| event["data"]["component"] == "frontend").await;
    assert_eq!(failed["data"]["change"]["commit"], commit.as_str());
    place
        .event("event.ignored", |event| event["summary"].as_str().unwrap().contains("waits for the image of frontend"))
        .await;
    assert_eq!(place.shop.manifest("staging", "frontend").await.unwrap(), before);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_registry_that_tells_the_built_image_moves_on_by_itself() {
    let options = Options { notifications: false, ..Options::default() };
    let place = Place::open(&options, Layout::Together).await.unwrap();
    let (commit, _) = place.push("main", &[("VERSION", "2.3.0\n")]).await;
    assert_eq!(place.verdict("production", &commit).await["data"]["healthy"], true);
    assert_eq!(place.events("image.pushed").await.unwrap(), Vec::<Value>::new());
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hotfix_branch_reaches_production_too() {
    let place = Place::embedded().await;
    let (commit, _) = place.push("hotfix/login", &[("VERSION", "2.3.1\n")]).await;
    let told = format!("a fix takes the fast path: `{}` on `hotfix/login`", &commit[..12]);
    let slack = wait::until(SOON, "Slack to be told of the fix", async || {
        ensure!(place.shop.slack.text().contains(&told), "{}", place.shop.slack.text());
        Ok(())
    });
    slack.await.unwrap();
    assert_eq!(place.verdict("production", &commit).await["data"]["healthy"], true);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_webhook_again_and_a_replay_of_it_deploy_nothing_twice() {
    let place = Place::embedded().await;
    let (commit, event) = place.push("main", &[("VERSION", "2.4.0\n")]).await;
    place.verdict("production", &commit).await;
    let history = place.shop.git.log("acme/shop-gitops", "main").await.unwrap().len();
    let (status, answer) = place.shop.deliver(&place.shop.push_payload("main", &commit, "A change")).await.unwrap();
    assert_eq!((status, answer["event"].as_str().unwrap()), (202, event.as_str()));
    place.windlass(&["events", "replay", &event, "--by", "ada"]).await;
    // The replayed chain goes as far as the images, which are in the registry already.
    for component in COMPONENTS {
        place
            .event("image.built", |built| {
                built["attributes"]["replay"] == "1"
                    && built["data"]["component"] == component
                    && built["data"]["reused"] == true
            })
            .await;
    }
    place
        .event("event.ignored", |ignored| {
            ignored["attributes"]["replay"] == "1" && ignored["data"]["worker"] == "bumper"
        })
        .await;
    assert_eq!(place.shop.git.log("acme/shop-gitops", "main").await.unwrap().len(), history);
    place.close().await;
}

/// Operators' verbs, one by one: the configuration is checked, a payload is signed and sent, a letter is replayed by
/// its id and by the text of its reason.
#[tokio::test(flavor = "multi_thread")]
async fn operators_check_send_and_replay_by_id() {
    let place = Place::embedded().await;
    let checked = place.windlass(&["config", "check"]).await;
    assert!(checked.contains("github, registry") && checked.contains("shop"), "{checked}");
    place.shop.git.reject_pushes("acme/shop-gitops", "main is protected").unwrap();
    let commit = place.shop.push("main", &[("VERSION", "2.6.0\n")], "A change").await.unwrap();
    let payload = place.shop.push_payload("main", &commit, "A change").to_string();
    let file = place.shop.folder.write("push.json", &payload).unwrap();
    let answer = place.windlass(&["send", "github", &file.to_string_lossy()]).await;
    let event: Value = serde_json::from_str(&answer).unwrap();
    assert!(event["event"].is_string(), "{answer}");
    place.event("delivery.parked", |event| event["data"]["worker"] == "bumper").await;
    place.shop.git.accept_pushes("acme/shop-gitops").unwrap();

    assert!(place.windlass(&["dead", "replay", "--text", "no such words"]).await.contains("no dead letter is chosen"));
    let id = place.dead().await[0]["id"].as_str().unwrap().to_owned();
    let shown = place.windlass(&["dead", "show", &id[..8]]).await;
    assert!(shown.contains("main is protected") && shown.contains(&format!("dead replay {}", &id[..8])), "{shown}");
    place.windlass(&["dead", "replay", &id[..8]]).await;
    place.verdict("staging", &commit).await;
    place.windlass(&["dead", "replay", "--text", "PROTECTED", "--since", "1h"]).await;
    place.verdict("production", &commit).await;

    assert!(place.windlass(&["send", "github", "--sample", "list"]).await.contains("push"));
    let sample = ["send", "github", "--sample", "push", "--branch", "feature/sample", "--commit", &commit];
    assert!(place.windlass(&sample).await.contains("event"));
    let pushed = place.event("push.received", |event| event["data"]["change"]["branch"] == "feature/sample").await;
    assert_eq!(
        (&pushed["data"]["change"]["commit"], &pushed["data"]["change"]["lane"]),
        (&commit.into(), &"check".into())
    );
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_says_it_is_not_ready_while_its_ledger_is_away() {
    let mut postgres = Postgres::start().await.unwrap();
    let ledger = postgres.database().await.unwrap();
    let mut place = Place::open(&Options { ledger, ..Options::default() }, Layout::Together).await.unwrap();
    let client = testkit::http::client();
    let (_, ops) = place.engine.ops().pop().unwrap();
    let ask = async |page: &str| {
        let answer = client.get(format!("{ops}/{page}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask("livez").await.0, 200);
    assert!(ask("metrics").await.1.contains("windlass_queue_depth{queue=\"windlass.builder\"} 0"));
    postgres.stop().await.unwrap();
    let (status, text) = ask("readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("ledger"), "{text}");
    assert_eq!(ask("livez").await.0, 200);
    postgres.start_again().await.unwrap();
    place.engine.ready("up").await.unwrap();
    place.close().await;
}

/// Documents alone are not worth a run, and a component that did not change keeps its image up to production.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_filtered_out_says_why_and_what_did_not_change_is_kept() {
    let components = json!({ "frontend": { "paths": ["frontend"] }, "backend": { "paths": ["backend", "VERSION"] } });
    let app = json!({ "paths": ["**", "!docs/**"], "components": components });
    let place = Place::open(&Options { app, ..Options::default() }, Layout::Together).await.unwrap();
    let (first, _) = place.push("main", &[("VERSION", "3.0.0\n")]).await;
    place.verdict("production", &first).await;

    let (docs, webhook) = place.push("main", &[("docs/read.me", "x")]).await;
    let ignored = place
        .event("event.ignored", |event| event["summary"].as_str().unwrap().contains("neither tested nor built"))
        .await;
    let id = ignored["attributes"]["id"].as_str().unwrap();
    for id in [&webhook, id] {
        let shown = place.windlass(&["events", "show", id]).await;
        for words in [&docs[..12], &first[..12], "the one file", "`apps.shop.paths` (**, !docs/**)"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    let (second, _) = place.push("main", &[("VERSION", "3.1.0\n")]).await;
    let kept = place.event("image.built", |event| event["data"]["unchanged_since"] == first.as_str()).await;
    assert_eq!((&kept["data"]["component"], &kept["data"]["reused"]), (&json!("frontend"), &json!(true)));
    let verdict = place.verdict("production", &second).await;
    assert_eq!(verdict["data"]["healthy"], true);
    let release = &verdict["data"]["deployment"]["release"];
    assert_eq!(
        (&release["frontend"]["commit"], &release["frontend"]["digest"]),
        (&json!(first), &kept["data"]["digest"])
    );
    assert_eq!(verdict["data"]["deployment"]["changed"], json!(["backend"]));
    assert_eq!(place.shop.health("production").await.unwrap()["version"], "3.1.0");
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn show_tells_the_whole_chain_of_an_event() {
    let place = Place::embedded().await;
    let (commit, event) = place.push("main", &[("VERSION", "2.5.0\n")]).await;
    place.event("scan.finished", |event| event["data"]["change"]["commit"] == commit.as_str()).await;
    let shown = place.engine.json(&["events", "show", &event[..8], "--json"]).await.unwrap();
    let kinds: Vec<_> = shown[0]["chain"].as_array().unwrap().iter().map(|e| e["attributes"]["type"].clone()).collect();
    assert_eq!(kinds[..3], ["webhook.received", "push.received", "tests.finished"]);
    let text = place.windlass(&["events", "show", &event[..8]]).await;
    assert!(text.contains("push.received") && text.contains("chain"), "{text}");
    place.verdict("staging", &commit).await;
    place.close().await;
}
