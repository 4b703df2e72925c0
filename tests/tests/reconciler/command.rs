//! `windlass reconcile`, as an operator has it.

use reconciler::Mode;
use serde_json::Value;
use testkit::process;

use crate::world::{Over, World, program};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_is_missing_and_has_it_come() {
    let mut world = World::open(Over::Files).await;
    let missed = world.outage(4);
    world.receive().await;
    let windlass = async |arguments: &[&str]| {
        let mut command = program("windlass", &world.config());
        command.args(arguments);
        process::run(command).await
    };
    let said = windlass(&["reconcile", "--dry-run"]).await.unwrap();
    assert!(said.contains("github repos/acme/shop: 4 deliveries since") && said.contains("4 to ask for"), "{said}");
    assert!(missed.iter().all(|guid| said.contains(guid)), "{said}");
    assert_eq!(world.github.requests().redeliveries, 0);
    let said = windlass(&["reconcile", "--source", "github"]).await.unwrap();
    assert!(said.contains("4 asked for, 4 came"), "{said}");
    world.each_has_one_effect(4).await;
    let said = windlass(&["reconcile"]).await.unwrap();
    assert!(said.contains("0 to ask for"), "{said}");
    let error = format!("{:#}", windlass(&["reconcile", "--source", "gitlab"]).await.unwrap_err());
    assert!(error.contains("there is no source `gitlab`; there are: github"), "{error}");
    world.github.revoke_tokens();
    assert!(windlass(&["reconcile"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_says_when_it_was_swept_and_what_could_not_be_done() {
    let mut world = World::open(Over::Files).await;
    world.outage(2);
    let config = world.config();
    let said = || {
        let shown = program("windlass", &config).args(["doctor", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let mut sweeps = report["checks"].as_array().unwrap().iter().filter(|check| check["part"] == "sweeps");
        let found = sweeps.next().unwrap().clone();
        assert!(found["about"] == "github repos/acme/shop" && sweeps.next().is_none(), "{report}");
        (found["standing"].as_str().unwrap().to_owned(), found["says"].as_str().unwrap().to_owned())
    };
    let (standing, says) = said();
    assert!(standing == "warning" && says.contains("never swept"), "{says}");
    world.sweep().await;
    let (standing, says) = said();
    assert!(standing == "warning" && says.contains("nobody takes what is sent here, and 2 deliveries wait"), "{says}");
    world.github.revoke_tokens();
    assert!(world.try_sweep(Mode::default()).await.is_err());
    let (standing, says) = said();
    assert!(standing == "warning" && says.contains("it does not know who we are"), "{says}");
    world.folder.write("token", &world.github.token()).unwrap();
    world.receive().await;
    world.sweep().await;
    let (standing, says) = said();
    assert!(standing == "ok" && says.starts_with("last swept just now"), "{says}");
}
