//! The crash test, small enough for every day; `src/bin/crash/main.rs` says how the whole one is run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

fn run(bus: &str, seed: &str) {
    let arguments = ["--bus", bus, "--seed", seed, "--kills", "12", "--events", "250"];
    let output = Command::new(env!("CARGO_BIN_EXE_windlass-crash")).args(arguments).output().unwrap();
    let said = [output.stderr, output.stdout].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn everything_in_one_process_may_be_killed_at_any_moment() {
    run("sqlite", "1");
}

#[test]
fn each_service_may_be_killed_at_any_moment() {
    run("amqp", "1");
}
