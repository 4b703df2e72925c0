//! Windlass itself, as processes: everything in one, or each service its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use proto::WorkerName;
use serde_json::Value;

use crate::{
    http, ports,
    process::{self, Process, Signal},
    wait,
};

/// How long a service may take from its start until it says it is ready.
const READY: Duration = Duration::from_secs(30);
/// How long a service may take to stop in good order.
const STOP: Duration = Duration::from_secs(35);

/// How Windlass is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `windlass up`.
    Together,
    /// Each service a process of its own.
    Apart,
}

/// A running Windlass.
pub struct Engine {
    layout: Layout,
    config: PathBuf,
    logs: PathBuf,
    programs: PathBuf,
    services: Vec<Service>,
}

struct Service {
    name: String,
    ops_port: u16,
    process: Option<Process>,
}

impl Engine {
    /// Starts it with this configuration and waits until every service is ready. Logs go to that folder.
    pub async fn start(layout: Layout, config: &Path, logs: &Path) -> Result<Self> {
        std::fs::create_dir_all(logs)?;
        let mut engine =
            Self { layout, config: config.into(), logs: logs.into(), programs: programs()?, services: Vec::new() };
        for name in engine.names() {
            engine.services.push(Service { name, ops_port: ports::free()?, process: None });
        }
        for name in engine.names() {
            engine.start_service(&name)?;
        }
        for name in engine.names() {
            engine.ready(&name).await?;
        }
        Ok(engine)
    }

    fn names(&self) -> Vec<String> {
        match self.layout {
            Layout::Together => vec!["up".to_owned()],
            Layout::Apart => {
                let workers = WorkerName::ALL.iter().map(ToString::to_string);
                std::iter::once("receiver".to_owned()).chain(workers).collect()
            }
        }
    }

    /// Starts one more service of those that run apart, `windlass-<name>`, and waits until it is ready.
    pub async fn add(&mut self, name: &str) -> Result<()> {
        self.services.push(Service { name: name.to_owned(), ops_port: ports::free()?, process: None });
        self.start_service(name)?;
        self.ready(name).await
    }

    /// Starts one service that does not run: `up`, `receiver` or a worker.
    pub fn start_service(&mut self, name: &str) -> Result<()> {
        let mut command = match self.layout {
            Layout::Together => self.windlass(&["up"])?,
            Layout::Apart => self.command(&format!("windlass-{name}"))?,
        };
        let log = self.log(name);
        let service = self.service(name)?;
        command.arg("--set").arg(format!("ops.listen=127.0.0.1:{}", service.ops_port));
        service.process = Some(Process::start_guarded(name, command, &log, Signal::TERM, None)?);
        Ok(())
    }

    /// Waits until a service says it is ready.
    pub async fn ready(&mut self, name: &str) -> Result<()> {
        let service = self.service(name)?;
        let url = format!("http://127.0.0.1:{}/readyz", service.ops_port);
        let client = http::client();
        let process = service.process.as_mut().with_context(|| format!("{name} was not started"))?;
        wait::until(READY, &format!("{name} to be ready"), async || {
            if let Some(status) = process.ended() {
                bail!("it ended with {status}; {}", process.log_end());
            }
            let answer = client.get(&url).send().await?;
            let status = answer.status();
            anyhow::ensure!(status.is_success(), "{status}: {}", answer.text().await?);
            Ok(())
        })
        .await
    }

    /// Kills a service with SIGKILL and with it all it has started, as the end of its container would, and waits until
    /// it is gone.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        if let Some(mut process) = self.service(name)?.process.take() {
            process.kill();
        }
        Ok(())
    }

    /// Kills a service's own process with SIGKILL, waits until it is gone, and leaves what it had started to itself.
    pub async fn crash(&mut self, name: &str) -> Result<()> {
        let service = self.service(name)?;
        if let Some(mut process) = service.process.take() {
            process.signal(Signal::KILL)?;
            process.wait(STOP).await?;
        }
        Ok(())
    }

    /// Stops everything in good order; fails when a service had ended before or does not stop.
    pub async fn stop(&mut self) -> Result<()> {
        for service in &mut self.services {
            if let Some(process) = &mut service.process {
                process.must_run()?;
                process.signal(Signal::TERM)?;
            }
        }
        for service in &mut self.services {
            if let Some(mut process) = service.process.take() {
                let status = process.wait(STOP).await?;
                anyhow::ensure!(status.success(), "{} ended with {status}; {}", service.name, process.log_end());
            }
        }
        Ok(())
    }

    /// The services' names and process ids.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let pid = |service: &Service| Some((service.name.clone(), service.process.as_ref()?.id()));
        self.services.iter().filter_map(pid).collect()
    }

    /// The services' names and where their health and metrics are.
    pub fn ops(&self) -> Vec<(String, String)> {
        let url = |service: &Service| (service.name.clone(), format!("http://127.0.0.1:{}", service.ops_port));
        self.services.iter().map(url).collect()
    }

    /// Fails with the end of its log if a service has ended.
    pub fn must_run(&mut self) -> Result<()> {
        self.services.iter_mut().filter_map(|service| service.process.as_mut()).try_for_each(Process::must_run)
    }

    /// The `windlass` command with this configuration.
    pub fn windlass(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command("windlass")?;
        command.args(arguments);
        Ok(command)
    }

    /// Runs the `windlass` command and reads what it prints: one JSON value a line.
    pub async fn json(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let text = process::run(self.windlass(arguments)?).await?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
    }

    /// Where a service logs.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    fn command(&self, program: &str) -> Result<Command> {
        let path = self.programs.join(program);
        if !path.is_file() {
            bail!("{} is not built; run: cargo build --workspace --bins", path.display());
        }
        let mut command = Command::new(path);
        command.arg("--config").arg(&self.config);
        Ok(command)
    }

    fn service(&mut self, name: &str) -> Result<&mut Service> {
        let found = self.services.iter_mut().find(|service| service.name == name);
        found.with_context(|| format!("there is no service {name}"))
    }
}

/// Where Cargo put the binaries: beside this program, or above it when this is a test.
fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies nowhere")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}
