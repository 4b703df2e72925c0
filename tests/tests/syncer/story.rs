//! One Application, `shop`, in a fake Argo CD, and a syncer that is to bring it somewhere.

use std::time::Duration;

use proto::{Data, SyncFinished};
use runtime::{Failure, Outcomes, Worker};
use serde_json::Value;
use syncer::{Patience, Syncer};
use testkit::{
    argocd::{Behaviour, FakeArgo},
    wait,
};

use crate::stage::{Stage, bumped, deployment, only, shop};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Story {
    pub(crate) stage: Stage,
    pub(crate) argo: FakeArgo,
    pub(crate) syncer: Syncer,
}

/// The revision made of this digit.
pub(crate) fn of(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// Patience for tests: what is final is told at once.
pub(crate) fn quick() -> Patience {
    Patience { operation: SOON, health: SOON, degraded: Duration::ZERO, tick: Duration::from_millis(100) }
}

impl Story {
    pub(crate) async fn begin(behaviour: Behaviour) -> Self {
        Self::begin_with(behaviour, quick()).await
    }

    pub(crate) async fn begin_with(behaviour: Behaviour, patience: Patience) -> Self {
        let argo = FakeArgo::start().unwrap();
        argo.create("argocd", "shop", &of('0'));
        argo.behave("argocd", "shop", behaviour);
        let cluster = format!("kubernetes: {{ kubeconfig: '{}' }}", argo.kubeconfig().display());
        let stage = Stage::open(&format!("{cluster}\n{}", shop("sync: { argocd: shop }"))).await;
        let syncer = Syncer::with_patience(&stage.context, patience).unwrap();
        Self { stage, argo, syncer }
    }

    /// Hands the syncer a bump to this revision.
    pub(crate) async fn handle(&self, revision: char) -> Result<Outcomes, Failure> {
        self.syncer.handle(&bumped(deployment(revision))).await
    }

    /// The same, when it is to end with an answer.
    pub(crate) async fn sync(&self, revision: char) -> SyncFinished {
        match only(&self.handle(revision).await.unwrap()) {
            Data::SyncFinished(finished) => finished,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn application(&self) -> Value {
        self.argo.application("argocd", "shop").unwrap()
    }

    /// How often something was written.
    pub(crate) fn patches(&self) -> usize {
        self.argo.requests().iter().filter(|request| request.starts_with("PATCH")).count()
    }

    pub(crate) async fn until_running(&self) {
        let running = async || self.application()["status"]["operationState"]["phase"] == "Running";
        wait::until_true(SOON, "an operation", running).await.unwrap();
    }

    pub(crate) async fn until_asked(&self, times: usize) {
        wait::until_true(SOON, "more requests", async || self.argo.requests().len() >= times).await.unwrap();
    }
}
