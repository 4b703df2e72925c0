//! What operators order, by the command itself, of an engine at work.

use anyhow::ensure;
use serde_json::Value;
use testkit::{process, shop::COMPONENTS, wait};

use crate::{Place, SOON};

impl Place {
    /// Has an operator order this, and tells the event that came of it.
    async fn orders(&self, arguments: &[&str]) -> String {
        let answer = self.windlass(&[arguments, &["--as", "ada", "--reason", "because it is tried"]].concat()).await;
        let id = answer.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(answer.starts_with("ordered") && id.len() == 36, "{answer}");
        id
    }

    /// Why the command does not do this.
    async fn refused(&self, arguments: &[&str]) -> String {
        format!("{:#}", process::run(self.engine.windlass(arguments).unwrap()).await.unwrap_err())
    }

    /// Why it does not order this.
    async fn refuses(&self, arguments: &[&str]) -> String {
        self.refused(&[arguments, &["--as", "ada", "--reason", "because it is tried"]].concat()).await
    }

    /// Waits until `windlass status` says all of this, and of that nothing.
    async fn status(&self, says: &[&str], not: &[&str]) {
        let what = format!("a status with {says:?} and without {not:?}");
        let found = wait::until(SOON, &what, async || {
            let status = self.windlass(&["status", "shop"]).await;
            let fits =
                says.iter().all(|words| status.contains(words)) && !not.iter().any(|words| status.contains(words));
            ensure!(fits, "{status}");
            Ok(())
        });
        found.await.unwrap();
    }

    /// Waits until production itself says that it is of this version, and its verdict is known.
    async fn runs(&self, version: &str, commit: &str, reason: &str) {
        let verdict = self.event("health.reported", |event| {
            let deployment = &event["data"]["deployment"];
            deployment["environment"] == "production"
                && deployment["reason"] == reason
                && deployment["release"]["backend"]["commit"] == commit
        });
        let verdict = verdict.await;
        assert_eq!(verdict["data"]["healthy"], true, "{verdict}");
        assert_eq!(self.shop.health("production").await.unwrap()["version"], version);
    }

    async fn deployed(&self, version: &str) -> String {
        let (commit, _) = self.push("main", &[("VERSION", &format!("{version}\n"))]).await;
        self.verdict("production", &commit).await;
        self.runs(version, &commit, "promotion").await;
        commit
    }

    /// Why nothing came of an order.
    async fn nothing_of(&self, order: &str) -> String {
        let ignored = self.event("event.ignored", |event| event["attributes"]["causationid"] == order).await;
        ignored["summary"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_held_let_go_taken_back_and_what_was_bad_released() {
    let place = Place::embedded().await;
    let first = place.deployed("3.0.0").await;

    place.orders(&["hold", "shop", "production"]).await;
    place.status(&["because it is tried"], &[]).await;
    let (second, _) = place.push("main", &[("VERSION", "3.1.0\n")]).await;
    let waiting = place.event("release.waiting", |event| event["data"]["environment"] == "production").await;
    assert!(waiting["data"]["waits_for"].as_str().unwrap().contains("held by ada"), "{waiting}");
    place.status(&["held by ada"], &[]).await;
    assert_eq!(place.shop.health("production").await.unwrap()["version"], "3.0.0");
    place.orders(&["unhold", "shop", "production"]).await;
    place.runs("3.1.0", &second, "promotion").await;
    place.status(&[], &["held by ada"]).await;
    let order = place.orders(&["unhold", "shop", "production"]).await;
    assert!(place.nothing_of(&order).await.contains("production was not held"));

    // By a source commit's beginning. What is taken back is barred, so the way back to it is shut.
    assert_eq!(place.windlass(&["quarantine", "list"]).await, "");
    let why = place.refuses(&["rollback", "shop", "production", "--to", "0000000"]).await;
    assert!(why.contains("`0000000` names nothing that was healthy there; the last that were: "), "{why}");
    let why = place.refuses(&["settle", "shpo", &first[..12]]).await;
    assert!(
        why.contains("there is no app `shpo` in the configuration; write `shop`, if that is meant; there are: shop"),
        "{why}"
    );
    let why = place.refused(&["events", "--app", "shpo"]).await + &place.refused(&["status", "shpo"]).await;
    assert_eq!(
        why.matches("there is no app `shpo` in the configuration; write `shop`, if that is meant; there are: shop")
            .count(),
        2,
        "{why}"
    );
    let why = place.refused(&["events", "--type", "health.report"]).await;
    assert!(why.contains("unknown event type; known: ") && why.contains("health.reported"), "{why}");
    place.orders(&["rollback", "shop", "production", "--to", &first[..12]]).await;
    place.runs("3.0.0", &first, "rollback").await;
    let listed = place.windlass(&["quarantine", "list"]).await;
    assert_eq!(listed.lines().count(), COMPONENTS.len(), "{listed}");
    assert!(listed.lines().all(|line| line.contains("taken back from production by ada: because it is tried")));
    let order = place.orders(&["rollback", "shop", "production", "--to", &second[..12]]).await;
    assert!(place.nothing_of(&order).await.contains("see `windlass quarantine release`"));

    for digest in listed.lines().map(|line| line.split_whitespace().nth(1).unwrap()) {
        place.orders(&["quarantine", "release", "shop", &digest["sha256:".len()..][..12]]).await;
    }
    let emptied = wait::until_true(SOON, "an empty quarantine", async || {
        place.windlass(&["quarantine", "list"]).await.is_empty()
    });
    emptied.await.unwrap();
    // By a GitOps revision this time.
    let healthy = place.event("manifest.bumped", |event| {
        let deployment = &event["data"]["deployment"];
        deployment["environment"] == "production" && deployment["release"]["backend"]["commit"] == second.as_str()
    });
    let revision = healthy.await["data"]["deployment"]["revision"].as_str().unwrap().to_owned();
    place.orders(&["rollback", "shop", "production", "--to", &revision[..12]]).await;
    place.runs("3.1.0", &second, "rollback").await;
    place.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_a_person_settles_holds_up_main_no_more() {
    let place = Place::embedded().await;
    let first = place.deployed("3.2.0").await;
    let (fix, _) = place.push("hotfix/login", &[("VERSION", "3.2.1\n")]).await;
    assert_eq!(place.verdict("production", &fix).await["data"]["healthy"], true);
    place.status(&["owed", &fix[..12]], &[]).await;

    // Main goes on from before the fix.
    place.shop.go_to(&first).await.unwrap();
    let (main, _) = place.push("main", &[("VERSION", "3.3.0\n")]).await;
    let for_the_fix =
        |event: &Value| event["data"]["waits_for"].as_str().is_some_and(|words| words.contains(&fix[..12]));
    let waiting = place.event("release.waiting", for_the_fix).await;
    assert!(waiting["data"]["waits_for"].as_str().unwrap().contains("`windlass settle`"), "{waiting}");
    assert_eq!(place.verdicts("staging", &main).await, 0);

    let mut unknown = place.engine.windlass(&["settle", "shop", "0000000", "--as", "ada", "--reason", "x"]).unwrap();
    let unknown = unknown.output().unwrap();
    let words = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && words.contains("no fix that `shop` owes begins with"), "{words}");
    place.orders(&["settle", "shop", &fix[..7]]).await;
    assert_eq!(place.verdict("production", &main).await["data"]["healthy"], true);
    assert_eq!(place.shop.health("production").await.unwrap()["version"], "3.3.0");
    place.status(&[], &["owed"]).await;
    let settled = place.event("fix.settled", |event| event["data"]["commit"] == fix.as_str()).await;
    assert_eq!((&settled["data"]["by"], &settled["data"]["reason"]), (&"ada".into(), &"because it is tried".into()));
    place.close().await;
}
