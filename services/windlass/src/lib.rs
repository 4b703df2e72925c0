//! The `windlass` command: `up` runs everything in one process; the other verbs are the operators'.
//!
//! Verbs read the ledger and publish to the bus that the configuration names, so they work wherever it is readable,
//! beside `windlass up` as well as beside services in a cluster.

mod config;
mod dead;
mod doctor;
mod events;
mod open;
mod order;
mod out;
mod reconcile;
mod replay;
mod send;
mod status;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use runtime::service::Arguments;

/// Webhook-driven delivery: from a signed push to a healthy deployment, and back when it is not.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the receiver and every configured worker in this process.
    Up,
    /// Signs a payload as its sender would, and posts it to the receiver.
    Send(send::Send),
    /// Shows what happened.
    Events(events::Events),
    /// Shows and replays what could not be handled.
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Shows what runs where, how it fares, what is on its way and what is barred.
    Status(status::Status),
    /// Lets a release that waits for it into an environment.
    Approve(order::Answer),
    /// Keeps a release that waits for approval out of an environment.
    Reject(order::Answer),
    /// Keeps everything automatic away from an environment.
    Hold(order::Hold),
    /// Lets what is automatic into an environment again.
    Unhold(order::Hold),
    /// Takes an environment back to what was healthy there.
    Rollback(order::Rollback),
    /// Says that a fix of the fast path need not come back into a deploy branch, so that releases without it may go.
    Settle(order::Settle),
    /// Shows and releases digests that must not be deployed.
    #[command(subcommand)]
    Quarantine(order::Quarantine),
    /// Looks at everything the configuration needs, and says what is broken and what to do: bus, ledger, secrets and
    /// which of them are in use, repositories, registries, programs, disk.
    Doctor(doctor::Doctor),
    /// Asks GitHub and registries now for what never came.
    Reconcile(reconcile::Reconcile),
    /// Checks the configuration, or prints its JSON Schema.
    #[command(subcommand)]
    Config(config::Verb),
}

/// The `main` of the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<out::ReaderGone>() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("windlass: {}", out::plain(format_args!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Config(verb) => config::run(&verb, &cli.arguments),
        Verb::Doctor(doctor) => open::block_on(doctor::run(doctor, cli.arguments.load()?)),
        Verb::Up => runtime::service::start(cli.arguments.load()?, "up", up::up),
        Verb::Send(send) => open::block_on(send::run(send, cli.arguments.load()?)),
        Verb::Events(events) => open::block_on(events::run(events, cli.arguments.load()?)),
        Verb::Status(status) => open::block_on(status::run(status, cli.arguments.load()?)),
        Verb::Approve(answer) => open::block_on(order::answer(answer, cli.arguments.load()?, true)),
        Verb::Reject(answer) => open::block_on(order::answer(answer, cli.arguments.load()?, false)),
        Verb::Hold(hold) => open::block_on(order::hold(hold, cli.arguments.load()?, true)),
        Verb::Unhold(hold) => open::block_on(order::hold(hold, cli.arguments.load()?, false)),
        Verb::Rollback(rollback) => open::block_on(order::rollback(rollback, cli.arguments.load()?)),
        Verb::Settle(settle) => open::block_on(order::settle(settle, cli.arguments.load()?)),
        Verb::Quarantine(verb) => open::block_on(order::quarantine(verb, cli.arguments.load()?)),
        Verb::Reconcile(asked) => open::block_on(reconcile::run(asked, cli.arguments.load()?)),
        Verb::Dead(dead) => open::block_on(dead::run(dead, cli.arguments.load()?)),
    }
}
