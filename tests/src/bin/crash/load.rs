//! Pushes: real commits, told to the receiver until it acknowledges them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use testkit::github;
use tokio::sync::watch;

use crate::{
    book::Book,
    fleet::{APPS, Fleet, GITHUB_SECRET},
};

/// About how many events one push leads to, its share of what the registry tells included.
const EVENTS_A_PUSH: u64 = 30;
/// How long a push may go unacknowledged: the receiver comes back sooner.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many pushes may be under way once nothing is killed any more.
const UNDER_WAY: u64 = 6;
/// How long a push may take until somebody runs on it.
const HEAD_START: Duration = Duration::from_secs(1);
/// With fewer runs under way than this, most kills would meet nobody at work.
const BUSY: u64 = 3;

/// What comes of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Goes to production.
    Good,
    /// Its tests fail.
    Red,
    /// Unhealthy in production.
    Bad,
    /// On a branch that is only tested.
    Checked,
}

/// A push that was acknowledged.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) app: &'static str,
    pub(crate) kind: Kind,
    pub(crate) commit: String,
    /// The id the receiver gave the webhook.
    pub(crate) event: String,
}

/// Who pushes.
pub(crate) struct Load<'a> {
    fleet: &'a Fleet,
    book: &'a Book,
    rng: StdRng,
    events: u64,
    kills: u64,
    resent: u32,
    repeated: u32,
    last: Option<Instant>,
    pub(crate) pushes: Vec<Push>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(fleet: &'a Fleet, book: &'a Book, rng: StdRng, events: u64, kills: u32) -> Self {
        Self { fleet, book, rng, events, kills: kills.into(), resent: 0, repeated: 0, last: None, pushes: Vec::new() }
    }

    /// Pushes in step with the kills until both are done; each app's last push is a good one.
    pub(crate) async fn push_until(&mut self, progress: watch::Receiver<u32>) -> Result<()> {
        let began = Instant::now();
        loop {
            // Not held on to over an await: whoever kills waits for it.
            let killed = u64::from(*progress.borrow());
            let recorded = self.book.events().await?;
            if killed >= self.kills && recorded >= self.events {
                break;
            }
            if !self.is_due(killed, recorded).await? {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            let app = self.rng.random_range(0..APPS.len());
            let kind = self.kind();
            self.push(app, kind).await?;
            let seconds = began.elapsed().as_secs_f64();
            eprintln!("{seconds:>5.0} s  {killed} kills, {recorded} events; pushes {} ({kind:?})", APPS[app]);
        }
        self.end_well().await
    }

    /// Whether the next push's time has come.
    async fn is_due(&self, killed: u64, recorded: u64) -> Result<bool> {
        let pushed = self.pushes.len() as u64 * EVENTS_A_PUSH;
        if killed >= self.kills {
            return Ok(pushed <= recorded + UNDER_WAY * EVENTS_A_PUSH);
        }
        let share = self.events * (killed + 1) / self.kills.max(1);
        // A kill is to meet work, so there are more events when the kills take their time.
        Ok(pushed.max(recorded) <= share || !self.is_busy().await?)
    }

    async fn is_busy(&self) -> Result<bool> {
        Ok(self.last.is_some_and(|last| last.elapsed() < HEAD_START) || self.book.unfinished().await? >= BUSY)
    }

    /// What must be everywhere at the end is then known.
    async fn end_well(&mut self) -> Result<()> {
        for (n, app) in APPS.into_iter().enumerate() {
            let last = self.pushes.iter().rfind(|push| push.app == app && push.kind != Kind::Checked);
            if last.is_none_or(|last| last.kind != Kind::Good) {
                self.push(n, Kind::Good).await?;
            }
        }
        Ok(())
    }

    /// For the report.
    pub(crate) fn told(&self) -> Value {
        let of = |kind| self.pushes.iter().filter(|push| push.kind == kind).count();
        json!({
            "acknowledged": self.pushes.len(), "good": of(Kind::Good), "red": of(Kind::Red), "bad": of(Kind::Bad),
            "checked": of(Kind::Checked), "sent_again": self.resent, "repeated": self.repeated,
        })
    }

    fn kind(&mut self) -> Kind {
        match self.rng.random_range(0..20) {
            0 => Kind::Red,
            1 | 2 => Kind::Bad,
            3 | 4 => Kind::Checked,
            _ => Kind::Good,
        }
    }

    async fn push(&mut self, app: usize, kind: Kind) -> Result<()> {
        let (work, app) = (self.fleet.source(app), APPS[app]);
        let (number, branch) = (self.pushes.len(), if kind == Kind::Checked { "try" } else { "main" });
        let title = format!("Change number {number}");
        work.write("VERSION", format!("{number} {kind:?}\n").to_lowercase())?;
        let commit = work.commit(&title).await?;
        // The one branch's commits are the other's too, so that a merge is never in the way.
        work.git(&["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]).await?;
        if kind == Kind::Bad {
            self.fleet.is_bad(&commit);
        }
        let head = github::commit(&commit, &title, &["VERSION"]);
        let name = format!("acme/{app}");
        let payload = github::Push::to(&name, branch, &commit).commits(vec![head]).payload();
        let event = self.deliver(&payload).await?;
        if self.rng.random_range(0..20) == 0 {
            // As when somebody presses "Redeliver", or an acknowledgement is lost on its way.
            let again = self.deliver(&payload).await?;
            anyhow::ensure!(again == event, "the same webhook was {event} and then {again}");
            self.repeated += 1;
        }
        self.last = Some(Instant::now());
        self.pushes.push(Push { app, kind, commit, event });
        Ok(())
    }

    /// Sends the same bytes until they are acknowledged; the webhook's id.
    async fn deliver(&mut self, payload: &Value) -> Result<String> {
        let began = Instant::now();
        loop {
            let answer = github::deliver(&self.fleet.webhooks(), "push", GITHUB_SECRET, payload).await;
            match answer {
                Ok((202, text)) => {
                    let answer: Value = serde_json::from_str(&text)?;
                    return answer["event"].as_str().map(str::to_owned).context("a 202 without an event id");
                }
                Ok((status, text)) if status != 503 => bail!("the receiver answered {status}: {text}"),
                refused if began.elapsed() > PATIENCE => {
                    bail!("not acknowledged within {PATIENCE:?}; last: {refused:?}")
                }
                _ => self.resent += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
