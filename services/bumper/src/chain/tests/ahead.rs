//! What goes ahead by the fast path, beside what waits at the gates.

use proto::{BumpReason, ComponentName, Deployment, EnvironmentName, HealthReported, Lane, Release};

use super::{
    table::{Table, staging},
    world::sha,
};
use crate::chain::step::Wish;

const GATES: &str = "staging: { path: s, rollback: automatic, sync: { command: ['true'] } }
      production: { path: p, after: staging, approval: required, sync: { command: ['true'] } }
    fast_path: { skip: [approval] }
    hotfix: ['hotfix/*']";

fn production() -> EnvironmentName {
    "production".parse().unwrap()
}

fn names(release: &Release) -> Vec<&str> {
    release.keys().map(ComponentName::as_str).collect()
}

/// A shop that runs the same in both environments.
fn shop() -> Table {
    let mut table = Table::new(&["web", "api"], GATES);
    table.history.grow(&sha(1), false, 0);
    let first = table.brings(Lane::Deploy, &["web", "api"], 1).unwrap();
    table.judges(&first, true);
    let id = table.chain.places[&production()].waiting.clone().unwrap().id;
    let (_, wishes) = table.answers(id, &production(), "ada");
    let there = table.lands(&wishes[0]);
    table.judges(&there, true);
    table
}

/// Two fixes that waited together, and were let in as one deployment.
fn two_fixes_at_once() -> (Table, Deployment) {
    let mut table = Table::new(&["web", "api"], &GATES.replace("path: s,", "path: s, hold: a test,"));
    for (n, component) in [(3, "web"), (4, "api")] {
        table.history.grow(&sha(n), true, 0);
        assert_eq!(table.brings(Lane::Hotfix, &[component], n), None);
    }
    table.config = super::table::config(&["web", "api"], GATES);
    let (_, wishes) = table.asks_by(Lane::Hotfix, &staging());
    let both = table.lands(&wishes[0]);
    (table, both)
}

#[test]
fn a_fix_takes_nothing_along_that_waits_for_people() {
    let mut table = shop();
    table.history.grow(&sha(2), false, 0);
    let new = table.brings(Lane::Deploy, &["web"], 2).unwrap();
    table.judges(&new, true);
    table.history.grow(&sha(3), true, 0);
    let fix = table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    let (_, wishes) = table.judges(&fix, true);
    let to = |wish: &Wish| (wish.environment.clone(), wish.lane, names(&wish.wanted).join(" "));
    assert_eq!(wishes.iter().map(to).collect::<Vec<_>>(), [(production(), Lane::Hotfix, "api".to_owned())]);
    // What was verified together with it asks for itself, as it is now, and of whom wrote that.
    let waiting = table.chain.places[&production()].waiting.clone().unwrap();
    assert_eq!((names(&waiting.offer.release), waiting.offer.commit), (vec!["api", "web"], Some(sha(2))));
    table.lands(&wishes[0]);
    let (_, wishes) = table.answers(waiting.id, &production(), "ada");
    assert!(wishes.is_empty(), "the fix has no verdict yet");
    let there = table.chain.places[&production()].asked.clone().unwrap().deployment;
    table.judges(&there, true);
    let (_, wishes) = table.asks_for(&production());
    assert_eq!((wishes[0].lane, names(&wishes[0].wanted)), (Lane::Deploy, vec!["api", "web"]));
}

#[test]
fn what_waits_beside_a_fix_is_not_lost_with_a_run_that_died_once_the_fix_had_gone() {
    let mut table = shop();
    table.config = super::table::config(&["web", "api"], &GATES.replace(", approval: required", ""));
    table.history.grow(&sha(2), false, 0);
    table.brings(Lane::Deploy, &["web"], 2).unwrap();
    table.history.grow(&sha(3), true, 0);
    let fix = table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    let (_, wishes) = table.clone().judges(&fix, true);
    let there = table.clone().lands(&wishes[0]);
    let report = HealthReported { deployment: fix, healthy: true, summary: "as it is".to_owned(), checks: Vec::new() };
    let (_, again) = table.step(|step| {
        step.was_done(&there, false);
        step.judged(&report, false, &Release::new());
        step.was_landed(there.clone(), &wishes[0], false);
    });
    let waiting = table.chain.places[&production()].waiting.clone().unwrap();
    assert_eq!((again.len(), names(&waiting.offer.release)), (0, vec!["api", "web"]));
    table.judges(&there, true);
    let (_, wishes) = table.asks_for(&production());
    assert_eq!(names(&wishes[0].wanted), ["api", "web"]);
}

#[test]
fn a_fix_goes_past_what_is_not_healthy_everywhere_yet() {
    let environments = "staging: { path: s, sync: { command: ['true'] } }
      canary: { path: c, after: staging, approval: required, sync: { command: ['true'] } }
      production: { path: p, after: [staging, canary], sync: { command: ['true'] } }
    fast_path: { skip: [approval] }
    hotfix: ['hotfix/*']";
    let mut table = Table::new(&["web", "api"], environments);
    let canary: EnvironmentName = "canary".parse().unwrap();
    table.history.grow(&sha(1), false, 0);
    let first = table.brings(Lane::Deploy, &["web", "api"], 1).unwrap();
    table.judges(&first, true);
    let id = table.chain.places[&canary].waiting.clone().unwrap().id;
    let (_, wishes) = table.answers(id, &canary, "ada");
    let there = table.lands(&wishes[0]);
    let (_, wishes) = table.judges(&there, true);
    table.lands(&wishes[0]);
    table.history.grow(&sha(2), false, 0);
    let new = table.brings(Lane::Deploy, &["web"], 2).unwrap();
    table.judges(&new, true);
    table.history.grow(&sha(3), true, 0);
    let fix = table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    let (_, wishes) = table.judges(&fix, true);
    let there = table.lands(&wishes[0]);
    let (_, wishes) = table.judges(&there, true);
    let to = |wish: &Wish| (wish.environment.clone(), wish.lane, names(&wish.wanted).join(" "));
    assert_eq!(wishes.iter().map(to).collect::<Vec<_>>(), [(production(), Lane::Hotfix, "api".to_owned())]);
}

#[test]
fn of_two_that_were_merged_at_once_the_first_one_s_verdict_takes_it_nowhere_as_a_fix() {
    let mut table = shop();
    table.history.grow(&sha(2), false, 0);
    let mut web = table.brings(Lane::Deploy, &["web"], 2).unwrap();
    table.history.grow(&sha(3), true, 0);
    let fix = table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    // Both are told as of the head that has both.
    web.release.clone_from(&fix.release);
    let asked = table.chain.places.get_mut(&staging()).unwrap().asked.as_mut().unwrap();
    asked.deployment.revision = web.revision.clone();
    let (_, wishes) = table.judges(&web, true);
    assert_eq!((wishes.len(), names(&wishes[0].wanted), &wishes[0].note), (1, vec!["api"], &fix.note));
}

#[test]
fn of_two_fixes_that_were_bad_together_neither_is_owed() {
    let (mut table, both) = two_fixes_at_once();
    table.judges(&both, false);
    assert_eq!(table.chain.owed, []);
}

#[test]
fn a_fix_that_is_alone_new_asks_for_nothing_besides() {
    let mut table = shop();
    table.history.grow(&sha(3), true, 0);
    let fix = table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    let (_, wishes) = table.judges(&fix, true);
    assert_eq!((wishes.len(), names(&wishes[0].wanted)), (1, vec!["api"]));
    assert_eq!(table.chain.places[&production()].waiting, None);
}

#[test]
fn a_fix_that_another_overtook_before_its_verdict_goes_ahead_with_that() {
    let mut table = shop();
    table.history.grow(&sha(3), true, 0);
    table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    table.history.grow(&sha(4), true, 0);
    let both = table.brings(Lane::Hotfix, &["web"], 4).unwrap();
    let (_, wishes) = table.judges(&both, true);
    assert_eq!((wishes[0].lane, names(&wishes[0].wanted)), (Lane::Hotfix, vec!["api", "web"]));
}

#[test]
fn each_of_two_fixes_that_waited_together_is_owed() {
    let (mut table, _) = two_fixes_at_once();
    let owed: Vec<_> = table.chain.owed.iter().map(|owed| (owed.commit.clone(), owed.note.as_deref())).collect();
    assert_eq!(owed, [(sha(3), None), (sha(4), Some("change 4"))]);
    // So the deploy branch's next of either waits for it.
    table.history.grow(&sha(5), false, 0);
    assert_eq!(table.brings(Lane::Deploy, &["web"], 5), None);
    let asked = table.chain.places[&staging()].asked.clone().unwrap().deployment;
    table.judges(&asked, true);
    let (told, _) = table.asks();
    assert!(told.comes_again.unwrap().waits_for.contains(sha(3).short()));
}

#[test]
fn a_fix_that_lacks_another_says_so() {
    let mut table = shop();
    table.history.grow(&sha(3), true, 0);
    table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    table.history.grow(&sha(4), true, 0);
    let second = table.brings(Lane::Hotfix, &["api"], 4).unwrap();
    let lacks = format!("change 4; {} has not got the fix {}, which it replaces", sha(4).short(), sha(3).short());
    assert_eq!(second.note, Some(lacks));
    table.history.grow(&sha(5), true, 1);
    let third = table.brings(Lane::Hotfix, &["api"], 5).unwrap();
    assert_eq!(third.note.as_deref(), Some("change 5"), "it has the one that it replaces");
}

#[test]
fn what_runs_by_the_fast_path_waits_for_people_no_longer() {
    let mut table = shop();
    table.history.grow(&sha(2), false, 0);
    let new = table.brings(Lane::Deploy, &["web"], 2).unwrap();
    table.judges(&new, true);
    let waiting = table.chain.places[&production()].waiting.clone().unwrap();
    let wish = Wish { lane: Lane::Hotfix, ..Wish::of(&production(), waiting.offer) };
    table.lands(&wish);
    let (told, wishes) = table.asks_for(&production());
    assert!(wishes.is_empty() && told.reasons[0].starts_with("production already asks for it"), "{told:?}");
    assert_eq!(table.chain.places[&production()].waiting, None);
}

#[test]
fn what_is_promoted_goes_as_it_was_verified_without_what_waited() {
    let mut table = shop();
    table.history.grow(&sha(2), false, 0);
    let new = table.brings(Lane::Deploy, &["web", "api"], 2).unwrap();
    table.judges(&new, true);
    // Nobody can tell what api is in the next.
    table.history.grow(&sha(3), false, 0);
    let mut next = table.brings(Lane::Deploy, &["web"], 3).unwrap();
    next.release.remove(&"api".parse().unwrap());
    table.judges(&next, true);
    let waiting = table.chain.places[&production()].waiting.clone().unwrap();
    assert_eq!((names(&waiting.offer.release), waiting.offer.reason), (vec!["web"], BumpReason::Promotion));
}

#[test]
fn what_was_found_unhealthy_since_goes_nowhere() {
    let environments = "staging: { path: s, sync: { command: ['true'] } }
      canary: { path: c, sync: { command: ['true'] } }
      production: { path: p, after: [staging, canary], sync: { command: ['true'] } }";
    let mut table = Table::new(&["web"], environments);
    table.history.grow(&sha(1), false, 0);
    let staging = table.brings(Lane::Deploy, &["web"], 1).unwrap();
    table.judges(&staging, true);
    table.judges(&staging, false);
    let canary = proto::Deployment { environment: "canary".parse().unwrap(), ..staging };
    let (told, wishes) = table.judges(&canary, true);
    assert!(wishes.is_empty() && told.reasons[0].contains("waits for staging to be healthy"), "{told:?}");
}

#[test]
fn one_person_under_two_names_counts_once_whichever_comes_first() {
    let environments = "staging: { path: s, approval: { approvers: 2 }, sync: { command: ['true'] } }";
    for (first, second) in [
        ("ada", "Ada Lovelace <ada@example.org>"),
        ("Ada Lovelace <ada@example.org>", "ada"),
        ("ada", "ada@example.org"),
    ] {
        let mut table = Table::new(&["web"], environments);
        table.offer(&[("web", 1)]);
        let id = table.waiting().id;
        assert!(table.grants(id, first).0);
        assert!(!table.grants(id, second).0, "{first}, {second}");
        assert!(table.grants(id, "linus").0);
    }
}

#[test]
fn a_fix_and_what_it_found_wait_each_by_itself() {
    let mut table = shop();
    table.config = super::table::config(&["web", "api"], &GATES.replace("skip: [approval]", "skip: [windows]"));
    table.history.grow(&sha(2), false, 0);
    let new = table.brings(Lane::Deploy, &["web"], 2).unwrap();
    table.judges(&new, true);
    table.history.grow(&sha(3), true, 0);
    let fix = table.brings(Lane::Hotfix, &["api"], 3).unwrap();
    let (told, wishes) = table.judges(&fix, true);
    let place = &table.chain.places[&production()];
    let (urgent, waiting) = (place.urgent.clone().unwrap(), place.waiting.clone().unwrap());
    assert_eq!((names(&urgent.offer.release), names(&waiting.offer.release)), (vec!["api"], vec!["api", "web"]));
    assert!(wishes.is_empty() && urgent.id != waiting.id);
    // Events of one cause, type and subject would be one.
    let mut subjects: Vec<_> = told.events.iter().map(|(subject, data)| (data.kind(), subject)).collect();
    subjects.dedup();
    assert_eq!(subjects.len(), 4, "{subjects:?}");
}
