//! Programs run as our children: in a process group of their own, logging to a file, and never outliving us.
//!
//! They belong to no async runtime, so a server may be shared by tests that each have a runtime of their own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};

use crate::wait;

/// Where programs lie that ordinary users do not call, and so may be missing from the search path.
const MORE_PLACES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// What a guard runs: when our end of its standard input closes, for whatever reason, it ends the server and removes
/// its folder. Arguments: the signal to ask with, the process group, the folder. Bounded, as nobody may reap the dead.
const GUARD: &str = r#"
cat >/dev/null
kill -"$1" "$2" 2>/dev/null
n=0; while kill -0 "$2" 2>/dev/null && [ $n -lt 40 ]; do n=$((n+1)); sleep 0.05; done
kill -KILL -"$2" 2>/dev/null
[ -n "$3" ] && { rm -rf -- "$3" || { sleep 1; rm -rf -- "$3"; }; } 2>/dev/null
"#;

/// The path of a program, or an error that names the Debian package to install.
pub fn program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(MORE_PLACES.iter().map(PathBuf::from));
    places
        .map(|place| place.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| anyhow!("the program `{name}` is not installed; run: apt-get install {package}"))
}

/// Runs a program to its end and returns what it wrote to standard output; its error output is in the error.
pub async fn run(mut command: Command) -> Result<String> {
    let shown = show(&command);
    let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output()).await?;
    let output = output.with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{shown} ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown} wrote something that is not UTF-8"))
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    guard: Option<Child>,
    ask: Signal,
    /// Its end was seen, so its number may be another's by now, and must not be signalled any more.
    gone: bool,
}

impl Process {
    /// Starts a program in a process group of its own, its output appended to `log`. It dies with us.
    pub fn start(name: &str, command: Command, log: &Path) -> Result<Self> {
        Self::start_guarded(name, command, log, Signal::KILL, None)
    }

    /// The same; `ask` is the signal that makes it end at once and in good order when it is dropped, and `folder` is
    /// removed too should we end without dropping it.
    pub fn start_guarded(
        name: &str,
        mut command: Command,
        log: &Path,
        ask: Signal,
        folder: Option<&Path>,
    ) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot open the log {}", log.display()))?;
        let shown = show(&command);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}: {shown}"))?;
        let mut process = Self { name: name.to_owned(), child, log: log.to_owned(), guard: None, ask, gone: false };
        process.guard = Some(guard(process.id(), ask, folder)?);
        Ok(process)
    }

    /// Its process id, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        if !self.gone {
            // What is left of its group, at once: as long as there is something, the number is nobody else's.
            let _ = kill_process_group(pid(self.id()), Signal::KILL);
            self.gone = true;
        }
        Some(status)
    }

    /// Fails with the end of its log if it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}; {}", self.name, self.log_end()),
        }
    }

    /// Waits until `probe` succeeds; fails at once, with the end of its log, if it ends before.
    pub async fn up(&mut self, patience: Duration, mut probe: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        let what = format!("{} to start", self.name);
        let up = wait::until(patience, &what, async || match self.ended() {
            Some(status) => Ok(Err(status)),
            None => probe().await.map(Ok),
        });
        match up.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("{} ended with {status} while starting; {}", self.name, self.log_end()),
            Err(error) => Err(error.context(self.log_end())),
        }
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let sent = kill_process(pid(self.id()), signal);
        sent.with_context(|| format!("cannot send {signal:?} to {} ({})", self.name, self.id()))
    }

    /// Waits for its end.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let status = wait::until(deadline, &what, async || self.ended().ok_or_else(|| anyhow!("it still runs"))).await;
        status.with_context(|| self.log_end())
    }

    /// Kills it, its group and its descendants, whatever groups they went to, and waits until it is gone.
    pub fn kill(&mut self) {
        if self.gone || self.ended().is_some() {
            return;
        }
        let descendants = descendants(self.id());
        let _ = kill_process_group(pid(self.id()), Signal::KILL);
        for id in &descendants {
            let _ = kill_process(pid(*id), Signal::KILL);
        }
        let _ = self.child.wait();
        self.gone = true;
        // Not our children, so they can only be watched; a signal takes effect when the kernel gets to it.
        while_bounded(|| descendants.iter().any(|id| is_alive(*id)));
    }

    /// Closes our end of its guard's standard input, as our own death would: for the kit's own tests.
    pub fn abandon(&mut self) {
        if let Some(guard) = &mut self.guard {
            drop(guard.stdin.take());
        }
    }

    /// The last lines of its log, and where the rest is.
    pub fn log_end(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(25)..].join("\n");
        format!("the log {} ends with:\n{end}", self.log.display())
    }

    /// Asks it to end and gives it two seconds.
    fn ask_to_end(&mut self) {
        if self.ask == Signal::KILL || self.ended().is_some() || self.signal(self.ask).is_err() {
            return;
        }
        while_bounded(|| self.ended().is_none());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: it must not act on a process id that is no longer ours.
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
        self.ask_to_end();
        self.kill();
    }
}

/// Blocks while something is so, at most two seconds.
fn while_bounded(mut so: impl FnMut() -> bool) {
    for _ in 0..200 {
        if !so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts the guard of a process.
fn guard(id: u32, ask: Signal, folder: Option<&Path>) -> Result<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "guard", &ask.as_raw().to_string(), &id.to_string()]);
    command.arg(folder.map_or(OsStr::new(""), Path::as_os_str)).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot start the guard, /bin/sh")
}

/// The children of a process, their children, and so on.
pub fn descendants(id: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![id];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(1)
}

/// Every process with its parent, from /proc.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name, in parentheses, may itself hold parentheses and spaces: what follows its last one is regular.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((id, parent))
        })
        .collect()
}

/// Kills a process, its group and its descendants; for processes that somebody else started for us.
pub fn kill_with_descendants(id: u32) {
    let descendants = descendants(id);
    let _ = kill_process_group(pid(id), Signal::KILL);
    for id in descendants {
        let _ = kill_process(pid(id), Signal::KILL);
    }
}

/// Whether a process with this id is there and not merely waiting to be reaped.
pub fn is_alive(id: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X'])),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[expect(clippy::expect_used, reason = "a running child's id is a positive i32; a made-up one could signal everybody")]
fn pid(id: u32) -> Pid {
    i32::try_from(id).ok().filter(|id| *id > 1).and_then(Pid::from_raw).expect("the id of a child of ours")
}

/// The program and its arguments, as one would type them, without the environment.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
