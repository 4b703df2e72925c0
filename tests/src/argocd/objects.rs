//! The Applications, their versions and their history.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::behaviour::Behaviour;

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// What happened to an object.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) kind: &'static str,
    pub(super) key: Key,
    pub(super) object: Value,
}

/// What is known beside the object itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Behind {
    pub(super) behaviour: Behaviour,
    pub(super) head: Option<String>,
    pub(super) held: bool,
    /// Whether an operation has ended and the health that comes of it is not final.
    pub(super) settling: bool,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<Key, Value>,
    behind: BTreeMap<Key, Behind>,
    version: u64,
    history: Vec<Event>,
    /// Events up to this version are forgotten.
    forgotten: u64,
    failures: VecDeque<u16>,
    requests: Vec<String>,
    synced: Vec<(String, String)>,
}

/// What open watches and the controller wake up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) changes: u64,
    pub(super) cuts: u64,
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    state: Mutex<State>,
    signal: watch::Sender<Signal>,
}

/// Why a change was not made.
pub(super) enum Refused {
    Missing,
    /// The version it was based on is not the object's.
    Stale,
}

impl Cluster {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Signal> {
        self.signal.subscribe()
    }

    fn wake(&self) {
        self.signal.send_modify(|signal| signal.changes += 1);
    }

    pub(super) fn create(&self, key: &Key, revision: &str) {
        let source =
            json!({ "repoURL": "https://git.example.com/gitops.git", "path": key.name, "targetRevision": "main" });
        let now = now();
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {
                "name": key.name, "namespace": key.namespace, "uid": uuid::Uuid::new_v4().to_string(),
                "creationTimestamp": now, "generation": 1, "annotations": {},
            },
            "spec": {
                "project": "default", "source": source,
                "destination": { "server": "https://kubernetes.default.svc", "namespace": key.name },
            },
            "status": {
                "sync": { "status": "Synced", "revision": revision, "comparedTo": { "source": source } },
                "health": { "status": "Healthy", "lastTransitionTime": now },
                "history": [{ "id": 0, "revision": revision, "deployedAt": now, "source": source }],
                "summary": { "images": [] }, "reconciledAt": now, "sourceType": "Kustomize",
            },
        });
        self.state().store(key, object, "ADDED");
        self.wake();
    }

    pub(super) fn delete(&self, key: &Key) {
        let mut state = self.state();
        if let Some(object) = state.objects.remove(key) {
            state.tell(key, object, "DELETED");
        }
        drop(state);
        self.wake();
    }

    pub(super) fn get(&self, key: &Key) -> Option<Value> {
        self.state().objects.get(key).cloned()
    }

    /// The objects of a namespace, or of all, and the version at which they are so.
    pub(super) fn list(&self, namespace: Option<&str>) -> (Vec<(Key, Value)>, u64) {
        let state = self.state();
        let here = state.objects.iter().filter(|(key, _)| namespace.is_none_or(|of| key.namespace == of));
        (here.map(|(key, object)| (key.clone(), object.clone())).collect(), state.version)
    }

    /// Changes an object; nothing is told when the change changes nothing.
    pub(super) fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) -> Option<()> {
        self.update(key, None, change).ok().map(|_| ())
    }

    /// The same, unless the object is no longer at `version`. Returns it as it then is.
    pub(super) fn update(
        &self,
        key: &Key,
        version: Option<&str>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, Refused> {
        let mut state = self.state();
        let old = state.objects.get(key).cloned().ok_or(Refused::Missing)?;
        if version.is_some_and(|version| old["metadata"]["resourceVersion"] != *version) {
            return Err(Refused::Stale);
        }
        let mut new = old.clone();
        change(&mut new);
        for fixed in ["resourceVersion", "uid", "name", "namespace", "creationTimestamp"] {
            new["metadata"][fixed] = old["metadata"][fixed].clone();
        }
        if new == old {
            return Ok(old);
        }
        let stored = state.store(key, new, "MODIFIED");
        drop(state);
        self.wake();
        Ok(stored)
    }

    /// What happened after a version; nothing when that is forgotten.
    pub(super) fn since(&self, version: u64) -> Option<Vec<Event>> {
        let state = self.state();
        let later = state.history.iter().filter(|event| event.version > version);
        (version >= state.forgotten).then(|| later.cloned().collect())
    }

    pub(super) fn behind(&self, key: &Key) -> Behind {
        self.state().behind.get(key).cloned().unwrap_or_default()
    }

    fn set_behind(&self, key: &Key, set: impl FnOnce(&mut Behind)) {
        set(self.state().behind.entry(key.clone()).or_default());
        self.wake();
    }

    pub(super) fn behave(&self, key: &Key, behaviour: Behaviour) {
        self.set_behind(key, |behind| behind.behaviour = behaviour);
    }

    pub(super) fn set_head(&self, key: &Key, revision: &str) {
        self.set_behind(key, |behind| behind.head = Some(revision.to_owned()));
    }

    pub(super) fn hold(&self, key: &Key, held: bool) {
        self.set_behind(key, |behind| behind.held = held);
    }

    pub(super) fn settling(&self, key: &Key, settling: bool) {
        self.set_behind(key, |behind| behind.settling = settling);
    }

    pub(super) fn note_synced(&self, key: &Key, revision: &str) {
        self.state().synced.push((key.name.clone(), revision.to_owned()));
    }

    pub(super) fn synced(&self) -> Vec<(String, String)> {
        self.state().synced.clone()
    }

    pub(super) fn fail_next(&self, count: usize, status: u16) {
        self.state().failures.extend(std::iter::repeat_n(status, count));
    }

    /// Notes a request, and says with what status it is to fail, if it is.
    pub(super) fn note_request(&self, request: String) -> Option<u16> {
        let mut state = self.state();
        state.requests.push(request);
        state.failures.pop_front()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    pub(super) fn cut_watches(&self) {
        self.signal.send_modify(|signal| signal.cuts += 1);
    }

    pub(super) fn forget_history(&self) {
        let mut state = self.state();
        // As when others write to the same store: the present is newer than anything a client has seen.
        state.version += 1;
        state.forgotten = state.version;
        state.history.clear();
    }
}

impl State {
    fn store(&mut self, key: &Key, object: Value, kind: &'static str) -> Value {
        let stored = self.tell(key, object, kind);
        self.objects.insert(key.clone(), stored.clone());
        stored
    }

    fn tell(&mut self, key: &Key, mut object: Value, kind: &'static str) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let event = Event { version: self.version, kind, key: key.clone(), object: object.clone() };
        self.history.push(event);
        object
    }
}

/// Now, as Kubernetes writes it: in whole seconds.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
