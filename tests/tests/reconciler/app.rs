//! Asked by a GitHub App: about its own webhook, and about those it is installed on.

use reconciler::Mode;

use crate::world::{Over, World};

async fn with_app(owner: &str, hooks: &str, installed: &[&str]) -> World {
    let reconcile = format!("app: {{ id: 12345, private_key: 'file:{{folder}}/app.pem' }}{hooks}");
    let world = World::with(Over::Files, owner, &reconcile).await;
    let app = world.github.app("12345", installed).await.unwrap();
    world.folder.write("app.pem", &app.private_key).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_recovers_what_its_own_webhook_missed() {
    let mut world = with_app("app", "", &[]).await;
    world.outage(5);
    world.receive().await;
    let report = world.sweep().await;
    assert_eq!((report.came, report.place.as_str()), (5, "github app"), "{report}");
    world.each_has_one_effect(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_asks_about_an_organisation_as_its_installation() {
    let mut world = with_app("orgs/acme", ", hooks: [{ organisation: acme }]", &["repos/x/y", "orgs/acme"]).await;
    world.outage(5);
    world.receive().await;
    assert_eq!(world.sweep().await.came, 5);
    world.github.revoke_tokens();
    assert_eq!(world.sweep().await.missing.len(), 0, "a new sweep has a token of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_installed_or_has_another_key_is_told_so() {
    let world = with_app("orgs/acme", ", hooks: [{ organisation: acme }]", &[]).await;
    let error = format!("{:#}", world.try_sweep(Mode::default()).await.unwrap_err());
    assert!(error.contains("the App is not installed on orgs/acme"), "{error}");
    // Another key than the one GitHub knows.
    world.github.app("12345", &["orgs/acme"]).await.unwrap();
    let error = format!("{:#}", world.try_sweep(Mode::default()).await.unwrap_err());
    assert!(error.contains("it does not know the App"), "{error}");
}
