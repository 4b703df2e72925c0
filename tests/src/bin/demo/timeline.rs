//! What happens, as it happens: the events `windlass events --follow` prints.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

/// The events of one act.
pub(crate) struct Timeline {
    lines: Lines<BufReader<tokio::process::ChildStdout>>,
    _follower: tokio::process::Child,
    began: Instant,
}

impl Timeline {
    /// Follows what happens from now on.
    pub(crate) fn follow(mut windlass: Command) -> Result<Self> {
        windlass.args(["events", "--follow", "--json", "--since", "0s"]);
        let mut command = tokio::process::Command::from(windlass);
        let mut follower =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().context("starting `windlass events`")?;
        let output = follower.stdout.take().context("`windlass events` has no output")?;
        Ok(Self { lines: BufReader::new(output).lines(), _follower: follower, began: Instant::now() })
    }

    /// Shows events until one is what was waited for, and returns that one.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let line = tokio::time::timeout_at(deadline, self.lines.next_line()).await;
            let line = line.with_context(|| format!("waited {patience:?} for {what}"))??;
            let event: Value = serde_json::from_str(&line.context("`windlass events` ended")?)?;
            self.show(&event);
            if let Some(why) = dead_end(&event) {
                bail!("{}: {why}", event["summary"].as_str().unwrap_or(""));
            }
            if is_it(&event) {
                return Ok(event);
            }
        }
    }

    fn show(&self, event: &Value) {
        // A registry tells of every pull too, our own included; rightly ignored, they would hide the story.
        let from = event["attributes"]["source"].as_str();
        if from == Some("/webhooks/registry") || (from == Some("/workers/normalizer") && kind(event) == "event.ignored")
        {
            return;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let summary = event["summary"].as_str().unwrap_or("");
        let line: String = format!("  {seconds:>5.1} s  {:<17}  {summary}", kind(event)).chars().take(200).collect();
        eprintln!("{line}");
    }
}

/// Why nothing more can come of the act, if this event ends it early.
fn dead_end(event: &Value) -> Option<&Value> {
    let data = &event["data"];
    match kind(event) {
        "delivery.parked" | "image.failed" => Some(&data["reason"]),
        "tests.finished" | "scan.finished" if data["passed"] == false => Some(data),
        "sync.finished" if data["succeeded"] == false => Some(&data["message"]),
        "health.reported" if data["healthy"] == false && data["deployment"]["environment"] == "staging" => {
            Some(&data["checks"])
        }
        _ => None,
    }
}

/// An event's type.
pub(crate) fn kind(event: &Value) -> &str {
    event["attributes"]["type"].as_str().unwrap_or("")
}
