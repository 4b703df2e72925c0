//! A console over a bus and a ledger, and nobody else at work: what is ordered stays where it was put.

use ledger::{Chain, ClaimKey, NewDeadLetter};
use prometheus_client::registry::Registry;
use proto::{Event, EventId, WorkerName};
use reqwest::Method;
use testkit::folder::Folder;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::browser::{Answer, Browser};
use crate::stage::Stage;

pub(crate) const ALICE: &str = "alice-s-token-of-this-run-alone";
pub(crate) const WATCHER: &str = "watcher-s-token-of-this-run-alone";

/// A console at work.
pub(crate) struct Stand {
    pub(crate) stage: Stage,
    pub(crate) base: String,
    tokens: Folder,
    shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Stand {
    pub(crate) async fn open() -> Self {
        Self::with("", "").await
    }

    /// With keys of the console, and of the whole configuration.
    pub(crate) async fn with(keys: &str, config: &str) -> Self {
        let tokens = Folder::new("tokens").unwrap();
        tokens.write("alice", ALICE).unwrap();
        tokens.write("watcher", WATCHER).unwrap();
        let file = |name: &str| format!("'file:{}'", tokens.join(name).display());
        let operators = format!(
            "[{{ name: alice, token: {} }}, {{ name: watcher, token: {}, may: read }}]",
            file("alice"),
            file("watcher")
        );
        let environment = |name: &str, keys: &str| format!("{{ path: {name}, sync: {{ argocd: a }}, {keys} }}");
        let app = format!(
            "apps: {{ shop: {{ repository: acme/shop, gitops: {{ repository: 'https://git.example/g.git' }}, \
             components: {{ web: {{ image: ghcr.io/acme/web }} }}, environments: {{ staging: {}, production: {} }} }} }}",
            environment("staging", ""),
            environment("production", "after: staging, approval: required"),
        );
        let console = format!("console: {{ listen: '127.0.0.1:0', operators: {operators}, {keys} }}");
        let stage = Stage::open(&format!("{app}\n{console}\n{config}")).await;
        let settings = stage.context.config.console.clone().unwrap();
        let console = console::Console::bind(&stage.context, &settings, &mut Registry::default()).unwrap();
        let (base, shutdown) = (format!("http://{}", console.address()), CancellationToken::new());
        let serving = tokio::spawn(console.run(shutdown.clone()));
        Self { stage, base, tokens, shutdown, serving }
    }

    pub(crate) async fn alice(&self) -> Browser {
        Browser::signed_in(&self.base, ALICE).await
    }

    pub(crate) async fn watcher(&self) -> Browser {
        Browser::signed_in(&self.base, WATCHER).await
    }

    /// Gives somebody another token, as secrets are rotated.
    pub(crate) fn rotate(&self, name: &str, token: &str) {
        let new = self.tokens.write("new", token).unwrap();
        std::fs::rename(new, self.tokens.join(name)).unwrap();
    }

    /// A program asks.
    pub(crate) async fn program(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        self.program_with(method, path, token, body, &[]).await
    }

    pub(crate) async fn program_with(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = testkit::http::client().request(method, format!("{}{path}", self.base)).body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::of(request.send().await.unwrap()).await
    }

    /// What the command prints, over the same data and with a configuration of nothing else.
    pub(crate) async fn windlass(&self, arguments: &[&str]) -> String {
        let data = format!("data: '{}'", self.stage.folder.join("data").display());
        let config = self.stage.folder.write("command.yaml", &data).unwrap();
        let own = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(own.parent().unwrap().parent().unwrap().join("windlass"));
        command.arg("--config").arg(config).args(arguments);
        testkit::process::run(command).await.unwrap()
    }

    /// How many messages wait for a worker.
    pub(crate) async fn waiting(&self, worker: WorkerName) -> u64 {
        let depths = self.stage.context.bus.depths().await.unwrap();
        depths.into_iter().find(|(name, _)| *name == format!("windlass.{worker}")).map_or(0, |(_, depth)| depth)
    }

    /// Keeps a chain of the shop, as the bumper's run would.
    pub(crate) async fn keep(&self, chain: &Chain) {
        let (ledger, app) = (&self.stage.context.ledger, "shop".parse().unwrap());
        let (version, _) = ledger.chain(&app).await.unwrap();
        let key = ClaimKey { worker: WorkerName::Bumper, event: EventId::fresh(), replay: 0 };
        let owner = uuid::Uuid::new_v4();
        ledger.claim(&key, owner, std::time::Duration::from_mins(1)).await.unwrap();
        let kept = chain.keep(&app, version).unwrap();
        assert!(ledger.complete(&key, owner, &[], Some(&kept)).await.unwrap());
    }

    /// Buries an event of the bumper's queue.
    pub(crate) async fn bury(&self, event: &Event, reason: &str) -> String {
        let letter = NewDeadLetter {
            message: event.to_message(),
            worker: Some(WorkerName::Bumper),
            reason: reason.to_owned(),
            attempts: 5,
            parked_at: proto::Timestamp::now(),
        };
        self.stage.context.ledger.bury(&letter).await.unwrap().0.to_string()
    }

    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}
