//! The process group of a program: signals reach all it started.

use rustix::process::{Pid, Signal, kill_process_group};

/// A group that is killed when this is dropped, unless it is let go.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group led by this process.
    pub(super) fn led_by(pid: Option<u32>) -> Self {
        Self(pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }

    pub(super) fn terminate(&self) {
        self.send(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.send(Signal::KILL);
    }

    /// Leaves what is in the group to itself.
    pub(super) fn let_go(mut self) {
        self.0 = None;
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // An empty group cannot be signalled. As long as it is not empty, its number is given to nobody else.
            let _gone = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
