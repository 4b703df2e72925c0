//! A receiver that comes and goes, what works behind it, and GitHub before it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::ensure;
use ledger::EventFilter;
use prometheus_client::registry::Registry;
use proto::{Data, Event, EventType, SourceName, WorkerName};
use receiver::Receiver;
use reconciler::{HookReport, Mode, Reconciler, Report};
use runtime::{Config, Context, Failure, Outcomes, Worker, harness, service::Base};
use serde_json::Value;
use testkit::{
    folder::Folder,
    github::Push,
    github_api::{FakeGithub, Outcome},
    ports,
    postgres::Postgres,
    rabbitmq::RabbitMq,
    wait,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine; only a failing test waits for it.
pub(crate) const SOON: Duration = Duration::from_mins(2);
const SECRET: &str = "it's a Secret to Everybody";

/// What carries events and remembers.
pub(crate) enum Over {
    Files,
    Servers,
}

pub(crate) struct World {
    pub(crate) github: FakeGithub,
    pub(crate) hook: u64,
    pub(crate) context: Context,
    pub(crate) folder: Folder,
    pub(crate) effects: Effects,
    reconciler: Reconciler,
    port: u16,
    receiver: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

/// What was done about each commit: a builder that only counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects(Arc<Mutex<BTreeMap<String, u32>>>);

impl Worker for Effects {
    const NAME: WorkerName = WorkerName::Builder;

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let Data::PushReceived(push) = &event.data else { panic!("{event:?}") };
        *self.0.lock().unwrap().entry(push.change.commit.to_string()).or_default() += 1;
        Ok(Outcomes::none())
    }
}

impl World {
    /// With a webhook of `acme/shop`, which the reconciler asks for with a token.
    pub(crate) async fn open(over: Over) -> Self {
        Self::with(over, "repos/acme/shop", "hooks: [{ repository: acme/shop }]").await
    }

    /// With a webhook of this owner, and these keys of `reconcile` besides the token, in which `{folder}` is the world's.
    pub(crate) async fn with(over: Over, owner: &str, reconcile: &str) -> Self {
        let github = FakeGithub::start().unwrap();
        let folder = Folder::new("reconciler").unwrap();
        let port = ports::free().unwrap();
        let hook = github.hook(owner, &format!("http://127.0.0.1:{port}/webhooks/github"), SECRET);
        folder.write("secret", SECRET).unwrap();
        let token = folder.write("token", &github.token()).unwrap();
        let token =
            if reconcile.contains("app:") { String::new() } else { format!("token: 'file:{}', ", token.display()) };
        let (bus, ledger) = match over {
            Over::Files => ("sqlite".to_owned(), "sqlite".to_owned()),
            Over::Servers => {
                let (bus, ledger) = tokio::try_join!(RabbitMq::shared(), Postgres::shared()).unwrap();
                tokio::try_join!(bus.vhost(), ledger.database()).unwrap()
            }
        };
        let text = format!(
            "bus: '{bus}'\nledger: '{ledger}'\ndata: '{data}'\nworkers: [normalizer, builder, recorder]\n\
             harness: {{ lease: 2s }}\nops: {{ listen: '127.0.0.1:0' }}\n\
             receiver: {{ listen: '127.0.0.1:{port}', spool: off }}\nsources:\n  github:\n    kind: github\n    \
             secrets: ['file:{secret}']\n    \
             reconcile: {{ {token}api: '{api}', pause: 0s, every: 1s, {reconcile} }}\n\
             apps: {{ shop: {{ repository: acme/shop, deploy: [main] }} }}\n",
            data = folder.join("data").display(),
            secret = folder.join("secret").display(),
            api = github.api(),
            reconcile = reconcile.replace("{folder}", &folder.path().display().to_string()),
        );
        let path = folder.write("windlass.yaml", &text).unwrap();
        let config = Config::parse(&text, &path).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let context = Context::open(Base::open(config, "test").await.unwrap()).await.unwrap();
        let effects = Effects::default();
        tokio::spawn(harness::work(normalizer::Normalizer::new(&context).unwrap(), context.clone()));
        tokio::spawn(harness::work(effects.clone(), context.clone()));
        tokio::spawn(recorder::serve(context.clone()));
        let reconciler = Reconciler::new(&context).unwrap();
        Self { github, hook, context, folder, effects, reconciler, port, receiver: None }
    }

    /// Opens the door.
    pub(crate) async fn receive(&mut self) {
        let (config, bus) = (Arc::clone(&self.context.config), self.context.bus.clone());
        let bind = async || Receiver::bind(&config, bus.clone(), None, &mut Registry::default());
        // The port of one that was stopped may be held for a moment.
        let receiver = wait::until(SOON, "the receiver's port", bind).await.unwrap();
        let stop = CancellationToken::new();
        self.receiver = Some((stop.clone(), tokio::spawn(receiver.run(stop))));
    }

    /// Shuts it.
    pub(crate) async fn refuse(&mut self) {
        let (stop, serving) = self.receiver.take().unwrap();
        stop.cancel();
        serving.await.unwrap().unwrap();
    }

    /// So many deliveries of the last twenty hours that failed in every way an outage has them fail; their GUIDs.
    pub(crate) fn outage(&self, count: u32) -> Vec<String> {
        let outcomes = [Outcome::Unreachable, Outcome::TimedOut, Outcome::Answered(503), Outcome::Answered(502)];
        let begun = proto::Timestamp::now() - Duration::from_hours(20);
        let step = Duration::from_hours(19) / count;
        let missed = |n: u32| {
            let outcome = outcomes[n as usize % outcomes.len()];
            self.github.missed(self.hook, "push", &push("a", n), begun + step * n, outcome)
        };
        (0..count).map(missed).collect()
    }

    /// One sweep of everything, which goes well.
    pub(crate) async fn sweep(&self) -> HookReport {
        self.sweep_as(Mode::default()).await
    }

    /// The same, meant otherwise.
    pub(crate) async fn sweep_as(&self, mode: Mode) -> HookReport {
        self.try_sweep(mode).await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) async fn try_sweep(&self, mode: Mode) -> anyhow::Result<HookReport> {
        let source = SourceName::new("github").unwrap();
        let mut reports = self.reconciler.once(Some(&source), mode).await;
        let (_, report) = reports.pop().expect("a webhook to sweep");
        assert!(reports.is_empty());
        report.map(|report| match report.expect("nobody else sweeps") {
            Report::Hook(report) => report,
            Report::Tags(other) => panic!("{other}"),
        })
    }

    /// Waits until so many commits had an effect, and nothing is under way; then each had exactly one.
    pub(crate) async fn each_has_one_effect(&self, count: usize) {
        wait::until(SOON * 5, &format!("{count} effects and empty queues"), async || {
            let effects = self.effects.0.lock().unwrap().len();
            ensure!(effects >= count, "{effects} so far");
            let depths = self.context.bus.depths().await?;
            let waiting: u64 = depths.iter().filter(|(queue, _)| is_ours(queue)).map(|(_, depth)| depth).sum();
            ensure!(waiting == 0, "{depths:?}");
            Ok(())
        })
        .await
        .unwrap();
        let effects = self.effects.0.lock().unwrap().clone();
        let twice: Vec<_> = effects.iter().filter(|(_, times)| **times != 1).collect();
        assert_eq!((effects.len(), twice), (count, vec![]));
    }

    /// Waits until this is recorded as left alone.
    pub(crate) async fn tells(&self, reason: &str) {
        tells(&self.context, reason).await;
    }

    /// How often it waited for this.
    pub(crate) fn waits(&self, cause: &str) -> f64 {
        self.metric_with("windlass_reconciler_waits_total", &format!("cause=\"{cause}\""))
    }

    /// A metric's value, all its labels together.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_with(name, "")
    }

    fn metric_with(&self, name: &str, label: &str) -> f64 {
        let mut text = String::new();
        let registry = self.context.metrics.registry.lock().unwrap();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name) && line.contains(label);
        text.lines().filter(of_name).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    pub(crate) fn config(&self) -> std::path::PathBuf {
        self.folder.join("windlass.yaml")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Waits until something is recorded as left alone, for this reason.
pub(crate) async fn tells(context: &Context, reason: &str) {
    let filter = EventFilter { kind: Some(EventType::EventIgnored), ..EventFilter::default() };
    let told = async || {
        let known = context.ledger.events(&filter).await?;
        let known: Vec<_> = known.iter().map(|known| Event::from_message(&known.message).unwrap()).collect();
        let is_it = |event: &Event| {
            matches!(&event.data, Data::EventIgnored(ignored) if ignored.reason.contains(reason))
                && event.source == "/reconciler"
        };
        ensure!(known.iter().filter(|event| is_it(event)).count() == 1, "{known:?}");
        Ok(())
    };
    wait::until(SOON, reason, told).await.unwrap();
}

fn is_ours(queue: &str) -> bool {
    ["windlass.normalizer", "windlass.builder"].contains(&queue)
}

/// A push of a commit of its own.
pub(crate) fn push(series: &str, n: u32) -> Value {
    Push::to("acme/shop", "main", &format!("{series}{n:039x}")).payload()
}

/// A program of ours.
pub(crate) fn program(name: &str, config: &Path) -> std::process::Command {
    let own = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(own.parent().unwrap().parent().unwrap().join(name));
    command.arg("--config").arg(config);
    command
}
