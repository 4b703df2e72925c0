//! The two acts, and what must be so at the end of each.

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

/// Plays both acts and returns what was deployed where.
pub(crate) async fn tell(shop: &Shop, engine: &Engine) -> Result<Vec<Value>> {
    let good = good(shop, engine).await.context("act one")?;
    let commit = good["commit"].as_str().unwrap_or_default().to_owned();
    let bad = bad(shop, engine, &commit).await.context("act two")?;
    Ok(vec![good, bad])
}

async fn good(shop: &Shop, engine: &Engine) -> Result<Value> {
    eprintln!("\nAct one: a change is pushed to main");
    let began = Instant::now();
    let mut timeline = Timeline::follow(engine.windlass(&[])?)?;
    let title = "Greet customers by name";
    let commit = shop.push("main", &[("VERSION", "1.1.0\n")], title).await?;
    let event = deliver(shop, &commit, title).await?;
    let ended =
        timeline.until("production to be healthy", PATIENCE, |event| verdict(event, "production").is_some()).await?;
    ensure!(verdict(&ended, "production") == Some(true), "production is unhealthy: {}", ended["data"]["summary"]);
    for environment in ENVIRONMENTS {
        runs(shop, environment, &commit, "1.1.0").await?;
    }
    Ok(json!({
        "act": "a signed push becomes a healthy deployment",
        "commit": commit, "event": event, "seconds": began.elapsed().as_secs_f64(), "environments": deployed(shop).await?,
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
    let event = deliver(shop, &commit, title).await?;
    let first =
        timeline.until("a verdict over production", PATIENCE, |event| verdict(event, "production").is_some()).await?;
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

async fn deliver(shop: &Shop, commit: &str, title: &str) -> Result<Value> {
    let (status, answer) = shop.deliver(&shop.push_payload("main", commit, title)).await?;
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
