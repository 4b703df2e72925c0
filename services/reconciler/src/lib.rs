//! The reconciler: finds what never came, and has it come.
//!
//! GitHub sends a webhook once. It is asked, again and again, what of it was not taken, and to send that again: to the
//! same address, so on the same path and under the same ids as the first time, and whatever came already is seen
//! through. Registries that send at best effort are asked what followed tags stand for, and what changed unheard is told
//! as their webhook would have been. It consumes no queue and decides nothing about what is delivered.
//!
//! How far was swept and what was asked for stands in the ledger, so a sweep that was cut off is taken up by whoever
//! comes next, and of several reconcilers one sweeps a place at a time.

mod github;
mod metrics;
mod place;
mod record;
mod registry;
mod report;
mod turn;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use forge::github::Gates;
use ledger::SweepEnd;
use proto::SourceName;
use runtime::{Config, Context};
use tokio::task::JoinSet;
use tracing::{error, info};

use github::Hook;
use metrics::Metrics;
use place::Place;
pub use place::{Watched, watched};
use registry::Tags;
pub use report::{HookReport, Report, TagsReport};
use turn::Turn;

/// How soon a webhook is swept again after nobody took what it sent; twice as late each time after that.
const SHUT: Duration = Duration::from_secs(30);
/// But no later than this, or than it is swept anyway: whoever is there again waits no longer for what it missed.
const SHUT_MOST: Duration = Duration::from_mins(5);
/// What is kept of an error, in bytes.
const TROUBLE: usize = 2000;

/// How a sweep is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mode {
    /// Only say what would be asked for.
    pub dry_run: bool,
    /// Ask even for what was given up, and for what was asked for a moment ago.
    pub again: bool,
}

/// Whatever is swept.
pub struct Reconciler {
    context: Context,
    places: Vec<Place>,
}

/// Whether the configuration has anything swept.
pub fn is_configured(config: &Config) -> bool {
    let hooks = config.sources.values().any(|source| source.reconcile.is_some());
    hooks || config.registries.values().any(|registry| registry.poll.is_some())
}

/// Sweeps until shutdown.
pub async fn serve(context: Context) -> Result<()> {
    if !is_configured(&context.config) {
        bail!("nothing is to be reconciled; see `sources.<source>.reconcile` and `registries.<host>.poll`");
    }
    Reconciler::new(&context)?.run().await
}

impl Reconciler {
    /// Of everything that is configured.
    pub fn new(context: &Context) -> Result<Self> {
        let metrics = Metrics::new(&context.metrics);
        let config = &context.config;
        let (mut places, gates) = (Vec::new(), Gates::sharing(context.git.installations()));
        for (name, reconcile) in config.sources.iter().filter_map(|(name, s)| Some((name, s.reconcile.as_ref()?))) {
            let hooks = Hook::all(name, reconcile, &gates, &context.trusted, &metrics)?;
            places.extend(hooks.into_iter().map(|hook| Place::Hook(name.clone(), Box::new(hook))));
        }
        places.extend(Tags::all(context, &metrics).into_iter().map(|tags| Place::Tags(Box::new(tags))));
        Ok(Self { context: context.clone(), places })
    }

    /// Sweeps each place again and again, until shutdown.
    pub async fn run(self) -> Result<()> {
        let sweeper = self.sweeper();
        let mut loops = JoinSet::new();
        for place in self.places {
            let sweeper = sweeper.clone();
            loops.spawn(async move { sweeper.sweep_on(&place).await });
        }
        while let Some(ended) = loops.join_next().await {
            ended.context("a sweep panicked")?;
        }
        Ok(())
    }

    /// Sweeps every place of this source, or of all and every registry, once and now.
    ///
    /// # Errors
    /// In each report's place: what kept that sweep from going well; `None` where another sweeps now.
    pub async fn once(&self, source: Option<&SourceName>, mode: Mode) -> Vec<(String, Result<Option<Report>>)> {
        let sweeper = self.sweeper();
        let mut reports = Vec::new();
        for place in self.places.iter().filter(|place| source.is_none_or(|source| place.is_of(source))) {
            let swept = if mode.dry_run {
                sweeper.look(place, mode).await
            } else {
                sweeper.sweep(place, Duration::ZERO, mode).await
            };
            reports.push((place.name(), swept));
        }
        reports
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper { context: self.context.clone() }
    }
}

/// Who sweeps.
#[derive(Clone)]
struct Sweeper {
    context: Context,
}

impl Sweeper {
    /// Sweeps a place until it is told to stop.
    async fn sweep_on(&self, place: &Place) {
        let (stop, mut shut) = (&self.context.shutdown, 0);
        while !stop.is_cancelled() {
            // Two reconcilers in turn would skip every other sweep if each waited for the whole time.
            let swept = self.sweep(place, place.every().mul_f64(0.9), Mode::default()).await;
            shut = if matches!(&swept, Ok(Some(report)) if report.door_is_shut()) { shut + 1 } else { 0 };
            tell(place, &swept);
            tokio::select! {
                () = tokio::time::sleep(pause(place.every(), shut)) => {},
                () = stop.cancelled() => {}
            }
        }
    }

    /// One sweep; `None` when another sweeps it, or has lately, or when it was told to stop.
    async fn sweep(&self, place: &Place, every: Duration, mode: Mode) -> Result<Option<Report>> {
        let Context { ledger, config, shutdown, .. } = &self.context;
        let taken = Turn::take(ledger, &place.target(), config.harness.lease, every).await?;
        let Some((turn, swept)) = taken else { return Ok(None) };
        match turn.hold(shutdown, || place.waits_until(), place.sweep(&self.context, Some(swept), mode)).await {
            Ok(Some(done)) if done.report.door_is_shut() => {
                turn.break_off(&done.end()).await;
                Ok(Some(done.report))
            }
            Ok(Some(done)) => turn.end(&done.end()).await.map(|()| Some(done.report)),
            Ok(None) => {
                turn.give_back().await;
                Ok(None)
            }
            Err(error) => {
                turn.break_off(&SweepEnd { trouble: Some(bounded(&error)), ..SweepEnd::default() }).await;
                Err(error)
            }
        }
    }

    /// What a sweep would do.
    async fn look(&self, place: &Place, mode: Mode) -> Result<Option<Report>> {
        let swept = self.context.ledger.swept(&place.target()).await.context("reading how far was swept")?;
        place.sweep(&self.context, swept, mode).await.map(|done| Some(done.report))
    }
}

/// How long after a sweep the next begins, when nobody took anything in the last `shut` of them.
fn pause(every: Duration, shut: u32) -> Duration {
    let Some(times) = shut.checked_sub(1) else { return every };
    every.min(SHUT).saturating_mul(2_u32.saturating_pow(times)).min(every.max(SHUT_MOST))
}

fn bounded(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text[..text.floor_char_boundary(TROUBLE)].to_owned()
}

fn tell(place: &Place, swept: &Result<Option<Report>>) {
    let (name, metrics) = (place.name(), place.metrics());
    match swept {
        Ok(None) => metrics.ended("elsewhere"),
        Ok(Some(report)) if report.door_is_shut() => {
            metrics.ended("shut");
            tracing::warn!(place = name, "{report}");
        }
        Ok(Some(report)) => {
            metrics.ended("swept");
            info!(place = name, "{report}");
        }
        Err(error) => {
            metrics.ended("failed");
            error!(place = name, "sweeping {name}: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_a_shut_door_the_sweeps_come_less_and_less_often() {
        let pauses = |every: Duration| (0..8).map(|shut| pause(every, shut).as_secs()).collect::<Vec<_>>();
        assert_eq!(pauses(Duration::from_mins(5)), [300, 30, 60, 120, 240, 300, 300, 300]);
        assert_eq!(pauses(Duration::from_secs(10)), [10, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(pauses(Duration::from_hours(1)), [3600, 30, 60, 120, 240, 480, 960, 1920]);
        assert_eq!(pause(Duration::from_hours(1), u32::MAX), Duration::from_hours(1));
    }
}
