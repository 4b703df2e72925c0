//! Two sides in turns, and what came of it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;

/// What each turn begins with and does not count: connections open, caches fill, the broker's processes wake up.
const WARM_UP: Duration = Duration::from_millis(500);

/// How often, and how long.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
}

/// One turn: what is done within it counts.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    begin: Instant,
    end: Instant,
}

/// What one worker of a turn has done.
#[derive(Default, Clone, Copy)]
pub(crate) struct Done {
    /// In the whole turn, warm-up included: what must be there afterwards.
    pub(crate) all: u64,
    /// In the time that counts.
    pub(crate) counted: u64,
}

/// A measure's two sides, per second.
#[derive(Serialize)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    /// What the ratio should be at least.
    pub(crate) aim: f64,
    pub(crate) raw: Vec<f64>,
    pub(crate) ours: Vec<f64>,
    /// Median of the rounds' ratios.
    pub(crate) ratio: f64,
    /// What helps to explain the ratio: a name with its unit, and the number.
    pub(crate) beside: Vec<(&'static str, f64)>,
}

impl Turn {
    pub(crate) fn begin(length: Duration) -> Self {
        let begin = Instant::now() + WARM_UP;
        Self { begin, end: begin + length }
    }

    /// Counts so many as done now; false once the turn is over.
    pub(crate) fn count(&self, done: &mut Done, how_many: u64) -> bool {
        let now = Instant::now();
        done.all += how_many;
        if now >= self.begin && now < self.end {
            done.counted += how_many;
        }
        now < self.end
    }

    /// What was done, per second.
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds' work is far below 2^52")]
    pub(crate) fn rate(&self, done: Done) -> f64 {
        done.counted as f64 / (self.end - self.begin).as_secs_f64()
    }
}

impl std::iter::Sum for Done {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, one| Self { all: sum.all + one.all, counted: sum.counted + one.counted })
    }
}

/// Runs both sides in turns; each gives its rate.
pub(crate) async fn alternate(
    name: &'static str,
    aim: f64,
    plan: Plan,
    mut raw: impl AsyncFnMut() -> Result<f64>,
    mut ours: impl AsyncFnMut() -> Result<f64>,
) -> Result<Measure> {
    let mut measure = Measure { name, aim, raw: Vec::new(), ours: Vec::new(), ratio: 0.0, beside: Vec::new() };
    for round in 1..=plan.rounds {
        let (a, b) = (raw().await?, ours().await?);
        eprintln!("{name}, round {round}: raw {a:.0}/s, ours {b:.0}/s, {:.2}", b / a);
        measure.raw.push(a);
        measure.ours.push(b);
    }
    measure.ratio = median(&measure.ratios());
    Ok(measure)
}

fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    f64::midpoint(below, above)
}

impl Measure {
    fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.raw).map(|(ours, raw)| ours / raw).collect()
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ratios = self.ratios();
        ratios.sort_by(f64::total_cmp);
        let (lowest, highest) = (ratios[0], ratios[ratios.len() - 1]);
        writeln!(f, "{}", self.name)?;
        writeln!(f, "  raw   {:>8.0}/s", median(&self.raw))?;
        writeln!(f, "  ours  {:>8.0}/s", median(&self.ours))?;
        write!(f, "  ratio     {:.2}   ({lowest:.2} to {highest:.2}; aim {:.2})", self.ratio, self.aim)?;
        for (what, number) in &self.beside {
            write!(f, "\n  {number:>7.0} {what}")?;
        }
        Ok(())
    }
}
