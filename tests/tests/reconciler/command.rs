//! `windlass reconcile`, as an operator has it.

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
    assert!(error.contains("no source `gitlab` is reconciled; there are: github"), "{error}");
    world.github.revoke_tokens();
    assert!(windlass(&["reconcile"]).await.is_err());
}
