//! Any order of events, each of them lost and sent again, late or twice, and a process that dies at every step: what is
//! promised at the top of the module holds all the same.
#![allow(clippy::unwrap_used)]

mod approvals;
mod history;
mod proposals;
mod table;
mod verified;
mod waits;
mod world;

use proptest::prelude::*;
use world::{Op, World};

/// Environments and gates of every kind, and what their gates may be later; one of these a run.
const CONFIGS: [[&str; 2]; 4] = [
    [
        "staging: { path: s, rollback: automatic, SYNC }
      production: { path: p, after: staging, rollback: automatic, SYNC }",
        "staging: { path: s, rollback: automatic, SYNC }
      production: { path: p, after: staging, soak: 1h, approval: { approvers: 2, by: [ada, linus] }, SYNC }",
    ],
    [
        "staging: { path: s, rollback: automatic, SYNC }
      production: { path: p, after: staging, approval: required, rollback: automatic, SYNC }",
        "staging: { path: s, rollback: automatic, SYNC }
      production: { path: p, after: staging, soak: 3h, rollback: automatic, SYNC }",
    ],
    [
        "staging: { path: s, SYNC }
      east: { path: e, after: staging, soak: 5m, rollback: automatic, SYNC }
      production: { path: p, after: [staging, east], approval: { approvers: 2, expires: 1h }, rollback: automatic, SYNC }",
        "staging: { path: s, SYNC }
      east: { path: e, after: staging, soak: 1h, rollback: automatic, SYNC }
      production: { path: p, after: staging, approval: { by: [linus], not_author: false }, rollback: automatic, SYNC }",
    ],
    [
        "staging: { path: s, promotion: manual, rollback: automatic, SYNC }
      production: { path: p, after: staging, windows: [{ from: '09:00', to: '17:00' }], verdict_within: 10m, SYNC }",
        "staging: { path: s, approval: required, rollback: automatic, SYNC }
      production: { path: p, after: staging, soak: 30m, verdict_within: 10m, SYNC }",
    ],
];
const FAST_PATHS: [&str; 3] =
    ["{}", "{ skip: [approval, soak, windows] }", "{ to: [production], skip: [approval, soak, windows, freezes] }"];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<u8>(), any::<u8>()).prop_map(|(which, fault)| Op::Deliver { which, fault }),
        3 => (0..3u8, any::<bool>(), any::<bool>(), 0..4u8)
            .prop_map(|(bad, alone, hotfix, merges)| Op::Offer { bad, alone, hotfix, merges }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(environment, which)| Op::ByHand { environment, which }),
        2 => (any::<u8>(), any::<u8>(), 0..8u8).prop_map(|(which, who, no)| Op::Answer { which, who, yes: no != 0 }),
        1 => any::<u8>().prop_map(|environment| Op::Rollback { environment }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(environment, held)| Op::Hold { environment, held }),
        1 => any::<u8>().prop_map(|which| Op::Release { which }),
        2 => any::<u16>().prop_map(|seconds| Op::Wait { seconds }),
        1 => Just(Op::Configure),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        config in 0..CONFIGS.len(), fast in 0..FAST_PATHS.len(), together: bool, ops in prop::collection::vec((0..3usize, op()), 0..120),
    ) {
        // Three apps beside each other: none may touch another's.
        let release = if together { "together" } else { "apart" };
        let mut worlds: Vec<_> = (0..3u8).map(|app| World::new(app, CONFIGS[config], FAST_PATHS[fast], release)).collect();
        for (app, op) in &ops {
            worlds[*app].happens(op);
        }
        for world in &mut worlds {
            world.settles();
        }
    }
}

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
