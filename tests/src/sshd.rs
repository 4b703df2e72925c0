//! A private SSH server: Debian's `sshd`, on the loopback interface, that lets one key in and knows no password.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::folder::Folder;
use crate::ports;
use crate::process::{self, Process, Signal};

const START: Duration = Duration::from_secs(30);

/// An SSH server for this machine's files. Dropping it ends it.
#[derive(Debug)]
pub struct SshServer {
    folder: Folder,
    port: u16,
    user: String,
    server: Option<Process>,
}

impl SshServer {
    /// Starts one that lets in whoever has [`SshServer::key`], as the user who runs this.
    pub async fn start() -> Result<Self> {
        let folder = Folder::new("sshd")?;
        for name in ["host", "client", "stranger"] {
            let mut command = Command::new(process::program("ssh-keygen", "openssh-client")?);
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(folder.join(name));
            process::run(command).await?;
        }
        let user = process::run(Command::new("whoami")).await?.trim().to_owned();
        let mut server = Self { folder, port: ports::free()?, user, server: None };
        server.open_with("")?;
        for name in ["host", "stranger"] {
            let key = std::fs::read_to_string(server.folder.join(&format!("{name}.pub")))?;
            server.folder.write(&format!("{name}_known"), &format!("[127.0.0.1]:{} {key}", server.port))?;
        }
        server.run().await.map(|()| server)
    }

    async fn run(&mut self) -> Result<()> {
        let place = |name: &str| self.folder.join(name).display().to_string();
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            self.port,
            place("host"),
            place("authorized")
        );
        let config = self.folder.write("config", &config)?;
        // It insists on this folder, and only where it runs as root.
        if self.user == "root" {
            std::fs::create_dir_all("/run/sshd").context("making /run/sshd")?;
        }
        let mut command = Command::new(process::program("sshd", "openssh-server")?);
        command.arg("-D").arg("-e").arg("-f").arg(config);
        let (log, folder) = (self.folder.join("sshd.log"), Some(self.folder.path()));
        let mut server = Process::start_guarded("sshd", command, &log, Signal::TERM, folder)?;
        let port = self.port;
        let up = server.up(START, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(())
        });
        up.await?;
        self.server = Some(server);
        Ok(())
    }

    /// From now on, runs this in place of what is asked for, which is in `SSH_ORIGINAL_COMMAND` then; what is asked for
    /// when it is empty.
    pub fn open_with(&self, command: &str) -> Result<()> {
        let key = std::fs::read_to_string(self.folder.join("client.pub"))?;
        let command =
            if command.is_empty() { String::new() } else { format!(",command=\"{}\"", command.replace('"', "\\\"")) };
        self.folder.write("authorized", &format!("restrict{command} {key}")).map(drop)
    }

    /// The URL of a folder on this machine.
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, path.display())
    }

    /// The private key that is let in.
    pub fn key(&self) -> PathBuf {
        self.folder.join("client")
    }

    /// A private key that is not.
    pub fn strange_key(&self) -> PathBuf {
        self.folder.join("stranger")
    }

    /// A `known_hosts` file with this server in it.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("host_known")
    }

    /// A `known_hosts` file that knows another server at this one's place.
    pub fn wrong_known_hosts(&self) -> PathBuf {
        self.folder.join("stranger_known")
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        // Before the folder.
        self.server = None;
    }
}
