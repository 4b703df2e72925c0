//! Histories of three apps beside each other, drawn at random: `./scripts/test` takes the same ones each time,
//! `./scripts/fuzz histories` new ones.

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use testkit::fuzz::Asked;

use super::world::{Op, World};

/// Environments and gates of every kind, and what their gates may be later; one of these a run.
pub(super) const CONFIGS: [[&str; 2]; 4] = [
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
pub(super) const FAST_PATHS: [&str; 3] =
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

type History = (usize, usize, bool, Vec<(usize, Op)>);

fn history() -> impl Strategy<Value = History> {
    (0..CONFIGS.len(), 0..FAST_PATHS.len(), any::<bool>(), prop::collection::vec((0..3usize, op()), 0..120))
}

/// None of the apps may touch another's.
fn happens((config, fast, together, ops): History) {
    let release = if together { "together" } else { "apart" };
    let mut worlds: Vec<_> = (0..3u8).map(|app| World::new(app, CONFIGS[config], FAST_PATHS[fast], release)).collect();
    for (app, op) in &ops {
        worlds[*app].happens(op);
    }
    for world in &mut worlds {
        world.settles();
    }
}

#[test]
fn histories() {
    Asked::of("histories").each(|seed| {
        let config = ProptestConfig {
            cases: 1024,
            failure_persistence: None,
            max_shrink_iters: 4096,
            rng_seed: RngSeed::Fixed(seed),
            ..ProptestConfig::default()
        };
        let checked = TestRunner::new(config).run(&history(), |history| {
            happens(history);
            Ok(())
        });
        checked.unwrap_or_else(|failure| panic!("with the seed {seed}: {failure}"));
    });
}
