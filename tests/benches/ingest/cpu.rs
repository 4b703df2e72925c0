//! What a turn costs in processor time: it tells where a ratio comes from, also on a machine that has more to do.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, getpid};

/// `/proc/<pid>/stat` counts in these, whatever the kernel's own clock does (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICK: Duration = Duration::from_millis(10);

/// The processes of a measure, over all turns of one side.
#[derive(Default)]
pub(crate) struct Cost {
    here: Duration,
    broker: Duration,
    messages: u64,
}

/// Processor time used so far.
pub(crate) struct Used {
    here: Duration,
    broker: Duration,
}

impl Used {
    /// By this process and by the broker.
    pub(crate) fn now(broker: u32) -> Result<Self> {
        let broker = Pid::from_raw(i32::try_from(broker)?).context("a process id")?;
        Ok(Self { here: of(getpid())?, broker: of(broker)? })
    }
}

impl Cost {
    /// Adds what was used between, for so many messages.
    pub(crate) fn add(&mut self, before: &Used, after: &Used, messages: u64) {
        self.here += after.here.saturating_sub(before.here);
        self.broker += after.broker.saturating_sub(before.broker);
        self.messages += messages;
    }

    /// Microseconds a message: of this process, and of the broker.
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds' work is far below 2^52")]
    pub(crate) fn micros(&self) -> (f64, f64) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / self.messages.max(1) as f64;
        (each(self.here), each(self.broker))
    }
}

fn of(process: Pid) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()))?;
    // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').context("a name in /proc/<pid>/stat")?;
    let ticks: Vec<u32> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum())
}
