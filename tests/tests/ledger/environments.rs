//! Environments and quarantine.

use ledger::{EnvironmentState, Quarantined};
use proto::{AppName, Deployment, Digest, EnvironmentName, EventId, Timestamp};
use serde_json::json;

use crate::{place::Place, samples::time};

fn app(name: &str) -> AppName {
    AppName::new(name).unwrap()
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

fn deployment(app: &str, environment: &str) -> Deployment {
    let released = json!({
        "image": "ghcr.io/acme/shop-frontend",
        "tag": "main-1",
        "digest": format!("sha256:{}", "a".repeat(64)),
        "commit": "b".repeat(40),
    });
    let deployment = json!({
        "app": app,
        "environment": environment,
        "repository": "https://github.com/acme/gitops.git",
        "branch": "main",
        "path": environment,
        "revision": "c".repeat(40),
        "release": { "frontend": released },
        "changed": ["frontend"],
        "reason": "deploy",
        "note": "a title with \u{0} and \"quotes\"",
    });
    serde_json::from_value(deployment).unwrap()
}

fn state(app: &str, environment: &str, healthy: bool) -> EnvironmentState {
    let current = deployment(app, environment);
    let last_healthy = healthy.then(|| current.clone());
    let updated_at: Timestamp = time("2026-03-01T10:00:00.123456789Z");
    EnvironmentState {
        app: current.app.clone(),
        environment: current.environment.clone(),
        current,
        healthy,
        last_healthy,
        updated_at,
    }
}

pub(crate) async fn what_is_known_is_replaced_whole(place: Place) {
    let ledger = place.open().await;
    let (shop, staging) = (app("shop"), environment("staging"));
    assert_eq!(ledger.environment(&shop, &staging).await.unwrap(), None);
    for healthy in [true, false] {
        let state = state("shop", "staging", healthy);
        ledger.put_environment(&state).await.unwrap();
        assert_eq!(ledger.environment(&shop, &staging).await.unwrap(), Some(state));
    }
    assert_eq!(ledger.environment(&shop, &environment("production")).await.unwrap(), None);
}

pub(crate) async fn environments_are_listed_by_app_and_name(place: Place) {
    let ledger = place.open().await;
    for (app, environment) in [("shop", "staging"), ("a-b", "x"), ("shop", "production"), ("ab", "x")] {
        ledger.put_environment(&state(app, environment, true)).await.unwrap();
    }
    let listed = ledger.environments().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|state| (state.app.as_str(), state.environment.as_str())).collect();
    assert_eq!(listed, [("a-b", "x"), ("ab", "x"), ("shop", "production"), ("shop", "staging")]);
}

pub(crate) async fn a_digest_is_barred_once_and_for_its_app_only(place: Place) {
    let ledger = place.open().await;
    let digest = |c: &str| Digest::new(format!("sha256:{}", c.repeat(64))).unwrap();
    let first = Quarantined {
        app: app("shop"),
        digest: digest("a"),
        reason: "unhealthy in production".to_owned(),
        event: EventId::fresh(),
        at: time("2026-03-01T10:00:00.123456Z"),
    };
    ledger.quarantine(&first).await.unwrap();
    ledger.quarantine(&Quarantined { reason: "another".to_owned(), ..first.clone() }).await.unwrap();
    assert_eq!(ledger.quarantined(&first.app, &first.digest).await.unwrap(), Some(first.clone()));
    assert_eq!(ledger.quarantined(&app("blog"), &first.digest).await.unwrap(), None);
    assert_eq!(ledger.quarantined(&first.app, &digest("b")).await.unwrap(), None);
    assert_eq!(ledger.quarantines().await.unwrap(), [first.clone()]);
    ledger.pardon(&Quarantined { event: EventId::fresh(), ..first.clone() }).await.unwrap();
    assert_eq!(ledger.quarantined(&first.app, &first.digest).await.unwrap(), Some(first.clone()), "another's entry");
    ledger.pardon(&first).await.unwrap();
    assert_eq!(ledger.quarantined(&first.app, &first.digest).await.unwrap(), None);
}
