//! What the tests of single workers share: a context over an embedded bus and ledger, deployments, and their events.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use proto::{Data, Deployment, Event, EventId, EventIgnored, ManifestBumped, SyncFinished, Timestamp, WorkerName};
use runtime::{Config, Context, Failure, Outcome, Outcomes, service::Base};
use serde_json::json;
use testkit::folder::Folder;

/// The image digest every deployment here has.
pub(crate) const DIGEST: &str = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// A context, and the folder it lives in.
pub(crate) struct Stage {
    pub(crate) context: Context,
    pub(crate) folder: Folder,
    /// Where Slack's URLs lie, if there are any.
    pub(crate) hooks: Option<Folder>,
}

impl Stage {
    /// With this configuration besides where data is; this machine may be asked unless it says another `network`.
    pub(crate) async fn open(config: &str) -> Self {
        let folder = Folder::new("stage").unwrap();
        let network = if config.contains("network:") { "" } else { "network: { allow: [127.0.0.0/8, '::1'] }\n" };
        let text = format!("data: '{}'\n{network}{config}", folder.join("data").display());
        let config = Config::parse(&text, Path::new("test.yaml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let context = Context::open(Base::open(config, "test").await.unwrap()).await.unwrap();
        Self { context, folder, hooks: None }
    }

    /// Writes the event into the history, as the recorder would.
    pub(crate) async fn record(&self, event: &Event) {
        self.context.ledger.record(&[event.to_message()]).await.unwrap();
    }

    /// Writes the event and what a worker made of it into the history; what it made.
    pub(crate) async fn record_all(&self, event: &Event, worker: WorkerName, outcomes: &Outcomes) -> Vec<Event> {
        let (source, now) = (format!("/workers/{worker}"), Timestamp::now());
        let of = |outcome: &Outcome| match outcome {
            Outcome::Event { subject, data } => event.outcome(source.clone(), subject.clone(), now, (**data).clone()),
            Outcome::Ignored { reason } => {
                let data = EventIgnored { app: event.app().cloned(), worker, reason: reason.clone() };
                event.outcome(source.clone(), worker.to_string(), now, data)
            }
        };
        let made: Vec<_> = outcomes.iter().map(of).collect();
        self.record(event).await;
        for event in &made {
            self.record(event).await;
        }
        made
    }

    /// What the folder of workspaces holds: nothing, once nobody works.
    pub(crate) fn workspaces(&self) -> usize {
        std::fs::read_dir(self.folder.join("data/workspaces")).map_or(0, Iterator::count)
    }
}

/// An app `shop` with one environment, `staging`, made of these keys.
pub(crate) fn shop(staging: &str) -> String {
    shop_cloned_from("https://git.example/shop.git", staging)
}

/// The same with its source at this URL, and an image `api` that is in no deployment yet.
pub(crate) fn shop_cloned_from(source: &str, staging: &str) -> String {
    let gitops = "{ repository: 'https://git.example/gitops.git' }";
    let components = "{ web: { image: ghcr.io/acme/web }, api: { image: ghcr.io/acme/api } }";
    format!(
        "apps: {{ shop: {{ repository: acme/shop, clone: '{source}', components: {components}, gitops: {gitops}, environments: {{ staging: {{ path: staging, {staging} }} }} }} }}"
    )
}

/// A deployment of `shop` to `staging`: this revision, a repeated hex digit; component `web` at a commit of `c`s.
pub(crate) fn deployment(revision: char) -> Deployment {
    let of = |digit: char| digit.to_string().repeat(40);
    serde_json::from_value(json!({
        "app": "shop", "environment": "staging", "repository": "https://git.example/gitops.git", "branch": "main",
        "path": "staging", "revision": of(revision), "changed": ["web"], "reason": "deploy",
        "release": { "web": { "image": "ghcr.io/acme/web", "digest": DIGEST, "commit": of('c'), "tag": "main" } },
    }))
    .unwrap()
}

/// `manifest.bumped` of this deployment.
pub(crate) fn bumped(deployment: Deployment) -> Event {
    first(ManifestBumped { deployment })
}

/// `sync.finished` as an outcome of that.
pub(crate) fn synced(bump: &Event, succeeded: bool, message: &str) -> Event {
    let Data::ManifestBumped(ManifestBumped { deployment }) = bump.data.clone() else { panic!("not a bump") };
    let finished = SyncFinished { deployment, succeeded, message: message.to_owned(), duration_ms: 7 };
    bump.outcome("/workers/syncer".into(), "staging".into(), Timestamp::now(), finished)
}

/// An event that begins a chain, now.
pub(crate) fn first(data: impl Into<Data>) -> Event {
    Event::first(EventId::fresh(), "/workers/test".into(), "staging".into(), Timestamp::now(), data)
}

/// The one event among the outcomes.
pub(crate) fn only(outcomes: &Outcomes) -> Data {
    match outcomes.iter().collect::<Vec<_>>().as_slice() {
        [Outcome::Event { data, .. }] => (**data).clone(),
        other => panic!("expected one event, got {other:?}"),
    }
}

/// Why the event was ignored.
pub(crate) fn ignored(outcomes: &Outcomes) -> String {
    match outcomes.iter().collect::<Vec<_>>().as_slice() {
        [Outcome::Ignored { reason }] => reason.clone(),
        other => panic!("expected it to be ignored, got {other:?}"),
    }
}

/// A permanent failure's words.
pub(crate) fn permanent(failure: Failure) -> String {
    match failure {
        Failure::Permanent(error) => format!("{error:#}"),
        other => panic!("expected a permanent failure, got {other:?}"),
    }
}

/// A transient failure's words.
pub(crate) fn transient(failure: Failure) -> String {
    match failure {
        Failure::Transient(error) => format!("{error:#}"),
        other => panic!("expected a transient failure, got {other:?}"),
    }
}

/// A repository with one commit of these files, all executable: its URL and the commit.
pub(crate) fn repository(folder: &Folder, name: &str, files: &[(&str, &str)]) -> (String, String) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.make(name).unwrap();
    git(&path, &["init", "-q", "-b", "main"]);
    for (file, text) in files {
        std::fs::write(path.join(file), text).unwrap();
        std::fs::set_permissions(path.join(file), PermissionsExt::from_mode(0o755)).unwrap();
    }
    git(&path, &["add", "."]);
    git(&path, &["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "all"]);
    (format!("file://{}", path.display()), git(&path, &["rev-parse", "HEAD"]))
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git").current_dir(dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
