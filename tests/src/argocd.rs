//! A Kubernetes API server that knows Argo CD's Applications, and a controller that acts on them as Argo CD does.
//!
//! Faithful in what clients stumble over: status is part of the main resource; `.operation` stays until the operation
//! has ended, and one written meanwhile is dropped with it; times are whole seconds; the operation's end is seen before
//! the next comparison, so that health and revision are of the old state for a while.

mod api;
mod behaviour;
mod controller;
mod objects;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web;
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::http::Server;
use objects::{Cluster, Key};

pub use behaviour::{Behaviour, Health, SyncEnd};

/// A fake cluster with Argo CD in it. Dropping it ends it.
#[derive(Debug)]
pub struct FakeArgo {
    server: Server,
    _controller: controller::Controller,
    folder: Folder,
    cluster: Arc<Cluster>,
}

impl FakeArgo {
    /// Starts one without Applications.
    pub fn start() -> Result<Self> {
        let folder = Folder::new("argocd")?;
        let cluster = Arc::new(Cluster::default());
        let shared = web::Data::from(Arc::clone(&cluster));
        let server = Server::start(move |app| {
            app.app_data(shared.clone()).configure(api::routes);
        })?;
        let named = |kind: &str, field: &str, value: Value| json!([{ "name": kind, field: value }]);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": named("fake", "cluster", json!({ "server": server.url() })),
            "users": named("fake", "user", json!({})),
            "contexts": named("fake", "context", json!({ "cluster": "fake", "user": "fake", "namespace": "argocd" })),
        });
        folder.write("kubeconfig", &config.to_string())?;
        let controller = controller::Controller::start(Arc::clone(&cluster))?;
        Ok(Self { server, _controller: controller, folder, cluster })
    }

    /// The path of a kubeconfig that leads here. Its default namespace is `argocd`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The API server's URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes an Application that is synced to a revision and healthy.
    pub fn create(&self, namespace: &str, name: &str, revision: &str) {
        self.cluster.create(&Key::new(namespace, name), revision);
    }

    /// Deletes an Application.
    pub fn delete(&self, namespace: &str, name: &str) {
        self.cluster.delete(&Key::new(namespace, name));
    }

    /// The Application as it is now.
    pub fn application(&self, namespace: &str, name: &str) -> Result<Value> {
        self.cluster
            .get(&Key::new(namespace, name))
            .with_context(|| format!("there is no Application {namespace}/{name}"))
    }

    /// The commit that the Application's branch points to, which a refresh finds. Until it is set, that is the
    /// revision that was synced last.
    pub fn set_head(&self, namespace: &str, name: &str, revision: &str) {
        self.cluster.set_head(&Key::new(namespace, name), revision);
    }

    /// How the Application takes syncs from now on.
    pub fn behave(&self, namespace: &str, name: &str, behaviour: Behaviour) {
        self.cluster.behave(&Key::new(namespace, name), behaviour);
    }

    /// Sets the health that the controller finds at once, as when pods crash without any sync.
    pub fn set_health(&self, namespace: &str, name: &str, health: Health) -> Result<()> {
        let change = |app: &mut Value| app["status"]["health"] = json!({ "status": health.name() });
        self.cluster.change(&Key::new(namespace, name), change).context("there is no such Application")
    }

    /// Starts somebody else's operation, which runs until [`FakeArgo::finish_foreign_operation`].
    pub fn start_foreign_operation(&self, namespace: &str, name: &str, revision: &str) -> Result<()> {
        self.cluster.hold(&Key::new(namespace, name), true);
        let operation = json!({ "initiatedBy": { "username": "somebody" }, "sync": { "revision": revision } });
        let change = |app: &mut Value| controller::begin(app, operation);
        self.cluster.change(&Key::new(namespace, name), change).context("there is no such Application")
    }

    /// Lets it end.
    pub fn finish_foreign_operation(&self, namespace: &str, name: &str) {
        self.cluster.hold(&Key::new(namespace, name), false);
    }

    /// The revisions that were synced with success, oldest first, with their Application's name.
    pub fn synced(&self) -> Vec<(String, String)> {
        self.cluster.synced()
    }

    /// Answers the next requests with this status; 429 asks to come back in a second.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.cluster.fail_next(count, status);
    }

    /// Cuts the watches that are open, in the middle of an event.
    pub fn cut_watches(&self) {
        self.cluster.cut_watches();
    }

    /// Forgets the past, so that watches and lists from an earlier resourceVersion are told 410.
    pub fn forget_history(&self) {
        self.cluster.forget_history();
    }

    /// Requests so far, as `METHOD path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.cluster.requests()
    }
}
