//! What somebody else has written into the files by the time that it is asked for.

use jiff::ToSpan;
use proto::{Data, Deployment, RollbackRequested};

use super::table::{OPEN, Table, release, staging};

const TWO: &str = "staging: { path: s, rollback: automatic, sync: { command: ['true'] } }
      production: { path: p, after: staging, sync: { command: ['true'] } }";

#[test]
fn what_a_person_had_written_gets_its_verdict_and_goes_on() {
    let mut table = Table::new(&["web", "api"], TWO);
    let first = table.deploys(&[("web", 1), ("api", 1)]);
    table.judges(&first, true);
    let (_, wishes) = table.offer(&[("web", 2)]);
    let there = Deployment { release: release(&[("web", 2), ("api", 1)]), changed: Vec::new(), ..first.clone() };
    let (told, _) = table.step(|step| step.same(&wishes[0], there.clone()));
    let Some((_, Data::ManifestBumped(bumped))) = told.events.first() else { panic!("{told:?}") };
    let bumped = bumped.deployment.clone();
    assert_eq!(bumped.changed, ["web".parse().unwrap()]);
    // What was there says which of two came later.
    let was = first.release.values().last().unwrap();
    assert_eq!(bumped.previous, [("web".parse().unwrap(), format!("{}@{}", was.image, was.digest))].into());
    let (_, promoted) = table.judges(&bumped, true);
    assert_eq!(promoted[0].wanted, release(&[("web", 2), ("api", 1)]));
    // Once it is known, there is nothing to it.
    let (told, _) = table.step(|step| step.same(&wishes[0], there.clone()));
    assert!(told.events.is_empty() && told.reasons[0].contains("already asks for it"), "{told:?}");
}

#[test]
fn what_is_left_out_as_older_does_not_pass_for_being_there() {
    let mut table = Table::new(&["web", "api"], OPEN);
    let first = table.deploys(&[("web", 1), ("api", 1)]);
    table.judges(&first, true);
    let (_, wishes) = table.offer(&[("web", 2), ("api", 1)]);
    let there = Deployment { release: release(&[("web", 3), ("api", 1)]), ..first };
    let (told, _) = table.step(|step| step.same(&wishes[0], there.clone()));
    assert!(told.events.is_empty() && told.reasons[0].contains("already asks for it"), "{told:?}");
}

#[test]
fn what_is_taken_back_twice_goes_back_twice() {
    let mut table = Table::new(&["web"], OPEN);
    let mut healthy = Vec::new();
    for n in 1..=3 {
        let deployment = table.deploys(&[("web", n)]);
        table.judges(&deployment, true);
        healthy.insert(0, deployment);
    }
    for back in [2, 1] {
        let (app, by, reason) = (table.app.clone(), "ada".to_owned(), "slow".to_owned());
        let asked = RollbackRequested { app, environment: staging(), to: None, by, reason };
        let (told, wishes) = table.step(|step| step.taken_back(&asked, &healthy));
        assert_eq!(wishes.first().map(|wish| wish.wanted.clone()), Some(release(&[("web", back)])), "{told:?}");
        let deployment = table.lands(&wishes[0]);
        table.judges(&deployment, true);
        healthy.insert(0, deployment);
    }
}

#[test]
fn what_goes_back_without_a_verdict_of_its_own_is_named() {
    let automatic = OPEN.replace("path: s,", "path: s, rollback: automatic, verdict_within: 1m,");
    let mut table = Table::new(&["web", "api"], &automatic);
    let good = table.deploys(&[("web", 1), ("api", 1)]);
    table.judges(&good, true);
    table.deploys(&[("web", 2)]);
    table.now += 2.minutes();
    let bad = table.deploys(&[("api", 3)]);
    let (_, wishes) = table.judges(&bad, false);
    assert_eq!(wishes[0].wanted, release(&[("web", 1), ("api", 1)]));
    let note = wishes[0].note.as_deref();
    assert_eq!(note, Some("as it is; web goes back too, as it was never found healthy here either"));
}
