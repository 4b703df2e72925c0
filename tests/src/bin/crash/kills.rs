//! Who is killed, and when.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use rand::{RngExt, rngs::StdRng};
use testkit::engine::Engine;
use tokio::sync::watch;

/// The longest time between two kills, for each service that runs, in milliseconds: all in one process, it needs
/// time to do something at all; of many, most go on meanwhile.
const PAUSE: (u64, u64) = (4000, 2400);

/// What was killed how often.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    pub(crate) by_service: BTreeMap<String, u32>,
    /// How many of them took the programs along that the service had started; the others left them running.
    pub(crate) with_programs: u32,
}

impl Crashes {
    /// How often this service died, alone or with all the others.
    pub(crate) fn of(&self, service: &str) -> u32 {
        [service, "up"].iter().filter_map(|name| self.by_service.get(*name)).sum()
    }

    pub(crate) fn total(&self) -> u32 {
        self.by_service.values().sum()
    }
}

/// Kills services chosen by `rng`, so many times, and starts each again at once; says after each how many it were.
/// Fails when one ends that was not killed.
pub(crate) async fn kill(
    engine: &mut Engine,
    mut rng: StdRng,
    kills: u32,
    told: watch::Sender<u32>,
) -> Result<Crashes> {
    let names: Vec<String> = engine.pids().into_iter().map(|(name, _)| name).collect();
    let longest = if names.len() == 1 { PAUSE.0 } else { PAUSE.1 };
    let mut crashes = Crashes::default();
    for n in 1..=kills {
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..longest))).await;
        engine.must_run()?;
        let name = &names[rng.random_range(0..names.len())];
        if rng.random_bool(0.5) {
            engine.kill(name)?;
            crashes.with_programs += 1;
        } else {
            engine.crash(name).await?;
        }
        engine.start_service(name)?;
        *crashes.by_service.entry(name.clone()).or_default() += 1;
        told.send_replace(n);
    }
    for name in &names {
        engine.ready(name).await?;
    }
    Ok(crashes)
}
