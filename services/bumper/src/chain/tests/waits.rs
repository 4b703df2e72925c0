//! What waits while the configuration, or what is known of its images, changes.

use std::collections::BTreeSet;

use proto::Data;

use super::table::{HELD, OPEN, OTHER, Table, config, release, staging};

#[test]
fn what_is_barred_while_it_waits_takes_nothing_with_it_that_is_not() {
    let mut table = Table::new(&["web", "api"], HELD);
    table.offer(&[("web", 2)]);
    table.bar(&[("web", 2)]);
    let (told, _) = table.offer(&[("api", 3)]);
    assert_eq!((table.waits(), told.reasons), (Some(BTreeSet::from(["api"])), Vec::new()));
    // What came together goes on without it.
    table.offer(&[("web", 4)]);
    assert_eq!(table.waits(), Some(BTreeSet::from(["api", "web"])));
    table.bar(&[("web", 4)]);
    table.config = config(&["web", "api"], OPEN);
    let (told, wishes) = table.asks();
    assert_eq!(wishes[0].wanted, release(&[("api", 3)]));
    assert!(told.reasons[0].starts_with("staging does not get it: web@"), "{:?}", told.reasons);
    // Where nothing is left it ends, and says why.
    table.bar(&[("api", 3)]);
    let (told, wishes) = table.asks();
    assert!(wishes.is_empty() && told.reasons[0].contains("api@"), "{:?}", told.reasons);
    assert_eq!(table.waits(), None);
}

#[test]
fn a_component_that_is_none_any_more_waits_no_longer_with_what_comes() {
    let mut table = Table::new(&["frontend", "backend"], HELD);
    table.offer(&[("frontend", 2), ("backend", 2)]);
    table.config = config(&["frontend", "api"], HELD);
    table.offer(&[("api", 3)]);
    assert_eq!(table.waits(), Some(BTreeSet::from(["api", "frontend"])));
}

#[test]
fn what_waited_for_an_environment_that_went_can_come_again_when_that_does() {
    let mut table = Table::new(&["web"], HELD);
    table.offer(&[("web", 2)]);
    table.config = config(&["web"], OTHER);
    let (told, _) = table.asks();
    assert!(told.reasons[0].contains("no environment staging"), "{:?}", told.reasons);
    assert_eq!(table.waits(), None);
    table.config = config(&["web"], HELD);
    let (told, _) = table.offer(&[("web", 2)]);
    assert!(matches!(told.events[..], [(_, Data::ReleaseWaiting(_))]), "{told:?}");
}

#[test]
fn of_a_hundred_that_came_and_went_each_is_told_why_it_waits_no_more() {
    let mut table = Table::new(&["web"], HELD);
    let waits = |table: &mut Table, n| {
        table.offer(&[("web", n)]);
        table.chain.places[&staging()].waiting.clone().unwrap().id
    };
    let ids: Vec<_> = (1..=100).map(|n| waits(&mut table, n)).collect();
    let place = &table.chain.places[&staging()];
    assert!(ids[..99].iter().all(|id| place.why_ended(*id).is_some_and(|why| why.starts_with("superseded"))));
    assert_eq!(place.why_ended(ids[99]), None);
}
