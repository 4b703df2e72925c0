//! From a config file to a running service: open bus and ledger, serve the operators' port, work, stop in good order.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use bus::Bus;
use clap::{CommandFactory, FromArgMatches, Parser};
use ledger::Ledger;
use proto::WorkerName;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    Config, Worker,
    config::Places,
    git::Git,
    harness,
    http::{self, Guarded, Redirects},
    network::Guard,
    oci::Registries,
    ops::{Metrics, Ops, Readiness},
    telemetry,
};

/// What `/readyz` calls the taking from queues.
pub const DELIVERIES: &str = "deliveries";

/// What every service's command line takes.
#[derive(Debug, Clone, Parser)]
pub struct Arguments {
    /// The configuration.
    #[arg(long, short, global = true, env = "WINDLASS_CONFIG", default_value = "windlass.yaml")]
    pub config: PathBuf,
    /// Sets one key over the file and the environment: `--set ops.listen=127.0.0.1:0`, `--set notify[0].slack=env:URL`. A
    /// list, or keys with dots in their names, as YAML: `--set 'registries={ghcr.io: {poll: 5m}}'`.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Arguments {
    /// Reads the configuration they name.
    pub fn load(&self) -> Result<Config> {
        Ok(Config::load(&self.config, &self.overrides)?)
    }

    /// The same with where each key stands.
    pub fn load_with_places(&self) -> Result<(Config, Places)> {
        Ok(Config::load_with_places(&self.config, &self.overrides)?)
    }
}

/// What a service that needs no ledger is built from: the receiver.
#[derive(Clone)]
pub struct Base {
    /// The configuration.
    pub config: Arc<Config>,
    /// The bus; only the harness, the receiver, the recorder, and operators' orders and replays publish.
    pub bus: Bus,
    /// The process's metrics.
    pub metrics: Metrics,
    /// What `/readyz` asks.
    pub readiness: Readiness,
    /// Cancelled when the service is to stop.
    pub shutdown: CancellationToken,
}

/// What workers are built from.
#[derive(Clone)]
pub struct Context {
    /// The configuration.
    pub config: Arc<Config>,
    /// The ledger.
    pub ledger: Ledger,
    /// The bus; only the harness, the receiver, the recorder, and operators' orders and replays publish.
    pub bus: Bus,
    /// HTTP to what a payload or an app's configuration names; without redirects.
    pub http: Guarded,
    /// HTTP to what operators configured for Windlass itself; without redirects.
    pub trusted: reqwest::Client,
    /// Git, with the configured credentials.
    pub git: Git,
    /// Registries, with the configured credentials.
    pub registries: Registries,
    /// The process's metrics.
    pub metrics: Metrics,
    /// What `/readyz` asks.
    pub readiness: Readiness,
    /// Cancelled when the service is to stop.
    pub shutdown: CancellationToken,
}

/// Opens the ledger of this configuration; the folder of its file is made where it is missing, and outlives a power cut.
pub async fn open_ledger(config: &Config) -> Result<Ledger> {
    let location = config.ledger_location()?;
    let hint = || format!("opening the ledger {location} (`ledger`)");
    if let ledger::Location::Sqlite(file) = &location
        && let Some(folder) = file.parent()
    {
        bus::folders::make(folder).with_context(hint)?;
    }
    Ledger::open(&location).await.with_context(hint)
}

impl Base {
    /// Opens the bus.
    pub async fn open(config: Config, name: &str) -> Result<Self> {
        http::install_tls();
        bus::folders::make(&config.data)
            .with_context(|| format!("`data`: making the folder {}", config.data.display()))?;
        let settings = bus::Settings {
            location: config.bus_location()?,
            workers: config.workers.clone(),
            publish_deadline: config.receiver.publish_deadline,
            name: format!("windlass-{name}"),
        };
        let bus = Bus::open(settings).await.context("opening the bus (`bus`)")?;
        let readiness = Readiness::default();
        let (asked, also) = (bus.clone(), bus.clone());
        readiness.set("bus", move || std::future::ready(asked.ready().map(|()| None)));
        readiness.set(DELIVERIES, move || std::future::ready(also.takes().map(|()| None)));
        let (metrics, shutdown) = (Metrics::default(), CancellationToken::new());
        Ok(Self { config: Arc::new(config), bus, metrics, readiness, shutdown })
    }
}

impl Base {
    /// Opens the operators' port of a service without a ledger.
    pub fn open_ops(&self) -> Result<Ops> {
        Ops::start(&self.config.ops.listen, self.metrics.clone(), self.bus.clone(), self.readiness.clone())
    }
}

impl Context {
    /// Opens the ledger as well.
    pub async fn open(base: Base) -> Result<Self> {
        let ledger = open_ledger(&base.config).await?;
        let asked = ledger.clone();
        base.readiness.set("ledger", move || {
            let asked = asked.clone();
            async move { asked.ping().await.map(|()| None).map_err(|error| error.to_string()) }
        });
        let guard = Guard::new(&base.config.network);
        Ok(Self {
            http: Guarded::new(&guard, Redirects::None)?,
            trusted: http::trusted()?,
            git: Git::new(&base.config.git, &guard),
            registries: Registries::new(&base.config.registries, &guard)?,
            ledger,
            config: base.config,
            bus: base.bus,
            metrics: base.metrics,
            readiness: base.readiness,
            shutdown: base.shutdown,
        })
    }

    /// Opens the operators' port.
    pub fn open_ops(&self) -> Result<Ops> {
        let listen = &self.config.ops.listen;
        Ops::start(listen, self.metrics.clone(), self.bus.clone(), self.readiness.clone())
    }

    /// A folder of this name below the data folder; made when it is not there.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.config.data.join(name);
        let made = std::fs::create_dir_all(&path).and_then(|()| path.canonicalize());
        made.with_context(|| format!("`data`: making the folder {}", path.display()))
    }
}

/// The `main` of a worker's binary. `--help` begins with what it is about.
pub fn run_worker<W: Worker>(about: &'static str, build: fn(&Context) -> Result<W>) -> ExitCode {
    run_with_ledger(W::NAME.as_str(), about, async move |context| {
        require(&context.config, W::NAME)?;
        harness::work(build(&context)?, context).await
    })
}

/// The `main` of a service with a ledger: opens it and the operators' port, and serves.
pub fn run_with_ledger<F, Fut>(name: &'static str, about: &'static str, serve: F) -> ExitCode
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    run(name, about, async move |base| {
        let context = Context::open(base).await?;
        let ops = context.open_ops()?;
        serve(context).await?;
        ops.stop().await;
        Ok(())
    })
}

/// A worker that is not among the configured ones has no queue to take from.
pub fn require(config: &Config, worker: WorkerName) -> Result<()> {
    let listed = config.workers.contains(&worker);
    anyhow::ensure!(listed, "`workers` does not list `{worker}`, so nothing is queued for it; add it there");
    Ok(())
}

/// The `main` of any service: config, logs, bus, then `serve` until it returns or SIGTERM or SIGINT comes.
pub fn run<F, Fut>(name: &'static str, about: &'static str, serve: F) -> ExitCode
where
    F: FnOnce(Base) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let command = command(name, about);
    let arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match arguments.load().and_then(|config| start(config, name, serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            eprintln!("windlass-{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A service's command line, which says what the service is.
fn command(name: &str, about: &'static str) -> clap::Command {
    Arguments::command().display_name(format!("windlass-{name}")).about(about).version(env!("CARGO_PKG_VERSION"))
}

/// The same with a config at hand.
pub fn start<F, Fut>(config: Config, name: &'static str, serve: F) -> Result<()>
where
    F: FnOnce(Base) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    // Sentry's client needs it too.
    http::install_tls();
    let _telemetry = telemetry::start(&config, name)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let base = Base::open(config, name).await?;
        stop_on_signals(base.shutdown.clone())?;
        let bus = base.bus.clone();
        let served = serve(base).await;
        bus.close().await;
        info!("windlass-{name} has stopped");
        served
    })
}

fn stop_on_signals(shutdown: CancellationToken) -> Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        info!("stopping: takes nothing new, finishes what is under way");
        shutdown.cancel();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_help_says_what_the_service_is() {
        let help = command("receiver", "Takes webhooks in").render_help().to_string();
        assert!(help.starts_with("Takes webhooks in\n\nUsage: "), "{help}");
        let version = command("receiver", "Takes webhooks in").render_version();
        assert!(version.starts_with("windlass-receiver "), "{version}");
    }
}
