//! The acts, and what must be so at the end of each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{
    engine::Engine,
    shop::{COMPONENTS, ENVIRONMENTS, Shop},
};

use crate::timeline::{Timeline, kind};

/// How long one act may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Who is asked before anything reaches production.
const APPROVER: &str = "grace";

/// What the app is given besides: production wants an approval, and a fix goes straight there without one.
pub(crate) fn gates() -> Value {
    json!({
        "environments": { "production": { "approval": { "approvers": 1, "by": [APPROVER] } } },
        "fast_path": { "skip": ["approval"], "to": ["production"] },
    })
}

/// Plays the acts and returns what was deployed where.
pub(crate) async fn tell(shop: &Shop, engine: &Engine, all: bool) -> Result<Vec<Value>> {
    let good = good(shop, engine).await.context("act one")?;
    let bad = bad(shop, engine, commit_of(&good)).await.context("act two")?;
    if !all {
        return Ok(vec![good, bad]);
    }
    ensure!(good["approved_by"] == APPROVER, "nobody was asked to approve the first release");
    let fix = fix(shop, engine, commit_of(&good)).await.context("act three")?;
    let merged = merged(shop, engine, commit_of(&bad), commit_of(&fix)).await.context("act four")?;
    Ok(vec![good, bad, fix, merged])
}

fn commit_of(act: &Value) -> &str {
    act["commit"].as_str().unwrap_or_default()
}

async fn good(shop: &Shop, engine: &Engine) -> Result<Value> {
    eprintln!("\nAct one: a change is pushed to main");
    let began = Instant::now();
    let mut timeline = Timeline::follow(engine.windlass(&[])?)?;
    let title = "Greet customers by name";
    let commit = shop.push("main", &[("VERSION", "1.1.0\n")], title).await?;
    let event = deliver(shop, "main", &commit, title).await?;
    let (ended, approved_by) = production(&mut timeline, engine, "production to be healthy").await?;
    ensure!(verdict(&ended, "production") == Some(true), "production is unhealthy: {}", ended["data"]["summary"]);
    for environment in ENVIRONMENTS {
        runs(shop, environment, &commit, "1.1.0").await?;
    }
    Ok(json!({
        "act": "a signed push becomes a healthy deployment",
        "commit": commit, "event": event, "approved_by": approved_by, "seconds": began.elapsed().as_secs_f64(),
        "environments": deployed(shop).await?,
    }))
}

async fn bad(shop: &Shop, engine: &Engine, healthy: &str) -> Result<Value> {
    eprintln!("\nAct two: a version that needs a setting production does not have");
    let began = Instant::now();
    let before = manifests(shop, "production").await?;
    let mut timeline = Timeline::follow(engine.windlass(&[])?)?;
    let title = "Take payments";
    let files = [("VERSION", "1.2.0\n"), ("backend/required", "DATABASE_URL\nPAYMENTS_URL\n")];
    let commit = shop.push("main", &files, title).await?;
    let event = deliver(shop, "main", &commit, title).await?;
    let (first, _) = production(&mut timeline, engine, "a verdict over production").await?;
    ensure!(verdict(&first, "production") == Some(false), "production should have been found unhealthy");
    let second =
        timeline.until("the rollback's verdict", PATIENCE, |event| verdict(event, "production").is_some()).await?;
    ensure!(verdict(&second, "production") == Some(true), "the rollback is unhealthy: {}", second["data"]["summary"]);
    let reason = &second["data"]["deployment"]["reason"];
    ensure!(reason == "rollback", "production became healthy by {reason}, not by a rollback");
    runs(shop, "staging", &commit, "1.2.0").await?;
    runs(shop, "production", healthy, "1.1.0").await?;
    let after = manifests(shop, "production").await?;
    ensure!(before == after, "production's manifests are not what they were: {after:?}");
    Ok(json!({
        "act": "a bad version is taken back",
        "commit": commit, "event": event, "seconds": began.elapsed().as_secs_f64(), "environments": deployed(shop).await?,
    }))
}

async fn fix(shop: &Shop, engine: &Engine, healthy: &str) -> Result<Value> {
    eprintln!("\nAct three: an urgent fix of what is in production, past staging and without an approval");
    let began = Instant::now();
    let mut timeline = Timeline::follow(engine.windlass(&[])?)?;
    let title = "Spell the greeting right";
    shop.go_to(healthy).await?;
    let commit = shop.push("hotfix/greeting", &[("VERSION", "1.1.1\n")], title).await?;
    let event = deliver(shop, "hotfix/greeting", &commit, title).await?;
    let (ended, approved_by) = production(&mut timeline, engine, "the fix to be healthy in production").await?;
    ensure!(approved_by.is_none(), "somebody was asked to approve the fix");
    ensure!(verdict(&ended, "production") == Some(true), "the fix is unhealthy: {}", ended["data"]["summary"]);
    runs(shop, "production", &commit, "1.1.1").await?;
    let owed = owed(engine).await?;
    ensure!(owed.contains(&commit[..12]), "`windlass status` does not say that the fix is owed: {owed}");
    Ok(json!({
        "act": "a fix takes the fast path and is owed",
        "commit": commit, "event": event, "owed": owed, "seconds": began.elapsed().as_secs_f64(),
        "environments": deployed(shop).await?,
    }))
}

async fn merged(shop: &Shop, engine: &Engine, main: &str, fix: &str) -> Result<Value> {
    eprintln!("\nAct four: the fix is merged into main, which does without the payments for now");
    let began = Instant::now();
    let mut timeline = Timeline::follow(engine.windlass(&[])?)?;
    let title = "Merge the fix, and take payments later";
    shop.go_to(main).await?;
    shop.merge(fix).await?;
    let files = [("VERSION", "1.3.0\n"), ("backend/required", "DATABASE_URL\n")];
    let commit = shop.push("main", &files, title).await?;
    let event = deliver(shop, "main", &commit, title).await?;
    let (ended, approved_by) = production(&mut timeline, engine, "production to be healthy").await?;
    ensure!(verdict(&ended, "production") == Some(true), "production is unhealthy: {}", ended["data"]["summary"]);
    ensure!(approved_by.is_some(), "nobody was asked to approve what is not a fix");
    for environment in ENVIRONMENTS {
        runs(shop, environment, &commit, "1.3.0").await?;
    }
    let owed = owed(engine).await?;
    ensure!(owed.is_empty(), "the fix is in main and still owed: {owed}");
    Ok(json!({
        "act": "the fix is merged back, and no more owed",
        "commit": commit, "event": event, "approved_by": approved_by, "seconds": began.elapsed().as_secs_f64(),
        "environments": deployed(shop).await?,
    }))
}

/// Waits for a verdict over production, and grants what approvals are asked for meanwhile; who did so, if anybody.
async fn production(timeline: &mut Timeline, engine: &Engine, what: &str) -> Result<(Value, Option<&'static str>)> {
    let mut approved_by = None;
    loop {
        let asks = |event: &Value| kind(event) == "approval.requested";
        let event =
            timeline.until(what, PATIENCE, |event| asks(event) || verdict(event, "production").is_some()).await?;
        if !asks(&event) {
            return Ok((event, approved_by));
        }
        let approval = event["data"]["approval"].as_str().context("an approval without its id")?;
        eprintln!("           {APPROVER} looks at it: windlass approve {}", &approval[..8]);
        let comment = ["--as", APPROVER, "--comment", "the numbers in staging are good"];
        let mut windlass = engine.windlass(&["approve", approval])?;
        windlass.args(comment);
        testkit::process::run(windlass).await?;
        approved_by = Some(APPROVER);
    }
}

/// What `windlass status` says is owed.
async fn owed(engine: &Engine) -> Result<String> {
    let status = testkit::process::run(engine.windlass(&["status"])?).await?;
    Ok(status.lines().filter(|line| line.trim_start().starts_with("owed")).collect::<Vec<_>>().join("\n"))
}

async fn deliver(shop: &Shop, branch: &str, commit: &str, title: &str) -> Result<Value> {
    let (status, answer) = shop.deliver(&shop.push_payload(branch, commit, title)).await?;
    ensure!(status == 202, "the receiver answered {status}: {answer}");
    Ok(answer["event"].clone())
}

/// The verdict, if this is one over that environment.
fn verdict(event: &Value, environment: &str) -> Option<bool> {
    let is_it = kind(event) == "health.reported" && event["data"]["deployment"]["environment"] == environment;
    if is_it { event["data"]["healthy"].as_bool() } else { None }
}

/// Asks the process itself, and holds what it says against the manifest and the registry.
async fn runs(shop: &Shop, environment: &str, commit: &str, version: &str) -> Result<()> {
    let health = shop.health(environment).await?;
    ensure!(health["revision"] == commit, "{environment} runs {}, not {commit}", health["revision"]);
    ensure!(health["version"] == version, "{environment} runs version {}, not {version}", health["version"]);
    for component in COMPONENTS {
        let manifest = shop.manifest(environment, component).await?;
        let digest = manifest.split_once('@').map_or("", |(_, digest)| digest);
        let in_registry = shop.registry.resolve(&format!("acme/shop-{component}"), commit).await?;
        let in_registry = in_registry.with_context(|| format!("the registry has no {component} of {commit}"))?;
        ensure!(digest == in_registry, "{environment}'s manifest asks for {manifest}, the registry has {in_registry}");
    }
    Ok(())
}

async fn manifests(shop: &Shop, environment: &str) -> Result<Vec<String>> {
    let mut images = Vec::new();
    for component in COMPONENTS {
        images.push(shop.manifest(environment, component).await?);
    }
    Ok(images)
}

async fn deployed(shop: &Shop) -> Result<Value> {
    let mut all = json!({});
    for environment in ENVIRONMENTS {
        for component in COMPONENTS {
            all[environment][component] = json!(shop.manifest(environment, component).await?);
        }
    }
    Ok(all)
}
