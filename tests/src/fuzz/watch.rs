//! What an input may take: time, memory, and the process itself. And where the one that took too much is kept.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// The most of a processor's time an input may take: far beyond what 64 KB need in an unoptimised build.
const TIME: Duration = Duration::from_secs(10);
/// When an input is taken to be going round in circles, and the process ended.
const END: Duration = Duration::from_mins(2);
/// The most the process may grow by, in KiB. Tests beside this one grow it as well.
const MEMORY: u64 = 1024 * 1024;
/// An input that takes less cannot have filled much memory.
const QUICK: Duration = Duration::from_millis(1);

pub(super) struct Watch {
    folder: PathBuf,
    /// What is being run: read when the process did not live to save it.
    running: File,
    began: Duration,
    slowest: Duration,
    memory: u64,
    /// When the input began, in milliseconds since the watch did; 0 between two.
    clock: Arc<AtomicU64>,
    since: Instant,
}

/// Where inputs of a target are kept: in the target folder, or in the one for temporary files.
pub(super) fn folder(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(std::env::temp_dir, Path::to_owned).join("fuzz-inputs").join(name)
}

impl Watch {
    pub(super) fn over(name: &str) -> Self {
        let folder = folder(name);
        let made = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join("running")));
        let running = made.unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        let (clock, since) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let watch =
            Self { folder, running, began: Duration::ZERO, slowest: Duration::ZERO, memory: peak(), clock, since };
        watch.end_what_never_ends();
        watch
    }

    fn end_what_never_ends(&self) {
        let (clock, since, folder) = (Arc::downgrade(&self.clock), self.since, self.folder.clone());
        std::thread::spawn(move || {
            while let Some(clock) = clock.upgrade() {
                let begun = clock.load(Ordering::Relaxed);
                if begun > 0 && since.elapsed() > Duration::from_millis(begun) + END {
                    eprintln!("{} does not come to an end", folder.join("running").display());
                    std::process::exit(1);
                }
                drop(clock);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
    }

    pub(super) fn begin(&mut self, input: &[u8]) {
        let written = self.running.write_all_at(input, 0).and_then(|()| self.running.set_len(input.len() as u64));
        written.unwrap_or_else(|why| panic!("{}: {why}", self.folder.display()));
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.clock.store(now.max(1), Ordering::Relaxed);
        self.began = processor();
    }

    /// What the input took too much of, if it did.
    pub(super) fn end(&mut self) -> Result<(), String> {
        let took = processor().saturating_sub(self.began);
        self.clock.store(0, Ordering::Relaxed);
        self.slowest = self.slowest.max(took);
        if took > TIME {
            return Err(format!("it took {took:?} of a processor"));
        }
        if took > QUICK && peak() > self.memory + MEMORY {
            return Err(format!("the process grew from {} to {} KiB", self.memory, peak()));
        }
        Ok(())
    }

    pub(super) fn slowest(&self) -> Duration {
        self.slowest
    }

    /// Keeps an input under a name of its own, and says how to run it again.
    pub(super) fn save(&self, input: &[u8], begin: u64) -> String {
        let mut hash = DefaultHasher::new();
        input.hash(&mut hash);
        let path = self.folder.join(format!("{:016x}", hash.finish()));
        match fs::write(&path, input) {
            Ok(()) => {
                format!("run it again with ./scripts/fuzz --input {} (the run began from {begin})", path.display())
            }
            Err(why) => format!("it is not saved, {}: {why}; the run began from {begin}", path.display()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Only a process that dies leaves it behind; an empty folder goes with it.
        let _ = fs::remove_file(self.folder.join("running"));
        let _ = fs::remove_dir(&self.folder);
    }
}

/// What this thread has taken of a processor.
fn processor() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The most memory the process ever had, in KiB; 0 where the system does not tell.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
