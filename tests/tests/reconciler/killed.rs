//! Killed amid a sweep: the next takes it up, and nothing is done twice.

use anyhow::ensure;
use testkit::{
    process::{Process, Signal},
    wait,
};

use crate::world::{Over, SOON, World, program};

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_was_killed_is_taken_up() {
    let mut world = World::open(Over::Servers).await;
    world.outage(300);
    world.receive().await;
    world.github.hang_after(170);
    let log = world.folder.join("reconciler.log");
    let start = || {
        Process::start_guarded("reconciler", program("windlass-reconciler", &world.config()), &log, Signal::TERM, None)
    };
    let mut first = start().unwrap();
    let hangs = async || {
        ensure!(first.ended().is_none(), "it ended: {}", first.log_end());
        ensure!(world.github.hangs(), "it goes on");
        Ok(())
    };
    wait::until(SOON, "the sweep to be under way", hangs).await.unwrap();
    first.signal(Signal::KILL).unwrap();
    first.wait(SOON).await.unwrap();
    world.github.go_on();
    assert!(!world.github.missing().is_empty());

    let mut second = start().unwrap();
    let recovered = async || {
        ensure!(second.ended().is_none(), "it ended: {}", second.log_end());
        let missing = world.github.missing().len();
        ensure!(missing == 0, "{missing} are missing");
        Ok(())
    };
    wait::until(SOON, "the rest to be recovered", recovered).await.unwrap();
    second.signal(Signal::TERM).unwrap();
    assert!(second.wait(SOON).await.unwrap().success(), "{}", second.log_end());
    world.each_has_one_effect(300).await;
    let asked = world.github.requests().redeliveries;
    // What was asked for and not yet listed when it was killed is asked for again, and no more than that.
    assert!((300..=300 + 171).contains(&asked), "{asked} were asked for");
}
