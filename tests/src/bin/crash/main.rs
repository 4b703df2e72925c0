//! The crash test: every service is killed with SIGKILL, again and again, while changes travel from signed pushes to
//! environments; at the end every effect must be there exactly once. The whole run, on either bus:
//!
//! ```sh
//! cargo build --workspace --bins
//! target/debug/windlass-crash --bus sqlite --seed 1
//! target/debug/windlass-crash --bus amqp --seed 1
//! ```
//!
//! The report is JSON on standard output, what happens on standard error; it exits 0 only if nothing was lost and
//! nothing was done twice. A seed gives the same pushes and the same order of kills; the moments are the machine's.

mod book;
mod effects;
mod fleet;
mod image;
mod kills;
mod load;
mod messages;
mod quiet;
mod records;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use testkit::{backing::BusKind, engine::Engine};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{book::Book, fleet::Fleet, load::Load};

/// Kills every service again and again, and looks whether every effect is there exactly once.
#[derive(Debug, Parser)]
#[command(name = "windlass-crash")]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// What carries the events: one file with everything in one process, or RabbitMQ with PostgreSQL and every service
    /// a process of its own.
    #[arg(long, value_enum, default_value = "sqlite")]
    bus: BusKind,
    /// What is pushed and who is killed follow from it; random unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// How often a service is killed.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Pushes until so many events are recorded.
    #[arg(long, default_value_t = 2000)]
    events: u64,
    /// Leaves the folder with logs, data and repositories, and says where it is.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What the crash test's apps are built with: pushes a small image, as the builder's `command` driver asks.
    #[command(hide = true)]
    Image,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.context("starting the runtime").and_then(|runtime| runtime.block_on(unless_stopped(&arguments)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("windlass-crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A signal ends it early, and in good order: dropping it stops what it started.
async fn unless_stopped(arguments: &Arguments) -> Result<bool> {
    if let Some(Verb::Image) = arguments.verb {
        return image::push().await.map(|()| true);
    }
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        run = run(arguments) => run,
        _ = terminated.recv() => bail!("it was stopped"),
        _ = interrupted.recv() => bail!("it was stopped"),
    }
}

/// Whether everything is there exactly once.
async fn run(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}: {} kills under {} events", arguments.kills, arguments.events);
    let backing = arguments.bus.start().await?;
    let fleet = Fleet::open(&backing.bus, &backing.ledger).await?;
    let mut engine = Engine::start(arguments.bus.layout(), &fleet.config_path(), &fleet.folder.join("logs")).await?;
    let report = told(arguments, seed, &fleet, &mut engine, &backing.ledger).await;
    if arguments.keep {
        // Services of a run that failed still work on it, so a file may go while it is copied.
        match kept(&fleet) {
            Ok(folder) => eprintln!("kept: {}", folder.display()),
            Err(error) => eprintln!("not all could be kept: {error:#}"),
        }
    }
    let report = report?;
    println!("{report:#}");
    if let Some(faults) = report["faults"].as_array().filter(|faults| !faults.is_empty()) {
        eprintln!("{} faults", faults.len());
    }
    Ok(report["ok"] == true)
}

async fn told(arguments: &Arguments, seed: u64, fleet: &Fleet, engine: &mut Engine, ledger: &str) -> Result<Value> {
    let began = Instant::now();
    let book = Book::open(ledger, &fleet.folder.join("data")).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let killer = StdRng::seed_from_u64(rand::RngExt::random(&mut rng));
    let (told, progress) = watch::channel(0);
    let mut load = Load::new(fleet, &book, rng, arguments.events, arguments.kills);
    let killing = kills::kill(engine, killer, arguments.kills, told);
    let (crashes, ()) = tokio::try_join!(killing, load.push_until(progress))?;
    eprintln!(
        "{:>5.0} s  {} pushes, no more kills; waits until all is quiet",
        began.elapsed().as_secs_f64(),
        load.pushes.len()
    );
    quiet::wait(engine, &book).await?;
    engine.must_run()?;
    let seconds = began.elapsed().as_secs_f64();
    let records = records::read(engine, &book).await?;
    let mut faults = records.faults(&load.pushes);
    faults.extend(effects::faults(fleet, &load.pushes, &records).await?);
    let slack = messages::compare(&fleet.slack, &records, crashes.of("notifier"));
    faults.extend(slack.faults);
    engine.stop().await?;
    Ok(json!({
        "ok": faults.is_empty(), "bus": arguments.bus.to_string(), "seed": seed, "seconds": seconds.round(),
        "events": records.events.len(), "kills": crashes.total(), "killed": crashes.by_service,
        "killed_with_programs": crashes.with_programs, "taken_over": records.taken_over(), "pushes": load.told(), "slack": { "messages": slack.messages, "doubled": slack.doubled }, "faults": faults,
    }))
}

/// Copies what is left to a folder that stays.
fn kept(fleet: &Fleet) -> Result<PathBuf> {
    let to = std::env::temp_dir().join(format!("windlass-crash-{}", std::process::id()));
    std::fs::create_dir_all(&to)?;
    for from in [fleet.folder.path().to_owned(), fleet.git.path("acme/gitops")] {
        let status = std::process::Command::new("cp").arg("-a").arg(&from).arg(&to).status()?;
        anyhow::ensure!(status.success(), "copying {} ended with {status}", from.display());
    }
    Ok(to)
}
