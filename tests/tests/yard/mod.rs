//! What the builder's and the scanner's tests share: an app `shop` whose source lies on a Git server of its own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use proto::{Change, Event, EventId, Lane, PushReceived, ScanFinished, TestsFinished, Timestamp};
use testkit::{
    githttp::{GitServer, Work},
    wait,
};

use crate::stage::Stage;

/// Far longer than anything here takes, on a machine that compiles at the same time.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The app's source, and the worker's context.
pub(crate) struct Yard {
    pub(crate) stage: Stage,
    pub(crate) git: GitServer,
    pub(crate) work: Work,
}

impl Yard {
    /// An app with these keys besides its repository; and these top-level keys.
    pub(crate) async fn open(app: &str, rest: &str) -> Self {
        let git = GitServer::start().unwrap();
        let url = git.create("acme/shop").await.unwrap();
        let config =
            format!("apps:\n  shop:\n    repository: acme/shop\n    clone: {url}\n    deploy: [main]\n{app}\n{rest}");
        let work = git.work("acme/shop").await.unwrap();
        Self { stage: Stage::open(&config).await, git, work }
    }

    /// Commits these files, executable, and pushes them; the commit.
    pub(crate) async fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.work.write(path, text).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(self.work.path().join(path), mode).unwrap();
        }
        let sha = self.work.commit("change").await.unwrap();
        self.work.push().await.unwrap();
        sha
    }

    /// A file below the data folder.
    pub(crate) fn data(&self, path: &str) -> PathBuf {
        self.stage.folder.join("data").join(path)
    }

    /// A log, by its name in a report.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.data("logs").join(name)).unwrap()
    }
}

pub(crate) fn change(commit: &str) -> Change {
    Change {
        app: "shop".parse().unwrap(),
        branch: "main".parse().unwrap(),
        commit: commit.parse().unwrap(),
        lane: Lane::Deploy,
        author: None,
        title: None,
    }
}

fn event(subject: &str, data: impl Into<proto::Data>) -> Event {
    Event::first(EventId::fresh(), "/workers/test".into(), subject.to_owned(), Timestamp::now(), data)
}

/// `push.received` of this commit on `main`.
pub(crate) fn pushed(commit: &str) -> Event {
    event("main", PushReceived { change: change(commit), before: None, forced: false })
}

/// `tests.finished` of this commit.
pub(crate) fn tested(commit: &str, passed: bool) -> Event {
    event(commit, TestsFinished { change: change(commit), passed, steps: Vec::new() })
}

/// `scan.finished` of this commit.
pub(crate) fn scanned(commit: &str, passed: bool) -> Event {
    event(commit, ScanFinished { change: change(commit), passed, scans: Vec::new() })
}

/// What a step wrote into a file, once it has.
pub(crate) async fn written(path: PathBuf) -> String {
    let read = async || {
        let text = std::fs::read_to_string(&path)?;
        anyhow::ensure!(text.ends_with('\n'), "not whole yet");
        Ok(text.trim().to_owned())
    };
    wait::until(SOON, &format!("a line in {}", path.display()), read).await.unwrap()
}

/// Waits until these processes are gone.
pub(crate) async fn gone(pids: &str) {
    for pid in pids.split_whitespace().map(|pid| pid.parse().unwrap()) {
        let dead = async || !testkit::process::is_alive(pid);
        wait::until_true(SOON, &format!("the end of process {pid}"), dead).await.unwrap();
    }
}
