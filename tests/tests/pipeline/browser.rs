//! The console in a real browser: an operator lets a release in, takes it back and replays what died, with scripts and
//! without, on a wide screen and on a phone.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use testkit::{
    engine::Layout,
    folder::Folder,
    shop::{OPERATORS, Options},
    wait,
};

use crate::{Place, SOON};

const PROGRAM: &str = include_str!("browser.mjs");
/// Debian's; every other is another test.
const BROWSER: &str = "/usr/bin/chromium";
/// What a stranger's commit may be called.
const HOSTILE: &str = r#"<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>"#;
/// Why something is taken back, with a word that is wider than a phone.
const REASON: &str =
    "checkout is slow: https://dashboards.shop.example/d/checkout/latency?from=now-1h&to=now&var-region=eu";
/// Where pictures of the pages are kept, for whoever wants to see them.
const SHOTS: &str = "WINDLASS_SHOTS";

/// An operator before the console.
struct Stage {
    place: Place,
    shots: PathBuf,
    _pictures: Folder,
}

impl Stage {
    async fn open() -> Self {
        let app = json!({ "environments": { "production": { "approval": "required" } } });
        // A registry's word has no title; the build's own has.
        let options = Options { app, notifications: false, ..Options::default() };
        let place = Place::open(&options, Layout::Together).await.unwrap();
        let pictures = Folder::new("pictures").unwrap();
        let shots = std::env::var_os(SHOTS).map_or_else(|| pictures.path().to_owned(), PathBuf::from);
        Self { place, shots, _pictures: pictures }
    }

    /// Plays an act, and tells what was seen. A browser has nothing to complain of.
    async fn plays(&self, act: &str, more: Value) -> Value {
        let seen = self.sees(act, more).await;
        assert_eq!(seen["troubles"], json!([]), "{act}: {seen}");
        seen
    }

    async fn sees(&self, act: &str, more: Value) -> Value {
        let (_, token, _) = OPERATORS[0];
        let mut task = json!({
            "act": act, "url": self.place.shop.console(), "token": token, "program": BROWSER, "shots": self.shots, "scripts": true,
            "patience": SOON.as_millis(), "app": "shop", "environment": "production", "screen": {},
        });
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tokio::task::spawn_blocking(move || asked(&task)).await.unwrap()
    }

    /// Pushes a version of the shop under this title, and waits until it waits for production; its commit.
    async fn waits(&self, version: &str, title: &str) -> String {
        let shop = &self.place.shop;
        let commit = shop.push("main", &[("VERSION", &format!("{version}\n"))], title).await.unwrap();
        let (status, answer) = shop.deliver(&shop.push_payload("main", &commit, title)).await.unwrap();
        assert_eq!(status, 202, "{answer}");
        let asks = |event: &Value| event["data"]["release"]["backend"]["commit"] == commit.as_str();
        self.place.event("approval.requested", asks).await;
        commit
    }

    async fn version(&self) -> Value {
        self.place.shop.health("production").await.unwrap()["version"].clone()
    }
}

/// What the browser's driver says to a task.
fn asked(task: &Value) -> Value {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../node");
    assert!(Path::new(BROWSER).exists(), "{BROWSER} is missing; ./scripts/test installs it");
    // A program that is an argument finds its packages from the working folder.
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", PROGRAM])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node in {}: {error}; ./scripts/test installs it", folder.display()));
    node.stdin.take().unwrap().write_all(&serde_json::to_vec(task).unwrap()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", task["act"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {said}"))
}

#[track_caller]
fn has(seen: &Value, key: &str, words: &[&str]) {
    let text = seen[key].as_str().unwrap_or_default();
    let missing: Vec<_> = words.iter().filter(|words| !text.contains(**words)).collect();
    assert!(missing.is_empty(), "no {missing:?} in {key}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_a_release_in_takes_it_back_and_replays_what_died() {
    let stage = Stage::open().await;
    let place = &stage.place;
    let stranger = stage.sees("stranger", json!({})).await;
    has(&stranger, "said", &["this token is nobody's here", "check the token"]);
    assert_eq!(stranger["cookies"], 0, "{stranger}");

    // A commit's title is anybody's, and is shown as what it is: text.
    let first = stage.waits("5.0.0", HOSTILE).await;
    let seen = stage.plays("approve", json!({ "commit": first, "comment": "as tried in staging" })).await;
    has(&seen, "waits", &["waits for 1 approval", HOSTILE]);
    let asked = place.event("approval.requested", |_| true).await;
    let digest = asked["data"]["release"]["backend"]["digest"].as_str().unwrap().to_owned();
    has(&seen, "shown", &[HOSTILE, &digest, &first, "What would change", "What speaks for it"]);
    assert_eq!(seen["markup"], 0, "{seen}");
    has(&seen, "title", &["shop for production"]);
    let granted = place.event("approval.granted", |event| event["data"]["by"] == "ada").await;
    assert_eq!(granted["data"]["comment"], "as tried in staging");
    has(&seen, "event", &[&format!("/events/{}", granted["attributes"]["id"].as_str().unwrap())]);
    assert_eq!(stage.version().await, "5.0.0");

    // The same where no script runs, on a phone.
    let phone = json!({ "viewport": { "width": 360, "height": 740 }, "isMobile": true });
    let second = stage.waits("5.1.0", "A change").await;
    let without = json!({ "commit": second, "comment": "", "scripts": false, "screen": phone });
    stage.plays("approve", without).await;
    assert_eq!(stage.version().await, "5.1.0");
    let seen = stage.plays("rollBack", json!({ "reason": REASON, "scripts": false, "screen": phone })).await;
    has(&seen, "stays", &["/apps/shop/environments/production/rollback"]);
    let ordered = place.event("rollback.requested", |_| true).await;
    assert_eq!((&ordered["data"]["by"], &ordered["data"]["reason"]), (&"ada".into(), &REASON.into()));
    place.event("health.reported", |event| event["data"]["deployment"]["reason"] == "rollback").await;
    assert_eq!(stage.version().await, "5.0.0");

    // The fault is in the world outside; once it is mended, what died of it is replayed.
    place.shop.git.reject_pushes("acme/shop-gitops", "main is protected").unwrap();
    let (third, _) = place.push("main", &[("VERSION", "5.2.0\n")]).await;
    wait::until_true(SOON, "a dead letter", async || !place.dead().await.is_empty()).await.unwrap();
    place.shop.git.accept_pushes("acme/shop-gitops").unwrap();
    let seen = stage.plays("replay", json!({})).await;
    has(&seen, "listed", &["main is protected", "bumper"]);
    has(&seen, "dry", &["would go to bumper"]);
    assert_eq!(place.verdict("staging", &third).await["data"]["healthy"], true);
    let replayed = place.engine.json(&["dead", "list", "--json", "--with-replayed"]).await.unwrap();
    assert!(replayed.iter().any(|letter| letter["replayed_by"] == "ada"), "{replayed:?}");

    let (letter, event) = (replayed[0]["id"].as_str().unwrap(), ordered["attributes"]["id"].as_str().unwrap());
    let asked =
        place.event("approval.requested", |event| event["data"]["release"]["backend"]["commit"] == third.as_str());
    let approval = asked.await["data"]["approval"].as_str().unwrap().to_owned();
    let paths = [
        "/".to_owned(),
        "/events".to_owned(),
        format!("/events/{event}"),
        format!("/events/{event}/replay"),
        format!("/approvals/{approval}"),
        "/apps/shop/environments/production/hold".to_owned(),
        "/apps/shop/environments/production/rollback".to_owned(),
        "/dead?with_replayed=true".to_owned(),
        format!("/dead/{letter}"),
    ];
    let seen = stage.plays("look", json!({ "paths": paths })).await;
    assert_eq!(seen["seen"].as_array().map(Vec::len), Some(2 * paths.len()), "{seen}");
    stage.place.close().await;
}
