//! Any order of events, each of them lost and sent again, late or twice, and a process that dies at every step: what is
//! promised at the top of the module holds all the same.
#![allow(clippy::unwrap_used)]

mod ahead;
mod approvals;
mod fuzz;
mod history;
mod names;
mod others;
mod proposals;
mod table;
mod verified;
mod waits;
mod world;

use fuzz::{CONFIGS, FAST_PATHS};
use world::{Op, World};

/// A component waits behind a fix, a newer fix of it is deployed and bad, and the next release brings what waited along.
#[test]
fn what_waited_goes_over_nothing_newer_with_what_comes_later() {
    let mut world = World::new(2, CONFIGS[0], FAST_PATHS[0], "apart");
    let offer = |bad, alone, hotfix, merges| Op::Offer { bad, alone, hotfix, merges };
    let deliver = |which, fault| Op::Deliver { which, fault };
    let rejects = || Op::Answer { which: 0, who: 0, yes: false };
    for op in [
        Op::Rollback { environment: 0 },
        offer(0, false, true, 0),
        deliver(161, 0),
        offer(0, false, false, 1),
        deliver(234, 128),
        offer(0, false, false, 0),
        offer(1, true, true, 0),
        deliver(171, 0),
        rejects(),
        deliver(38, 0),
        deliver(91, 128),
        deliver(75, 0),
        rejects(),
        rejects(),
        rejects(),
        offer(0, false, false, 0),
        deliver(111, 0),
    ] {
        world.happens(&op);
    }
    world.settles();
}

/// An author approves while the rules let them, and then those rules are back that do not.
#[test]
fn who_approved_between_two_rules_is_asked_again_by_the_last() {
    let mut world = World::new(2, CONFIGS[3], FAST_PATHS[0], "apart");
    let deliver = |which| Op::Deliver { which, fault: 0 };
    for op in [
        Op::Configure,
        Op::Offer { bad: 0, alone: false, hotfix: false, merges: 0 },
        Op::Hold { environment: 1, held: true },
        deliver(0),
        Op::Configure,
        Op::Answer { which: 0, who: 2, yes: true },
        deliver(0),
        deliver(1),
        Op::Configure,
    ] {
        world.happens(&op);
    }
    world.settles();
}
