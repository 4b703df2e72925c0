//! The console: stories of operators over an engine at work, and its door, tried by everybody else.

mod browser;
mod described;
mod door;
mod fits;
mod pages;
mod programs;
mod stand;

use anyhow::ensure;
use browser::Browser;
use serde_json::{Value, json};
use testkit::{
    engine::Layout,
    shop::{OPERATORS, Options},
    wait,
};

use crate::{Place, SOON};

impl Place {
    /// One of the shop's operators, signed in.
    async fn operator(&self, name: &str) -> Browser {
        let (_, token, _) = OPERATORS.iter().find(|(known, ..)| *known == name).unwrap();
        Browser::signed_in(&self.shop.console(), token).await
    }

    /// Waits until a page of the console says this.
    async fn page(&self, browser: &Browser, path: &str, says: &str) -> String {
        let what = format!("a page {path} that says {says}");
        let found = wait::until(SOON, &what, async || {
            let page = browser.get(path).await;
            ensure!(page.text.contains(says), "{page}");
            Ok(page.text)
        });
        found.await.unwrap()
    }
}

/// Whoever wrote it may not let it in; whoever may does so once, however often the button is pressed.
async fn an_approval_goes_on_with_the_chain(place: Place) {
    let (commit, _) = place.push("main", &[("VERSION", "4.0.0\n")]).await;
    let asked = place.event("approval.requested", |event| event["data"]["environment"] == "production").await;
    let approval = asked["data"]["approval"].as_str().unwrap();
    let path = format!("/approvals/{approval}");

    let (ada, dana) = (place.operator("ada").await, place.operator("Dana Developer").await);
    place.page(&ada, "/", &path).await;
    let page = place.page(&ada, &path, "It waits to go to production").await;
    for image in asked["data"]["release"].as_object().unwrap().values() {
        assert!(page.contains(image["digest"].as_str().unwrap()), "{page}");
    }
    assert!(page.contains("Dana Developer"), "{page}");

    let answer = dana.send(&path, &path, &[("answer", "approve")]).await;
    place.page(&dana, &answer.goes_on(), "wrote it, so somebody else must approve it").await;
    assert_eq!(place.verdicts("production", &commit).await, 0);

    let form = ada.form(&path, &path).await;
    let words = [("answer", "approve"), ("comment", "seen on staging")];
    let (first, second) = (ada.post(&form, &words).await, ada.post(&form, &words).await);
    assert_eq!(first.goes_on(), second.goes_on());
    assert_eq!(place.verdict("production", &commit).await["data"]["healthy"], true);
    assert_eq!(place.shop.health("production").await.unwrap()["version"], "4.0.0");
    let chain = place.page(&ada, &first.goes_on(), "production promotes").await;
    assert!(chain.contains("ada approves") && chain.contains("ada's approval for production counts"), "{chain}");
    let granted = place.events("approval.granted").await.unwrap();
    let by_ada: Vec<_> = granted.iter().filter(|event| event["data"]["by"] == "ada").collect();
    assert_eq!(by_ada.len(), 1, "{by_ada:?}");
    assert_eq!(by_ada[0]["data"]["comment"], "seen on staging");
    assert_eq!(by_ada[0]["attributes"]["source"], "/operators/console");
    place.page(&ada, &path, "It waits no more").await;
    place.close().await;
}

fn asks() -> Value {
    json!({ "environments": { "production": { "approval": "required" } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_at_the_console_goes_on_with_the_chain() {
    let place = Place::open(&Options { app: asks(), ..Options::default() }, Layout::Together).await.unwrap();
    an_approval_goes_on_with_the_chain(place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_held_taken_back_and_let_go_at_the_console() {
    let place = Place::embedded().await;
    let ada = place.operator("ada").await;
    let (first, _) = place.push("main", &[("VERSION", "4.1.0\n")]).await;
    place.verdict("production", &first).await;
    let (second, _) = place.push("main", &[("VERSION", "4.2.0\n")]).await;
    place.verdict("production", &second).await;

    let rollback = "/apps/shop/environments/production/rollback";
    let form = ada.form(rollback, rollback).await;
    let empty = ada.post(&form, &[("reason", "  ")]).await;
    assert_eq!(empty.status, 400, "{empty}");
    assert!(empty.text.contains("say why"), "{empty}");
    let words = [("to", &first[..12]), ("reason", "checkout is slow")];
    let (ordered, again) = (ada.post(&form, &words).await, ada.post(&form, &words).await);
    assert_eq!((ordered.status, ordered.goes_on()), (303, again.goes_on()));
    place
        .event("health.reported", |event| {
            event["data"]["deployment"]["reason"] == "rollback"
                && event["data"]["deployment"]["environment"] == "production"
        })
        .await;
    assert_eq!(place.shop.health("production").await.unwrap()["version"], "4.1.0");
    assert_eq!(place.events("rollback.requested").await.unwrap().len(), 1);
    let asked = place.event("rollback.requested", |_| true).await;
    assert_eq!((&asked["data"]["by"], &asked["data"]["reason"]), (&json!("ada"), &json!("checkout is slow")));

    let hold = "/apps/shop/environments/production/hold";
    ada.send(hold, hold, &[("reason", "a fix by hand")]).await.goes_on();
    let page = place.page(&ada, "/", "Held by ada").await;
    assert!(page.contains("a fix by hand") && page.contains("checkout is slow"), "{page}");
    let unhold = "/apps/shop/environments/production/unhold";
    ada.send(unhold, unhold, &[("reason", "done")]).await.goes_on();
    let barred = wait::until(SOON, "an overview without a hold", async || {
        let page = ada.get("/").await;
        ensure!(!page.text.contains("Held by ada"), "{page}");
        Ok(page.links("/apps/shop/quarantine/"))
    });
    for path in barred.await.unwrap() {
        ada.send(&path, &path, &[("reason", "it was the database")]).await.goes_on();
    }
    let emptied = wait::until_true(SOON, "an empty quarantine", async || {
        ada.get("/").await.links("/apps/shop/quarantine/").is_empty()
    });
    emptied.await.unwrap();
    place.close().await;
}

/// Over RabbitMQ and PostgreSQL, the console a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_at_a_console_of_its_own() {
    let place = Place::apart().await;
    place.shop.git.reject_pushes("acme/shop-gitops", "main is protected").unwrap();
    let (commit, _) = place.push("main", &[("VERSION", "4.3.0\n")]).await;
    let ada = place.operator("ada").await;
    let page = place.page(&ada, "/dead?worker=bumper&text=PROTECTED", "main is protected").await;
    assert!(page.contains("Replay the selected"), "{page}");
    place.shop.git.accept_pushes("acme/shop-gitops").unwrap();

    // The other image's event may die while the first one's is replayed.
    let replayed = wait::until(SOON, "no dead letter that is open", async || {
        let open = place.dead().await;
        for letter in &open {
            let id = letter["id"].as_str().unwrap();
            let dry = ada.send("/dead", "/dead/replay", &[("id", id)]).await;
            ensure!(dry.status == 200 && dry.text.contains("would go to"), "{dry}");
            let done = ada.post(&dry.form("/dead/replay"), &[]).await;
            assert_eq!(done.goes_on(), format!("/dead/{id}"));
        }
        let unhealthy = place.verdicts("staging", &commit).await == 0;
        ensure!(open.is_empty() && !unhealthy, "{open:?}");
        Ok(())
    });
    replayed.await.unwrap();
    assert_eq!(place.verdict("production", &commit).await["data"]["healthy"], true);
    let letters = place.engine.json(&["dead", "list", "--json", "--with-replayed"]).await.unwrap();
    assert!(letters.iter().all(|letter| letter["replayed_by"] == "ada"), "{letters:?}");
    place.close().await;
}
