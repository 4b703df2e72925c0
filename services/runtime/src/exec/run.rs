//! One program from its start to its end.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    pin::Pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use std::os::unix::process::ExitStatusExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{
    Ended, ExecError, Finished, Masks, Program,
    group::Group,
    output::{Lines, Output},
};

/// How long a program may tidy up after SIGTERM before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is awaited after a program ended: something it left running may hold the pipe for ever.
const DRAIN: Duration = Duration::from_millis(500);
/// What is read at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// Where programs are looked for when this process has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Pipe = Option<Box<dyn AsyncRead + Send + Unpin>>;

/// A program under way.
struct Running {
    name: String,
    child: Child,
    group: Group,
    stdout: Pipe,
    stderr: Pipe,
    limit: Pin<Box<Sleep>>,
    stage: Stage,
    status: Option<ExitStatus>,
}

/// What was done to end it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Terminated,
    Killed,
}

/// What happened next.
enum Next {
    Stdout(std::io::Result<usize>),
    Stderr(std::io::Result<usize>),
    Exit(std::io::Result<ExitStatus>),
    Limit,
}

pub(super) async fn run(mut program: Program) -> Result<Finished, ExecError> {
    let masks = Masks::of(&program.masks);
    let mut output = Output::new(masks, program.log.take(), program.label.take()).await?;
    let started = Instant::now();
    let mut running = Running::start(&mut program)?;
    let mut kept = Kept { limit: program.keep_stdout, bytes: Vec::new(), cut: false };
    let ended = running.follow(&mut output, &mut kept).await?;
    if program.leave_nothing || ended == Ended::TimedOut {
        running.group.kill();
    }
    running.group.let_go();
    let Kept { bytes: stdout, cut: stdout_cut, .. } = kept;
    let (duration, tail, masks) = (started.elapsed(), output.into_tail(), std::mem::take(&mut program.masks));
    Ok(Finished { ended, duration, tail, stdout, stdout_cut, masks })
}

/// Standard output that is data.
struct Kept {
    limit: Option<usize>,
    bytes: Vec<u8>,
    cut: bool,
}

impl Running {
    fn start(program: &mut Program) -> Result<Self, ExecError> {
        let name = program.name();
        let mut child = spawn(program, &name)?;
        let group = Group::led_by(child.id());
        if let (Some(pipe), Some(bytes)) = (child.stdin.take(), program.stdin.take()) {
            tokio::spawn(write(pipe, bytes));
        }
        Ok(Self {
            name,
            stdout: child.stdout.take().map(|pipe| Box::new(pipe) as _),
            stderr: child.stderr.take().map(|pipe| Box::new(pipe) as _),
            child,
            group,
            limit: Box::pin(sleep(program.timeout)),
            stage: Stage::Running,
            status: None,
        })
    }

    async fn follow(&mut self, output: &mut Output, kept: &mut Kept) -> Result<Ended, ExecError> {
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let (mut out_chunk, mut err_chunk) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut over = false;
        while !over {
            match self.next(&mut out_chunk, &mut err_chunk).await {
                Next::Stdout(read) => {
                    let read = self.read(read)?;
                    if read == 0 {
                        self.stdout = None;
                    }
                    match kept.limit {
                        Some(limit) => kept.take(&out_chunk[..read], limit),
                        None => output.take(&mut out, &out_chunk[..read]).await?,
                    }
                }
                Next::Stderr(read) => {
                    let read = self.read(read)?;
                    if read == 0 {
                        self.stderr = None;
                    }
                    output.take(&mut err, &err_chunk[..read]).await?;
                }
                Next::Exit(status) => self.exited(status)?,
                Next::Limit => over = self.at_limit(),
            }
            over |= self.status.is_some() && self.stdout.is_none() && self.stderr.is_none();
        }
        // Whatever the streams held back when they were given up.
        output.take(&mut out, &[]).await?;
        output.take(&mut err, &[]).await?;
        Ok(self.ended())
    }

    async fn next(&mut self, out: &mut [u8], err: &mut [u8]) -> Next {
        let running = self.status.is_none();
        tokio::select! {
            read = read(&mut self.stdout, out) => Next::Stdout(read),
            read = read(&mut self.stderr, err) => Next::Stderr(read),
            status = self.child.wait(), if running => Next::Exit(status),
            () = self.limit.as_mut() => Next::Limit,
        }
    }

    fn exited(&mut self, status: std::io::Result<ExitStatus>) -> Result<(), ExecError> {
        self.status = Some(status.map_err(|why| ExecError::Io { program: self.name.clone(), why })?);
        if self.stage != Stage::Running {
            // Its children may have ignored the SIGTERM that ended it.
            self.group.kill();
        }
        self.limit.set(sleep(DRAIN));
        Ok(())
    }

    /// The next step of ending it; whether there is none left.
    fn at_limit(&mut self) -> bool {
        if self.status.is_some() || self.stage == Stage::Killed {
            return true;
        }
        if self.stage == Stage::Running {
            self.group.terminate();
            self.stage = Stage::Terminated;
        } else {
            self.group.kill();
            self.stage = Stage::Killed;
        }
        self.limit.set(sleep_until(Instant::now() + GRACE));
        false
    }

    fn ended(&self) -> Ended {
        match self.status {
            Some(status) if self.stage == Stage::Running => {
                status.code().map_or_else(|| Ended::Signalled(status.signal().unwrap_or_default()), Ended::Exited)
            }
            _ => Ended::TimedOut,
        }
    }

    fn read(&self, read: std::io::Result<usize>) -> Result<usize, ExecError> {
        read.map_err(|why| ExecError::Io { program: self.name.clone(), why })
    }
}

impl Kept {
    fn take(&mut self, chunk: &[u8], limit: usize) {
        let fits = chunk.len().min(limit.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&chunk[..fits]);
        self.cut |= fits < chunk.len();
    }
}

/// A pipe that was closed is silent, and does not end again and again.
async fn read(pipe: &mut Pipe, chunk: &mut [u8]) -> std::io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(chunk).await,
        None => std::future::pending().await,
    }
}

async fn write(mut pipe: ChildStdin, bytes: Vec<u8>) {
    // A program may end without reading all it is given; its exit status says whether that was right.
    let _read_or_not = pipe.write_all(&bytes).await;
}

fn spawn(program: &Program, name: &str) -> Result<Child, ExecError> {
    if let Some(dir) = program.dir.as_ref().filter(|dir| !dir.is_dir()) {
        return Err(ExecError::NoFolder { program: name.to_owned(), dir: dir.clone() });
    }
    let Some((first, arguments)) = program.argv.split_first() else {
        return Err(ExecError::NotFound { program: String::new() });
    };
    let mut command = Command::new(located(first, program.dir.as_deref()));
    command.args(arguments).env_clear().envs(base_environment()).envs(program.env.iter().map(|(n, v)| (n, v)));
    if let Some(dir) = &program.dir {
        command.current_dir(dir);
    }
    let stdin = if program.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => ExecError::NotFound { program: name.to_owned() },
        _ => ExecError::Start { program: name.to_owned(), why },
    })
}

fn located(program: &OsString, dir: Option<&Path>) -> PathBuf {
    let path = Path::new(program);
    match dir {
        Some(dir) if path.components().count() > 1 || program.to_string_lossy().contains('/') => dir.join(path),
        _ => path.to_owned(),
    }
}

/// Where a program named without a path is looked for.
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| PATH.into())
}

fn base_environment() -> Vec<(&'static str, OsString)> {
    let own = |name: &str, other: &str| std::env::var_os(name).unwrap_or_else(|| other.into());
    vec![
        ("PATH", search_path()),
        ("HOME", own("HOME", "/")),
        ("TMPDIR", std::env::temp_dir().into_os_string()),
        ("LANG", "C.UTF-8".into()),
    ]
}
