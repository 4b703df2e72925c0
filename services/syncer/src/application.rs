//! What is read of an Argo CD Application (`argoproj.io/v1alpha1`), and what it says about one revision.
//!
//! Pure: an Application goes in, a [`Standing`] comes out. Field names and meanings are those of Argo CD's
//! `pkg/apis/application/v1alpha1/types.go`, versions 2.x and 3.x.

#[cfg(test)]
mod fuzz;

use std::collections::BTreeMap;

use proto::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::sources::Source;

/// The name of the `info` entry by which an operation of ours is known again.
pub(crate) const MARK: &str = "windlass-event";
/// The annotation that asks for a refresh.
pub(crate) const REFRESH: &str = "argocd.argoproj.io/refresh";
/// Longest text taken over from Argo CD, in characters: a sync of many resources can fail at great length.
const MAX_TEXT: usize = 2000;

/// The parts that matter here; everything may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Application {
    metadata: Metadata,
    pub(crate) spec: Spec,
    pub(crate) operation: Option<Operation>,
    pub(crate) status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) source: Option<Source>,
    pub(crate) sources: Vec<Source>,
    pub(crate) sync_policy: Option<SyncPolicy>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SyncPolicy {
    pub(crate) automated: Option<Automated>,
    pub(crate) sync_options: Vec<String>,
    pub(crate) retry: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Automated {
    pub(crate) prune: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Operation {
    sync: SyncOperation,
    info: Vec<Info>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct SyncOperation {
    revision: String,
    revisions: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Info {
    name: String,
    value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    operation_state: Option<OperationState>,
    sync: SyncStatus,
    health: Health,
    reconciled_at: Option<Timestamp>,
    conditions: Vec<Condition>,
    resources: Vec<Resource>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OperationState {
    operation: Operation,
    phase: String,
    message: String,
    sync_result: Option<SyncResult>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct SyncResult {
    revision: String,
    revisions: Vec<String>,
    resources: Vec<Resource>,
}

/// A resource, in an operation's result or in the status; they share the fields used here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Resource {
    kind: String,
    name: String,
    status: String,
    hook_phase: String,
    message: String,
    health: Option<Health>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Health {
    status: String,
    message: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct SyncStatus {
    revision: String,
    revisions: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

/// What is to be brought about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The revision asked for.
    pub(crate) revision: String,
    /// What marks an operation as this event's.
    pub(crate) mark: String,
}

/// Where an Application stands with a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No operation for it, and none under way.
    Idle,
    /// Another operation is under way.
    Busy {
        /// Of this revision.
        revision: String,
        /// Since then.
        since: Option<Timestamp>,
    },
    /// An operation for it waits or runs.
    Syncing,
    /// Our operation for it ended, and not well.
    Failed(String),
    /// Our operation for it ended before the revision had its say, for a reason of Argo CD's own.
    Erred(String),
    /// It is applied, and Argo CD has not looked at the live state since, or not provably so.
    Unseen,
    /// It is applied, but Argo CD compares the live state with another revision: an old one, until told to look again.
    Elsewhere,
    /// It is applied; what is said of its health is not yet about it, or not yet final.
    Settling(String),
    /// It is applied and healthy.
    Healthy(String),
    /// It is applied and not healthy.
    Degraded(String),
}

/// Which operation an Application last saw: another one is another beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastOperation {
    revision: String,
    started_at: Option<Timestamp>,
}

impl Application {
    /// Where it stands. `rechecked`: it was told to look at its repository again since the operation ended, so
    /// whatever revision it then compares with is its branch's head, and ours is behind that.
    pub(crate) fn standing(&self, target: &Target, rechecked: bool) -> Standing {
        if let Some(operation) = &self.operation {
            return operation.under_way(target, None);
        }
        match &self.status.operation_state {
            Some(state) if ["Running", "Terminating"].contains(&state.phase.as_str()) => {
                state.operation.under_way(target, state.started_at)
            }
            Some(state) if !state.is_of(&target.revision) => Standing::Idle,
            Some(state) if state.phase == "Succeeded" => self.settled(target, state, rechecked),
            // `Failed` is what the cluster made of the resources, or a hook's failure. `Error` is that Argo CD came to
            // no such thing: it could not read the repository, render the manifests or compare them.
            Some(state) if state.operation.is_marked(&target.mark) => match state.phase.as_str() {
                "Error" => Standing::Erred(state.words()),
                _ => Standing::Failed(state.words()),
            },
            _ => Standing::Idle,
        }
    }

    /// The operation it last saw.
    pub(crate) fn last_operation(&self) -> Option<LastOperation> {
        let of = |s: &OperationState| LastOperation { revision: s.revision().to_owned(), started_at: s.started_at };
        self.status.operation_state.as_ref().map(of)
    }

    /// The revision of the operation that waits, runs or ran last, for people.
    pub(crate) fn operated_revision(&self) -> String {
        let waiting = self.operation.as_ref().map(|o| o.sync.revision().to_owned());
        let last = || self.status.operation_state.as_ref().map(|s| s.revision().to_owned());
        waiting.or_else(last).unwrap_or_default()
    }

    /// Whether a refresh has been asked for and not happened; Argo CD takes the annotation away once it has.
    pub(crate) fn is_refreshing(&self) -> bool {
        self.metadata.annotations.contains_key(REFRESH)
    }

    /// Where it takes its manifests from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> + Clone {
        self.spec.sources.iter().chain(&self.spec.source)
    }

    fn settled(&self, target: &Target, state: &OperationState, rechecked: bool) -> Standing {
        let status = &self.status;
        if self.is_refreshing() {
            return Standing::Settling("Argo CD has been told to look at the result and has not yet".to_owned());
        }
        // Times are whole seconds: a look in the very second of the end may have come before it.
        if status.reconciled_at.is_none() || status.reconciled_at <= state.finished_at {
            return Standing::Unseen;
        }
        let is_ours = status.sync.revision == target.revision || status.sync.revisions.contains(&target.revision);
        if !is_ours && !rechecked {
            return Standing::Elsewhere;
        }
        match status.conditions.iter().find(|c| ["SyncError", "ComparisonError"].contains(&c.kind.as_str())) {
            Some(error) if error.kind == "SyncError" => {
                return Standing::Failed(clip(&format!("SyncError: {}", error.message)));
            }
            Some(error) => return Standing::Settling(clip(&format!("{}: {}", error.kind, error.message))),
            None => {}
        }
        match status.health.status.as_str() {
            "Healthy" => Standing::Healthy(state.words()),
            "Degraded" => Standing::Degraded(self.degraded_words()),
            other => {
                Standing::Settling(format!("its health is {}", if other.is_empty() { "not known" } else { other }))
            }
        }
    }

    fn degraded_words(&self) -> String {
        let is_bad = |r: &&Resource| r.health.as_ref().is_some_and(|h| h.status == "Degraded");
        let bad = self.status.resources.iter().filter(is_bad).map(|r| {
            let why = r.health.as_ref().map_or("", |h| h.message.as_str());
            format!("{}/{}: {why}", r.kind, r.name)
        });
        let all: Vec<_> = Some(self.status.health.message.clone()).into_iter().chain(bad).collect();
        let all: Vec<_> = all.iter().map(|text| text.trim_end_matches([' ', ':'])).filter(|t| !t.is_empty()).collect();
        if all.is_empty() { "Argo CD does not say why".to_owned() } else { clip(&all.join("; ")) }
    }
}

impl Operation {
    fn under_way(&self, target: &Target, since: Option<Timestamp>) -> Standing {
        if self.is_of(&target.revision) {
            return Standing::Syncing;
        }
        Standing::Busy { revision: self.sync.revision().to_owned(), since }
    }

    fn is_of(&self, revision: &str) -> bool {
        self.sync.revision == revision || self.sync.revisions.iter().any(|r| r == revision)
    }

    fn is_marked(&self, mark: &str) -> bool {
        self.info.iter().any(|info| info.name == MARK && info.value == mark)
    }
}

impl SyncOperation {
    fn revision(&self) -> &str {
        first(&self.revision, &self.revisions).unwrap_or("its target revision")
    }
}

impl OperationState {
    /// An operation may name a branch, or nothing; its result names the commit.
    fn is_of(&self, revision: &str) -> bool {
        let of_result = |r: &SyncResult| r.revision == revision || r.revisions.iter().any(|other| other == revision);
        self.operation.is_of(revision) || self.sync_result.as_ref().is_some_and(of_result)
    }

    fn revision(&self) -> &str {
        let of_result = self.sync_result.as_ref().and_then(|r| first(&r.revision, &r.revisions));
        of_result.unwrap_or_else(|| self.operation.sync.revision())
    }

    /// Argo CD's own words: the operation's message, and those of the resources that failed.
    fn words(&self) -> String {
        let bad = |r: &&Resource| r.status == "SyncFailed" || ["Failed", "Error"].contains(&r.hook_phase.as_str());
        let resources = self.sync_result.iter().flat_map(|r| &r.resources).filter(bad);
        let resources = resources.map(|r| format!("{}/{}: {}", r.kind, r.name, r.message));
        let phase = if self.phase == "Succeeded" { String::new() } else { format!("{}: ", self.phase) };
        let all: Vec<_> = Some(format!("{phase}{}", self.message)).into_iter().chain(resources).collect();
        clip(&all.join("; "))
    }
}

fn first<'a>(one: &'a str, many: &'a [String]) -> Option<&'a str> {
    Some(one).filter(|one| !one.is_empty()).or_else(|| many.first().map(String::as_str))
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
