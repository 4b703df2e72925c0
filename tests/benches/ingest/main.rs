//! Durable throughput beside its physical limits, as ratios: `./scripts/bench`.
//!
//! Each measure has two sides that do the same durable work on the same machine in the same run: the library by itself,
//! as straight as it can be written, and Windlass around it. They take turns, so that a machine that slows down slows
//! both. What both do is told in each measure's module, and in `README.md` beside this folder. Nothing is asserted
//! about speed here; only that nothing confirmed is missing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod cpu;
mod embedded;
mod load;
mod push;
mod rounds;

use std::{num::NonZeroUsize, time::Duration};

use anyhow::Result;
use clap::Parser;
use rounds::{Measure, Plan};

/// Throughput beside its physical limits, as ratios.
#[derive(Parser)]
struct Arguments {
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// How often each side has its turn; odd, so that there is a middle one.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How long a turn lasts, in seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only the measures whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan { rounds: arguments.rounds.max(1), turn: Duration::from_secs_f64(arguments.seconds) };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if !arguments.json {
        eprintln!("{cores} cores; every side {} turns of {:?}, in turns", plan.rounds, plan.turn);
    }
    let mut measures: Vec<Measure> = Vec::new();
    if broker::NAME.contains(&arguments.only) {
        measures.push(broker::measure(plan).await?);
    }
    if embedded::NAME.contains(&arguments.only) {
        measures.push(embedded::measure(plan).await?);
    }
    if arguments.json {
        println!("{:#}", serde_json::json!({ "cores": cores, "measures": measures }));
    } else {
        for measure in &measures {
            println!("{measure}");
        }
    }
    Ok(())
}
