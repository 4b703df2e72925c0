//! A private RabbitMQ node, with an Erlang name server, a cookie, ports and a data folder of its own.

mod control;
mod install;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::process::{self, Process, Signal};
use crate::{ports, wait};

/// Far more than a start takes (4 s on an idle machine of two cores), for machines that compile at the same time.
const START: Duration = Duration::from_mins(2);

/// The broker's own configuration. Tests must not depend on how full the disk is.
const CONFIG: &str = "disk_free_limit.absolute = 1MB\n";

/// A private broker. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct RabbitMq {
    folder: Folder,
    ports: Ports,
    node: Option<Process>,
    names: Option<Process>,
    vhosts: AtomicU32,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    names: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self { amqp: ports::free()?, distribution: ports::free()?, names: ports::free()? })
    }
}

impl RabbitMq {
    /// Starts a fresh one, and waits until it takes connections.
    pub async fn start() -> Result<Self> {
        let mut broker = Self::prepare()?;
        for _ in 0..3 {
            match broker.start_again().await {
                Err(error) if taken(&error) => broker.ports = Ports::free()?,
                other => return other.map(|()| broker),
            }
        }
        bail!("RabbitMQ found one of its ports taken, three times in a row")
    }

    /// The one that all tests of this process share: give each a virtual host of its own by [`RabbitMq::vhost`].
    /// A test that stops it, kills it or sets its memory alarm starts its own instead.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// The default virtual host, as user `guest`.
    pub fn url(&self) -> String {
        self.url_of("%2f")
    }

    /// Makes a virtual host and returns its URL.
    pub async fn vhost(&self) -> Result<String> {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        let made = self
            .eval(&format!(
                "rabbit_vhost:add(<<\"{name}\">>, <<\"testkit\">>), rabbit_auth_backend_internal:set_permissions(\
                 <<\"guest\">>, <<\"{name}\">>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"testkit\">>)."
            ))
            .await?;
        ensure!(made == "ok", "RabbitMQ did not make the virtual host {name}: {made}");
        Ok(self.url_of(&name))
    }

    fn url_of(&self, vhost: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.ports.amqp)
    }

    /// The port for AMQP; it stays the same when the broker is stopped and started again.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The process id of the running node.
    pub fn id(&self) -> Option<u32> {
        self.node.as_ref().map(Process::id)
    }

    /// Its temporary folder, with the node's log.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stops it in good order; its data and ports stay.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut node) = self.node.take() else { return Ok(()) };
        node.signal(Signal::TERM)?;
        node.wait(Duration::from_mins(1)).await.map(|_| ())
    }

    /// Kills it as a power cut would; its data and ports stay.
    pub fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.kill();
        }
    }

    /// Starts it again over the same data at the same ports, and waits until it takes connections.
    pub async fn start_again(&mut self) -> Result<()> {
        self.start_names().await?;
        let _ = std::fs::remove_file(self.socket());
        let mut command = self.command("rabbitmq-server");
        // Erlang itself is then the child, without a shell in between that would have to be told what to do.
        command.env("RABBITMQ_ALLOW_INPUT", "1").env("RABBITMQ_LOGS", "-");
        command.args(["-noinput", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
        command.args(["-eval", &control::expression(&self.socket())?]);
        let log = self.folder.join("rabbitmq.log");
        let folder = Some(self.folder.path());
        let mut node = Process::start_guarded("RabbitMQ", command, &log, Signal::KILL, folder)?;
        let up = node.up(START, async || {
            let running = self.eval("rabbit:is_running().").await?;
            ensure!(running == "true", "the node is up, the broker not yet");
            Ok(())
        });
        up.await?;
        self.node = Some(node);
        self.enable_features().await
    }

    /// Evaluates an Erlang expression, which ends in a full stop, in the node.
    pub async fn eval(&self, expression: &str) -> Result<String> {
        control::eval(&self.socket(), expression).await
    }

    /// Runs `rabbitmqctl` and returns what it wrote. About a second: prefer [`RabbitMq::eval`].
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command("rabbitmqctl");
        command.args(arguments);
        process::run(command).await
    }

    /// Closes every client's connection as an operator would; clients are told so.
    pub async fn close_all_connections(&self) -> Result<()> {
        let close = "[rabbit_networking:close_connection(C, \"closed by a test\") || C <- rabbit_networking:connections()], ok.";
        self.eval(close).await.map(|_| ())
    }

    /// Closes the connections to one virtual host, given by its URL; clients are told so.
    pub async fn close_connections(&self, url: &str) -> Result<()> {
        self.for_connections(url, "rabbit_networking:close_connection(C, \"closed by a test\")").await
    }

    /// Cuts the connections to one virtual host, given by its URL, without a word.
    pub async fn cut_connections(&self, url: &str) -> Result<()> {
        self.for_connections(url, "exit(C, kill)").await
    }

    async fn for_connections(&self, url: &str, action: &str) -> Result<()> {
        let vhost = url.rsplit('/').next().unwrap_or_default().replace("%2f", "/");
        let all = "rabbit_networking:connections()";
        let here = format!("(catch rabbit_networking:connection_info(C, [vhost])) =:= [{{vhost, <<\"{vhost}\">>}}]");
        self.eval(&format!("[{action} || C <- {all}, {here}], ok.")).await.map(|_| ())
    }

    /// How many connections there are to one virtual host, given by its URL.
    pub async fn connections(&self, url: &str) -> Result<usize> {
        let vhost = url.rsplit('/').next().unwrap_or_default().replace("%2f", "/");
        let here = format!("(catch rabbit_networking:connection_info(C, [vhost])) =:= [{{vhost, <<\"{vhost}\">>}}]");
        let count = format!("length([C || C <- rabbit_networking:connections(), {here}]).");
        self.eval(&count).await?.parse().context("RabbitMQ gave no number of connections")
    }

    /// Raises or clears the memory alarm, under which the broker reads nothing from connections that publish.
    /// Returns when it holds.
    pub async fn memory_alarm(&self, on: bool) -> Result<()> {
        let watermark = if on { "0.000001" } else { "0.9" };
        self.eval(&format!("vm_memory_monitor:set_vm_memory_high_watermark({watermark}).")).await?;
        wait::until(Duration::from_secs(20), "the memory alarm to change", async || {
            let alarms = self.eval("rabbit_alarm:get_alarms().").await?;
            ensure!(alarms.contains("memory") == on, "the alarms are {alarms}");
            Ok(())
        })
        .await
    }

    fn prepare() -> Result<Self> {
        process::program("erl", "rabbitmq-server")?;
        let folder = Folder::new("rabbitmq")?;
        install::copy_to(&folder.make("server")?).context("cannot copy RabbitMQ's installation")?;
        folder.write("rabbit.conf", CONFIG)?;
        folder.write("advanced.config", "[].\n")?;
        folder.write("plugins", "[].\n")?;
        folder.make("home")?;
        let cookie = folder.write("home/.erlang.cookie", &hex::encode(rand::random::<[u8; 16]>()))?;
        std::fs::set_permissions(cookie, std::os::unix::fs::PermissionsExt::from_mode(0o400))?;
        Ok(Self { folder, ports: Ports::free()?, node: None, names: None, vhosts: AtomicU32::new(0) })
    }

    /// Starts Erlang's name server in the foreground; otherwise the node would start one that outlives it.
    async fn start_names(&mut self) -> Result<()> {
        if self.names.as_mut().is_some_and(|names| names.ended().is_none()) {
            return Ok(());
        }
        let port = self.ports.names.to_string();
        let mut command = Command::new(process::program("epmd", "erlang-base")?);
        command.args(["-address", "127.0.0.1", "-port", &port]);
        let mut names = Process::start("epmd", command, &self.folder.join("epmd.log"))?;
        let address = ("127.0.0.1", self.ports.names);
        wait::until(START, "Erlang's name server to start", async || {
            if let Some(status) = names.ended() {
                return Ok(Err(status));
            }
            tokio::net::TcpStream::connect(address).await?;
            Ok(Ok(()))
        })
        .await?
        .map_err(|status| anyhow::anyhow!("epmd ended with {status}; {}", names.log_end()))?;
        self.names = Some(names);
        Ok(())
    }

    /// Turns on every stable feature, as dead-lettering at least once needs; a fresh node has them on by itself.
    async fn enable_features(&self) -> Result<()> {
        let enabled = "case maps:size(rabbit_feature_flags:list(disabled, stable)) of \
                       0 -> ok; _ -> rabbit_feature_flags:enable_all() end.";
        let said = self.eval(enabled).await?;
        ensure!(said == "ok", "RabbitMQ could not turn its features on: {said}");
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("control")
    }

    /// One of the scripts, with an environment in which nothing is the system's own.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.folder.join("server/sbin").join(script));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
        let folder = |name: &str| self.folder.join(name);
        command.env("HOME", folder("home")).env("ERL_EPMD_PORT", self.ports.names.to_string());
        command.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("RABBITMQ_NODENAME", "testkit@localhost");
        command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string());
        command.env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string());
        command.env("RABBITMQ_MNESIA_BASE", folder("data")).env("RABBITMQ_LOG_BASE", folder("logs"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder("plugins"));
        command.env("RABBITMQ_CONF_ENV_FILE", "/dev/null").env("RABBITMQ_CONFIG_FILE", folder("rabbit"));
        command.env("RABBITMQ_ADVANCED_CONFIG_FILE", folder("advanced"));
        // Schedulers that spin while they wait would take the processors from the tests.
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none");
        command
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        // Before the folder and the name server.
        self.node = None;
    }
}

/// Whether a start failed because somebody took a port since it was found free.
fn taken(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    ["eaddrinuse", "already in use", "in use by another"].iter().any(|sign| text.contains(sign))
}
