//! The Kubernetes API, as far as Applications need it: read, patch, watch; and what its errors mean to the harness.
//!
//! Every call has a deadline and every watch a bound; nothing here decides anything about a sync.

use std::time::Duration;

use futures_util::{StreamExt, stream::BoxStream};
use kube::{
    Api, Client, Config, Error,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use runtime::{Failure, config::Kubernetes};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::debug;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(30);
/// How long to stay away from a server that has too many requests, in seconds; it usually asks for one.
const TOO_MANY: u64 = 2;
/// How long the server holds one watch; what lies between hides a longer silence (the API server itself cuts at 5 min).
const WATCH_SECONDS: u32 = 200;
/// How often in a row a watch may fail to open before the run is given back.
const WATCH_FAILURES: u32 = 4;

/// The Applications of one namespace.
#[derive(Clone)]
pub(crate) struct Cluster {
    api: Api<DynamicObject>,
    namespace: String,
}

impl Cluster {
    /// Reads the configured credentials. Nothing is asked of the cluster yet.
    pub(crate) async fn connect(settings: &Kubernetes) -> Result<Self, Failure> {
        runtime::http::install_tls();
        let namespace = settings.argocd_namespace.clone();
        let mut config = credentials(settings).await?;
        // The harness counts attempts and spaces them; a client that retries for itself would hide them from it.
        config.default_retry = false;
        let client =
            Client::try_from(config).map_err(|e| Failure::permanent(format!("`kubernetes`: {}", chain(&e))))?;
        let kind = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application"),
            "applications",
        );
        Ok(Self { api: Api::namespaced_with(client, &namespace, &kind), namespace })
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Application, if there is one of this name.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<DynamicObject>, Failure> {
        self.call("get", self.api.get_opt(name)).await
    }

    /// The Application, and the version of the whole collection, from which a watch can begin: an Application's own may
    /// be long forgotten.
    async fn list(&self, name: &str) -> Result<(Option<DynamicObject>, String), Failure> {
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = self.call("list", self.api.list(&params)).await?;
        let version = found.metadata.resource_version.unwrap_or_default();
        Ok((found.items.into_iter().next(), version))
    }

    /// Merges the patch into the Application; `None` when it names a `resourceVersion` that is no longer the newest.
    pub(crate) async fn patch(&self, name: &str, patch: &Value) -> Result<Option<DynamicObject>, Failure> {
        let params = PatchParams { field_manager: Some("windlass".to_owned()), ..PatchParams::default() };
        let merge = Patch::Merge(patch);
        let patched = self.api.patch(name, &params, &merge);
        match timeout(CALL, patched).await {
            Err(_) => Err(self.too_slow("patch")),
            Ok(Ok(object)) => Ok(Some(object)),
            Ok(Err(Error::Api(status))) if status.is_conflict() => Ok(None),
            Ok(Err(error)) => Err(self.failure("patch", &error)),
        }
    }

    /// Begins to follow the Application from the state given.
    pub(crate) fn follow(&self, name: &str, from: &DynamicObject) -> Follow {
        let at = from.metadata.resource_version.clone().unwrap_or_default();
        Follow { cluster: self.clone(), name: name.to_owned(), at, window: None, failures: 0 }
    }

    async fn call<T>(&self, verb: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        match timeout(CALL, call).await {
            Err(_) => Err(self.too_slow(verb)),
            Ok(answer) => answer.map_err(|error| self.failure(verb, &error)),
        }
    }

    fn too_slow(&self, verb: &str) -> Failure {
        Failure::transient(format!("{}: no answer within {} s", self.doing(verb), CALL.as_secs()))
    }

    fn doing(&self, verb: &str) -> String {
        format!("Kubernetes API: {verb} applications.argoproj.io in namespace {}", self.namespace)
    }

    /// What an error of the API means: who may not, is told what to grant; who came too often, comes later.
    fn failure(&self, verb: &str, error: &Error) -> Failure {
        let doing = self.doing(verb);
        let Error::Api(status) = error else {
            return Failure::transient(format!("{doing}: {}", chain(error)));
        };
        let what = format!("{doing}: {} ({})", status.message, status.code);
        let wait = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
        match status.code {
            401 => Failure::permanent(format!(
                "{what}; check the credentials in `kubernetes.kubeconfig` or the service account's token"
            )),
            403 => Failure::permanent(format!(
                "{what}; grant the verb `{verb}` on `applications.argoproj.io` in namespace `{}` to Windlass's account",
                self.namespace
            )),
            // How long it asks for stands in a header that kube does not hand on, or here.
            429 => Failure::NotYet { after: Duration::from_secs(u64::from(wait).max(TOO_MANY)), reason: what },
            408 | 409 | 410 | 500..=599 => Failure::transient(what),
            _ => Failure::permanent(what),
        }
    }
}

/// One Application's changes, through cut connections, expired versions and ended windows.
pub(crate) struct Follow {
    cluster: Cluster,
    name: String,
    /// The newest version seen; where the next window begins.
    at: String,
    window: Option<(BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>, Instant)>,
    failures: u32,
}

/// What a while of following brought.
pub(crate) enum Change {
    /// The Application as it is now.
    Now(Box<DynamicObject>),
    /// It is no more.
    Gone,
    /// Nothing new.
    Quiet,
}

impl Follow {
    /// The next change, or [`Change::Quiet`] after `patience`.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Change, Failure> {
        let until = Instant::now() + patience;
        loop {
            match timeout_at(until, self.step()).await {
                Err(_) => return Ok(Change::Quiet),
                Ok(Ok(Some(change))) => return Ok(change),
                Ok(Ok(None)) => {}
                Ok(Err(failure)) => return Err(failure),
            }
        }
    }

    /// One event of the watch, or one step towards having a watch again. Safe to drop at any await.
    async fn step(&mut self) -> Result<Option<Change>, Failure> {
        let Some((events, end)) = &mut self.window else {
            return if self.at.is_empty() { self.again().await.map(Some) } else { self.open().await.map(|()| None) };
        };
        let event = timeout_at(*end, events.next()).await.ok().flatten();
        match event {
            Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                self.failures = 0;
                self.at = object.metadata.resource_version.clone().unwrap_or_default();
                Ok(Some(Change::Now(Box::new(object))))
            }
            Some(Ok(WatchEvent::Deleted(_))) => Ok(Some(Change::Gone)),
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                self.at = bookmark.metadata.resource_version;
                Ok(None)
            }
            // 410: the version is too old to go on from. Any other error: what was missed cannot be known.
            Some(Ok(WatchEvent::Error(status))) => Ok(self.lost(&status.message)),
            Some(Err(error)) => Ok(self.lost(&chain(&error))),
            None => {
                self.window = None;
                Ok(None)
            }
        }
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(WATCH_SECONDS);
        match timeout(CALL, self.cluster.api.watch(&params, &self.at)).await {
            Ok(Ok(events)) => {
                let bound = Duration::from_secs(u64::from(WATCH_SECONDS) + 10);
                self.window = Some((events.boxed(), Instant::now() + bound));
                Ok(())
            }
            Ok(Err(Error::Api(status))) if status.code == 410 => {
                self.lost(&status.message);
                Ok(())
            }
            Ok(Err(error)) => self.bear(self.cluster.failure("watch", &error)).await,
            Err(_) => self.bear(self.cluster.too_slow("watch")).await,
        }
    }

    /// Where the watch was is no longer known: it must be read anew.
    fn lost(&mut self, why: &str) -> Option<Change> {
        debug!(application = self.name, why, "the watch is begun anew");
        self.window = None;
        self.at.clear();
        None
    }

    /// Reads it anew, to watch from there.
    async fn again(&mut self) -> Result<Change, Failure> {
        match self.cluster.list(&self.name).await {
            Ok((None, _)) => Ok(Change::Gone),
            Ok((Some(object), version)) => {
                self.at = version;
                Ok(Change::Now(Box::new(object)))
            }
            Err(failure) => self.bear(failure).await.map(|()| Change::Quiet),
        }
    }

    /// A short outage is waited out here: the operation goes on without us, and a new run costs an attempt.
    async fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        self.failures += 1;
        if self.failures >= WATCH_FAILURES || !matches!(failure, Failure::Transient(_)) {
            return Err(failure);
        }
        // What is missed meanwhile is read, not watched.
        self.lost("the API did not answer");
        sleep(Duration::from_secs(1 << self.failures.min(4))).await;
        Ok(())
    }
}

async fn credentials(settings: &Kubernetes) -> Result<Config, Failure> {
    let options = KubeConfigOptions { context: settings.context.clone(), ..KubeConfigOptions::default() };
    let found = match &settings.kubeconfig {
        Some(path) => {
            let at = format!("`kubernetes.kubeconfig`: {}", path.display());
            let file = Kubeconfig::read_from(path).map_err(|e| Failure::permanent(format!("{at}: {}", chain(&e))))?;
            return Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|e| Failure::permanent(format!("{at}: {}", chain(&e))));
        }
        None if settings.context.is_some() => Config::from_kubeconfig(&options).await.map_err(|e| chain(&e)),
        None => Config::infer().await.map_err(|e| chain(&e)),
    };
    found.map_err(|why| {
        Failure::permanent(format!("`kubernetes`: no way to a cluster: {why}; set `kubernetes.kubeconfig`"))
    })
}

/// An error and its causes; kube's own text often leaves the cause out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        at = source.source();
    }
    text
}
