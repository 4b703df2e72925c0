//! `./scripts/demo`: the main job on real parts. Act one: a signed push becomes a healthy deployment. Act two: a
//! version that is unhealthy in production is taken back. With `--all`, production wants somebody's approval, and two
//! acts more: an urgent fix takes the fast path, and is merged back.

mod story;
mod timeline;

use std::{process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use testkit::{
    backing::BusKind,
    engine::Engine,
    shop::{self, Options, Shop},
};
use tokio::signal::unix::{SignalKind, signal};

/// Shows a signed push become a healthy deployment, and a bad one taken back.
#[derive(Debug, Parser)]
#[command(name = "scripts/demo")]
struct Arguments {
    /// What carries the events: one file, or RabbitMQ with PostgreSQL and every service a process of its own.
    #[arg(long, value_enum, default_value = "sqlite")]
    bus: BusKind,
    /// Also shows an approval, and a hotfix that is owed until it is merged back.
    #[arg(long)]
    all: bool,
    /// Prints only a summary for machines, on standard output; the story goes to standard error.
    #[arg(long)]
    json: bool,
    /// Leaves everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let told = runtime.context("starting the runtime").and_then(|runtime| runtime.block_on(unless_stopped(&arguments)));
    match told {
        Ok(summary) => {
            if arguments.json {
                println!("{summary:#}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nThe demo did not end as it should: {error:#}");
            if arguments.json {
                println!("{:#}", json!({ "ok": false, "error": format!("{error:#}") }));
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells the story; a signal ends it early, and in good order: dropping it stops what it started.
async fn unless_stopped(arguments: &Arguments) -> Result<Value> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        told = tell(arguments) => told,
        _ = terminated.recv() => bail!("it was stopped"),
        _ = interrupted.recv(), if !arguments.keep => bail!("it was stopped"),
    }
}

async fn tell(arguments: &Arguments) -> Result<Value> {
    let began = Instant::now();
    eprintln!("starting a registry, a Git server, two environments and Windlass over {}", arguments.bus);
    let backing = arguments.bus.start().await?;
    let (bus, ledger) = (backing.bus.clone(), backing.ledger.clone());
    let app = if arguments.all { story::gates() } else { json!({}) };
    let shop = Shop::open(&Options { bus, ledger, app, ..Options::default() }).await?;
    let mut engine = shop.start(arguments.bus.layout()).await?;
    let told = story::tell(&shop, &engine, arguments.all).await;
    show_slack(&shop);
    if arguments.keep {
        show_places(&shop, &engine);
        tokio::signal::ctrl_c().await?;
    }
    let acts = told.with_context(|| logs_of(&engine))?;
    engine.stop().await?;
    shop.stop_environments();
    drop(backing);
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("\nAll {} acts ended as they should, in {seconds:.0} s.", acts.len());
    let slack = slack_texts(&shop);
    let bus = arguments.bus.to_string();
    Ok(json!({ "ok": true, "bus": bus, "seconds": seconds, "acts": acts, "slack": slack }))
}

fn show_slack(shop: &Shop) {
    eprintln!("\nWhat Slack was told:");
    for text in slack_texts(shop) {
        eprintln!("  {}", text.replace('\n', "\n    "));
    }
}

/// What a notification's preview shows.
fn slack_texts(shop: &Shop) -> Vec<String> {
    shop.slack.messages().iter().filter_map(|message| message["text"].as_str().map(str::to_owned)).collect()
}

fn show_places(shop: &Shop, engine: &Engine) {
    eprintln!("\nEverything still runs. Look at it with");
    eprintln!("  target/debug/windlass --config {} events", shop.config_path().display());
    let (name, token, _) = shop::OPERATORS[0];
    eprintln!("  or in a browser: {} as {name}, with the token {token}", shop.console());
    eprintln!("  logs: {}", shop.folder.join("logs").display());
    eprintln!("  production: {}/  {}/api/health/", shop.frontend("production"), shop.backend("production"));
    eprintln!("  repositories: {}  {}", shop.git.url("acme/shop"), shop.git.url("acme/shop-gitops"));
    for (name, pid) in engine.pids() {
        eprintln!("  {name}: pid {pid}");
    }
    eprintln!("Ctrl-C stops it all.");
}

/// The end of every service's log, for an error: the folder goes with the demo.
fn logs_of(engine: &Engine) -> String {
    let end = |(name, _): (String, u32)| {
        let text = std::fs::read_to_string(engine.log(&name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("{name} logged last:\n{}", lines[lines.len().saturating_sub(25)..].join("\n"))
    };
    engine.pids().into_iter().map(end).collect::<Vec<_>>().join("\n")
}
