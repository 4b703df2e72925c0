//! A private PostgreSQL server.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

use crate::folder::Folder;
use crate::ports;
use crate::process::{self, Process, Signal};

/// Far more than a start or a recovery takes, for machines that compile at the same time.
const START: Duration = Duration::from_mins(1);

/// Where Debian, and packages that follow it, put the server's programs: one folder a major version.
const INSTALLED: &str = "/usr/lib/postgresql";

/// The user Debian's package makes; the server refuses to run as root.
const USER: &str = "postgres";

/// A private server, with fsync on. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    folder: Folder,
    port: u16,
    server: Option<Process>,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts a fresh one, and waits until it takes connections.
    pub async fn start() -> Result<Self> {
        let folder = Folder::new("postgres")?;
        let mut postgres = Self { folder, port: ports::free()?, server: None, databases: AtomicU32::new(0) };
        postgres.make_cluster().await?;
        for _ in 0..3 {
            match postgres.start_again().await {
                Err(error) if format!("{error:#}").contains("Address already in use") => postgres.port = ports::free()?,
                other => return other.map(|()| postgres),
            }
        }
        bail!("PostgreSQL found its port taken, three times in a row")
    }

    /// The one that all tests of this process share: give each a database of its own by [`Postgres::database`].
    /// A test that stops or kills it starts its own instead.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Makes an empty database and returns its URL, with user and password.
    pub async fn database(&self) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(&name))
    }

    /// The URL of a database, whether it is there or not.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port; it stays the same when the server is stopped and started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the running server.
    pub fn id(&self) -> Option<u32> {
        self.server.as_ref().map(Process::id)
    }

    /// Its temporary folder, with its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs one statement in the database `postgres`.
    pub async fn execute(&self, statement: &str) -> Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await?;
        let connection = tokio::spawn(connection);
        let done = client.batch_execute(statement).await;
        drop(client);
        connection.await??;
        done.with_context(|| format!("PostgreSQL refused: {statement}"))
    }

    /// Ends every client's connection, as an operator would.
    pub async fn close_all_connections(&self) -> Result<()> {
        let others = "backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")).await
    }

    /// Stops it in good order without waiting for its clients; its data and port stay.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        server.signal(Signal::INT)?;
        server.wait(START).await.map(|_| ())
    }

    /// Kills it as a power cut would; its data and port stay.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Starts it again over the same data at the same port, and waits until it takes connections.
    pub async fn start_again(&mut self) -> Result<()> {
        let mut command = self.command("postgres")?;
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        let log = self.folder.join("postgres.log");
        let folder = Some(self.folder.path());
        // Asked by SIGQUIT it ends at once and takes its backends, which are in groups of their own, with it.
        let mut server = Process::start_guarded("PostgreSQL", command, &log, Signal::QUIT, folder)?;
        let url = self.url("postgres");
        let up = server.up(START, async || {
            // Its answer counts, not its open port: that one is open during recovery too.
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            drop(client);
            connection.await?;
            Ok(())
        });
        up.await?;
        self.server = Some(server);
        Ok(())
    }

    /// Makes the data folder. It is not synced: nothing is in it yet that could be lost.
    async fn make_cluster(&self) -> Result<()> {
        let password = self.folder.write("password", USER)?;
        let data = self.folder.make("data")?;
        if root() {
            let (user, group) = (id("-u").await?, id("-g").await?);
            self.folder.open_to_all()?;
            for path in [&password, &data] {
                chown(path, Some(user), Some(group)).with_context(|| format!("cannot give {} away", path.display()))?;
            }
        }
        let mut command = self.command("initdb")?;
        command.arg("-D").arg(&data).arg("--pwfile").arg(&password);
        command.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        process::run(command).await.map(|_| ())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of the server's programs, run as a user it accepts.
    fn command(&self, program: &str) -> Result<Command> {
        let program = programs()?.join(program);
        let mut command = if root() {
            let mut command = Command::new(process::program("setpriv", "util-linux")?);
            command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
        command.current_dir(self.folder.path());
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Before the folder.
        self.server = None;
    }
}

/// The programs of the newest installed version.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(INSTALLED).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max();
    let newest =
        newest.ok_or_else(|| anyhow!("PostgreSQL is not installed below {INSTALLED}; run: apt-get install postgresql"));
    Ok(newest?.1)
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user's id (`-u`) or its group's (`-g`).
async fn id(which: &str) -> Result<u32> {
    let mut command = Command::new("id");
    command.args([which, USER]);
    let said = process::run(command).await.context("the user that PostgreSQL runs as is missing")?;
    ensure!(!said.trim().is_empty(), "`id {which} {USER}` said nothing");
    said.trim().parse().with_context(|| format!("`id {which} {USER}` said {said}"))
}
