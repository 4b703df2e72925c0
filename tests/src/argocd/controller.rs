//! The controller: refreshes, operations, comparison, health.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::behaviour::{Health, SyncEnd};
use super::objects::{Cluster, Key, now};

const REFRESH: &str = "argocd.argoproj.io/refresh";

/// The controller's thread; it ends when dropped.
#[derive(Debug)]
pub(super) struct Controller {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Controller {
    pub(super) fn start(cluster: Arc<Cluster>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.context("cannot make a runtime for the controller")?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = run(cluster) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the controller works at, each kind in a queue of its own: a refresh does not wait for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Refresh,
    Operate,
}

impl Work {
    fn wanted_by(self, app: &Value) -> bool {
        match self {
            Self::Refresh => app["metadata"]["annotations"].get(REFRESH).is_some(),
            Self::Operate => !app["operation"].is_null(),
        }
    }
}

/// Gives every Application that wants something a task, one at a time of each kind.
async fn run(cluster: Arc<Cluster>) {
    let busy: Arc<Mutex<BTreeSet<(Key, Work)>>> = Arc::default();
    let mut signal = cluster.subscribe();
    loop {
        signal.borrow_and_update();
        for (key, app) in cluster.list(None).0 {
            for work in [Work::Refresh, Work::Operate].into_iter().filter(|work| work.wanted_by(&app)) {
                let place = (key.clone(), work);
                if busy.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone()) {
                    tokio::spawn(serve(Arc::clone(&cluster), place, Arc::clone(&busy)));
                }
            }
        }
        if signal.changed().await.is_err() {
            return;
        }
    }
}

/// Does the work for as long as the Application wants it.
async fn serve(cluster: Arc<Cluster>, place: (Key, Work), busy: Arc<Mutex<BTreeSet<(Key, Work)>>>) {
    let (key, work) = &place;
    loop {
        tokio::time::sleep(cluster.behind(key).behaviour.step).await;
        match work {
            Work::Refresh => refresh(&cluster, key),
            Work::Operate => operate(&cluster, key).await,
        }
        // Under one lock, or a wish made in between would find the place taken and be forgotten.
        let mut busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !cluster.get(key).is_some_and(|app| work.wanted_by(&app)) {
            busy.remove(&place);
            return;
        }
    }
}

/// Compares what is with what Git says.
fn refresh(cluster: &Cluster, key: &Key) {
    let behind = cluster.behind(key);
    cluster.change(key, |app| {
        if let Some(annotations) = app["metadata"]["annotations"].as_object_mut() {
            annotations.remove(REFRESH);
        }
        compare(app, behind.head.as_deref());
        // Whoever compares sees the live state, which a sync has just changed.
        if behind.settling {
            set_health(app, Health::Progressing);
        }
    });
}

fn compare(app: &mut Value, head: Option<&str>) {
    let deployed = deployed(app);
    let head = head.unwrap_or(&deployed).to_owned();
    let status = if head == deployed { "Synced" } else { "OutOfSync" };
    app["status"]["sync"]["revision"] = json!(head);
    app["status"]["sync"]["status"] = json!(status);
    app["status"]["reconciledAt"] = json!(now());
}

/// The revision that was synced last.
fn deployed(app: &Value) -> String {
    let last = app["status"]["history"].as_array().and_then(|history| history.last());
    last.and_then(|entry| entry["revision"].as_str()).unwrap_or_default().to_owned()
}

/// Runs the operation that is asked for, and what follows from it.
async fn operate(cluster: &Cluster, key: &Key) {
    let running = |app: &Value| app["status"]["operationState"]["phase"] == "Running";
    cluster.change(key, |app| {
        if !running(app) {
            let operation = app["operation"].clone();
            begin(app, operation);
        }
    });
    let held = cluster.behind(key).held;
    wait_while(cluster, key, |behind| behind.held || behind.behaviour.sync == SyncEnd::Never).await;
    let behind = cluster.behind(key);
    tokio::time::sleep(behind.behaviour.step).await;
    let end = if held { SyncEnd::Succeeded } else { behind.behaviour.sync };
    let mut revision = String::new();
    cluster.settling(key, end == SyncEnd::Succeeded);
    cluster.change(key, |app| {
        revision = wanted(app, behind.head.as_deref());
        finish(app, &end, &revision);
    });
    if end != SyncEnd::Succeeded {
        return;
    }
    cluster.note_synced(key, &revision);
    tokio::time::sleep(behind.behaviour.stale).await;
    settle(cluster, key, behind.behaviour.health).await;
    cluster.settling(key, false);
}

/// What the operation was asked to sync to; without a revision, what Git says.
fn wanted(app: &Value, head: Option<&str>) -> String {
    let asked = app["status"]["operationState"]["operation"]["sync"]["revision"].as_str();
    let asked = asked.filter(|revision| !revision.is_empty());
    asked.or(head).map_or_else(|| deployed(app), str::to_owned)
}

/// The first comparison after an operation, and the health that comes of it.
async fn settle(cluster: &Cluster, key: &Key, health: Health) {
    let head = cluster.behind(key).head;
    cluster.change(key, |app| {
        compare(app, head.as_deref());
        set_health(app, Health::Progressing);
    });
    tokio::time::sleep(cluster.behind(key).behaviour.step).await;
    cluster.change(key, |app| {
        app["status"]["reconciledAt"] = json!(now());
        set_health(app, health);
    });
}

fn set_health(app: &mut Value, health: Health) {
    if app["status"]["health"]["status"] != health.name() {
        app["status"]["health"] = json!({ "status": health.name(), "lastTransitionTime": now() });
    }
}

async fn wait_while(cluster: &Cluster, key: &Key, so: impl Fn(&super::objects::Behind) -> bool) {
    let mut signal = cluster.subscribe();
    // An Application that is deleted meanwhile has nothing left to wait for.
    while so(&cluster.behind(key)) && cluster.get(key).is_some() {
        if signal.changed().await.is_err() {
            return;
        }
    }
}

/// Marks an operation as running. `.operation` stays until it has ended, as with the real controller.
pub(super) fn begin(app: &mut Value, operation: Value) {
    let retries =
        json!({ "operation": operation, "phase": "Running", "message": "waiting to start", "startedAt": now() });
    app["operation"] = operation;
    app["status"]["operationState"] = retries;
}

fn finish(app: &mut Value, end: &SyncEnd, revision: &str) {
    if let Some(app) = app.as_object_mut() {
        app.remove("operation");
    }
    let source = app["spec"]["source"].clone();
    let (phase, message, resource) = match end {
        SyncEnd::Succeeded | SyncEnd::Never => ("Succeeded", "successfully synced (all tasks run)", "Synced"),
        SyncEnd::Failed(message) => ("Failed", message.as_str(), "SyncFailed"),
        SyncEnd::Error(message) => ("Error", message.as_str(), ""),
    };
    let resources = json!([{
        "group": "apps", "version": "v1", "kind": "Deployment", "namespace": app["spec"]["destination"]["namespace"],
        "name": app["metadata"]["name"], "status": resource, "message": message, "syncPhase": "Sync",
    }]);
    let state = &mut app["status"]["operationState"];
    state["phase"] = json!(phase);
    state["message"] = json!(message);
    state["finishedAt"] = json!(now());
    state["syncResult"] = json!({ "revision": revision, "source": source });
    if !resource.is_empty() {
        state["syncResult"]["resources"] = resources;
    }
    match end {
        SyncEnd::Succeeded | SyncEnd::Never => deploy(app, revision, &source),
        SyncEnd::Failed(_) => {}
        SyncEnd::Error(message) => {
            app["status"]["conditions"] =
                json!([{ "type": "SyncError", "message": message, "lastTransitionTime": now() }]);
        }
    }
}

fn deploy(app: &mut Value, revision: &str, source: &Value) {
    let started = app["status"]["operationState"]["startedAt"].clone();
    if let Some(status) = app["status"].as_object_mut() {
        status.remove("conditions");
    }
    if let Some(history) = app["status"]["history"].as_array_mut() {
        let entry = json!({
            "id": history.len(), "revision": revision, "deployStartedAt": started, "deployedAt": now(), "source": source,
        });
        history.push(entry);
    }
}
