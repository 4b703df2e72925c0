//! The fake Argo CD, through the client that Windlass uses.

use std::time::Duration;

use futures_util::TryStreamExt;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use testkit::argocd::{Behaviour, FakeArgo, Health, SyncEnd};
use testkit::wait;

const PATIENCE: Duration = Duration::from_secs(10);

async fn api(argo: &FakeArgo) -> Api<DynamicObject> {
    testkit::http::install_tls();
    let file = Kubeconfig::read_from(argo.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
    Api::namespaced_with(Client::try_from(config).unwrap(), "argocd", &ApiResource::from_gvk(&kind))
}

async fn patch(api: &Api<DynamicObject>, patch: Value) -> kube::Result<DynamicObject> {
    api.patch("app", &PatchParams::default(), &Patch::Merge(patch)).await
}

fn sync(revision: &str) -> Value {
    json!({ "operation": { "initiatedBy": { "username": "windlass" }, "sync": { "revision": revision } } })
}

async fn ended(argo: &FakeArgo, phase: &str) -> Value {
    wait::until(PATIENCE, "the operation to end", async || {
        let app = argo.application("argocd", "app")?;
        let state = &app["status"]["operationState"];
        anyhow::ensure!(state["phase"] == phase && app["operation"].is_null(), "it is {state}");
        Ok(app)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_refresh_and_a_sync_go_their_way() {
    let argo = FakeArgo::start().unwrap();
    argo.create("argocd", "app", "aaa");
    let api = api(&argo).await;
    argo.set_head("argocd", "app", "bbb");
    patch(&api, json!({ "metadata": { "annotations": { "argocd.argoproj.io/refresh": "hard" } } })).await.unwrap();
    wait::until_true(PATIENCE, "the refresh", async || {
        let app = argo.application("argocd", "app").unwrap();
        let asked = app["metadata"]["annotations"].get("argocd.argoproj.io/refresh").is_some();
        !asked && app["status"]["sync"]["status"] == "OutOfSync" && app["status"]["sync"]["revision"] == "bbb"
    })
    .await
    .unwrap();

    let from = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let watched = WatchParams::default().fields("metadata.name=app").timeout(10);
    let mut events = Box::pin(api.watch(&watched, &from).await.unwrap());
    patch(&api, sync("bbb")).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        let WatchEvent::Modified(app) = event else { continue };
        let status = &app.data["status"];
        let facts = ["operationState/phase", "sync/status", "health/status"];
        let facts =
            facts.map(|path| status.pointer(&format!("/{path}")).and_then(Value::as_str).unwrap_or("-").to_owned());
        seen.dedup();
        seen.push(facts.join(" "));
        if seen.last().unwrap() == "Succeeded Synced Healthy" {
            break;
        }
    }
    let way = ["- OutOfSync Healthy", "Running OutOfSync Healthy", "Succeeded OutOfSync Healthy"];
    let way = [way.as_slice(), &["Succeeded Synced Progressing", "Succeeded Synced Healthy"]].concat();
    assert_eq!(seen, way);
    let app = argo.application("argocd", "app").unwrap();
    assert_eq!(app["status"]["operationState"]["syncResult"]["revision"], "bbb");
    assert_eq!(argo.synced(), [("app".to_owned(), "bbb".to_owned())]);
}

#[tokio::test]
async fn syncs_end_as_they_are_told() {
    let argo = FakeArgo::start().unwrap();
    argo.create("argocd", "app", "aaa");
    let api = api(&argo).await;
    argo.behave("argocd", "app", Behaviour::sync_ends(SyncEnd::Failed("no such kind".to_owned())));
    patch(&api, sync("bbb")).await.unwrap();
    assert_eq!(ended(&argo, "Failed").await["status"]["operationState"]["message"], "no such kind");
    argo.behave("argocd", "app", Behaviour::sync_ends(SyncEnd::Error("cannot render".to_owned())));
    patch(&api, sync("bbb")).await.unwrap();
    assert_eq!(ended(&argo, "Error").await["status"]["conditions"][0]["type"], "SyncError");
    assert!(argo.synced().is_empty());
    argo.behave("argocd", "app", Behaviour::becomes(Health::Degraded));
    argo.set_head("argocd", "app", "bbb");
    patch(&api, sync("bbb")).await.unwrap();
    wait::until_true(PATIENCE, "bad health", async || {
        argo.application("argocd", "app").unwrap()["status"]["health"]["status"] == "Degraded"
    })
    .await
    .unwrap();

    argo.start_foreign_operation("argocd", "app", "ccc").unwrap();
    patch(&api, sync("ddd")).await.unwrap();
    // A refresh does not wait for the operation, which is somebody else's and goes on.
    patch(&api, json!({ "metadata": { "annotations": { "argocd.argoproj.io/refresh": "hard" } } })).await.unwrap();
    wait::until_true(PATIENCE, "the refresh", async || {
        argo.application("argocd", "app").unwrap()["metadata"]["annotations"] == json!({})
    })
    .await
    .unwrap();
    assert_eq!(argo.application("argocd", "app").unwrap()["status"]["operationState"]["phase"], "Running");
    argo.finish_foreign_operation("argocd", "app");
    assert_eq!(ended(&argo, "Succeeded").await["status"]["operationState"]["syncResult"]["revision"], "ccc");
}

#[tokio::test]
async fn the_api_server_errs_as_a_real_one() {
    let argo = FakeArgo::start().unwrap();
    argo.create("argocd", "app", "aaa");
    let api = api(&argo).await;
    let code = |error: kube::Error| match error {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("{other}"),
    };
    assert_eq!(code(api.get("none").await.unwrap_err()), (404, "NotFound".to_owned()));
    let stale = json!({ "metadata": { "resourceVersion": "0" }, "spec": { "project": "other" } });
    assert_eq!(code(patch(&api, stale).await.unwrap_err()), (409, "Conflict".to_owned()));
    let status = PatchParams::default();
    let status = api.patch_status("app", &status, &Patch::Merge(json!({ "status": {} }))).await;
    assert!(status.is_err(), "Applications have no status subresource");
    argo.fail_next(1, 500);
    assert_eq!(code(api.get("app").await.unwrap_err()).0, 500);

    let same = argo.application("argocd", "app").unwrap();
    patch(&api, json!({ "spec": { "project": "default" } })).await.unwrap();
    assert_eq!(argo.application("argocd", "app").unwrap(), same, "what changes nothing makes no new version");
    let version = same["metadata"]["resourceVersion"].as_str().unwrap();

    let mut cut = Box::pin(api.watch(&WatchParams::default(), version).await.unwrap());
    argo.cut_watches();
    assert!(!matches!(cut.try_next().await, Ok(Some(_))), "an event came out of a cut watch");

    let mut short = Box::pin(api.watch(&WatchParams::default().timeout(1), version).await.unwrap());
    assert!(matches!(short.try_next().await.unwrap(), Some(WatchEvent::Bookmark(_))));
    assert!(short.try_next().await.unwrap().is_none());

    argo.forget_history();
    let mut old = Box::pin(api.watch(&WatchParams::default(), version).await.unwrap());
    assert!(matches!(old.try_next().await.unwrap(), Some(WatchEvent::Error(error)) if error.code == 410));
    let mut fresh = Box::pin(api.watch(&WatchParams::default(), "0").await.unwrap());
    assert!(matches!(fresh.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
}
