//! What waits for people while the rules of who must let it in change.

use jiff::ToSpan;
use proto::{ApprovalRequested, Data};

use super::table::{OPEN, Table, config, release};
use crate::chain::step::Told;

/// An environment that is held, or not, with these rules.
fn staging_of(rules: &str, held: bool) -> String {
    let by_config = if held { "hold: a test, " } else { "" };
    format!("staging: {{ path: s, {by_config}{rules}sync: {{ command: ['true'] }} }}")
}

/// One release that waits.
fn waiting(rules: &str, held: bool) -> Table {
    let mut table = Table::new(&["web"], &staging_of(rules, held));
    table.offer(&[("web", 2)]);
    table
}

fn requested(told: &Told) -> Option<&ApprovalRequested> {
    told.events.iter().find_map(|(_, data)| match data {
        Data::ApprovalRequested(asked) => Some(asked),
        _ => None,
    })
}

fn says(told: &Told) -> &str {
    told.comes_again.as_ref().map_or("nothing", |wait| wait.waits_for.as_str())
}

#[test]
fn an_approval_that_is_wanted_since_it_waits_is_asked_for_and_its_time_begins_then() {
    let mut table = waiting("", true);
    let id = table.waiting().id;
    table.now += 30.hours();
    table.config = config(&["web"], &staging_of("approval: required, ", false));
    let (told, wishes) = table.asks();
    let asked = requested(&told).unwrap();
    assert_eq!((asked.approval, asked.approvers, &asked.release), (id, 1, &release(&[("web", 2)])));
    assert_eq!(asked.expires_at, Some(table.now + 24.hours()));
    assert!(wishes.is_empty() && told.comes_again.is_none() && table.waiting().id != id);
    // They are asked once.
    table.now += 23.hours();
    let (told, _) = table.asks();
    assert_eq!((says(&told), requested(&told)), ("1 approval", None));
    let mut late = table.clone();
    let (counts, wishes) = table.grants(id, "ada");
    assert!(counts && wishes.len() == 1, "{wishes:?}");
    late.now += 2.hours();
    let (told, _) = late.asks();
    assert!(told.reasons[0].contains("not given within 24h"), "{:?}", told.reasons);
    // Whichever id they answer to.
    assert!(late.chain.places.values().all(|place| place.why_ended(id).is_some()));
}

#[test]
fn an_approval_that_is_wanted_no_more_is_waited_for_no_more() {
    let mut table = waiting("approval: required, ", false);
    assert_eq!(says(&table.asks().0), "1 approval");
    table.config = config(&["web"], OPEN);
    assert_eq!(table.asks().1[0].wanted, release(&[("web", 2)]));
}

#[test]
fn who_must_let_it_in_is_who_must_by_now() {
    for (rules, missing) in [
        ("{ approvers: 2 }", "1 more approval"),
        ("{ by: [grace] }", "1 approval"),
        ("{ approvers: 2, by: [ada, grace] }", "1 more approval"),
        ("{ approvers: 3, by: [grace, linus, mona] }", "3 approvals"),
    ] {
        let mut table = waiting("approval: required, ", true);
        let id = table.waiting().approval();
        assert!(table.grants(id, "ada").0);
        // The first time is over, and people are to answer something else.
        table.now += 25.hours();
        table.config = config(&["web"], &staging_of(&format!("approval: {rules}, "), false));
        let (told, wishes) = table.asks();
        assert!(wishes.is_empty() && requested(&told).is_some_and(|asked| asked.approval == id), "{rules}: {told:?}");
        assert_eq!(says(&table.asks().0), missing, "{rules}");
        assert_eq!(table.waiting().granted.contains_key("ada"), missing.contains("more"), "{rules}");
    }
}

#[test]
fn who_wrote_it_has_let_nothing_in_since_they_may_not() {
    let mut table = waiting("approval: { not_author: false }, ", true);
    let waits = table.chain.places.values_mut().find_map(|place| place.waiting.as_mut()).unwrap();
    waits.offer.author = Some("Ada <ada@example.org>".to_owned());
    let id = waits.approval();
    assert!(table.grants(id, "ada").0);
    table.config = config(&["web"], &staging_of("approval: required, ", false));
    let (told, wishes) = table.asks();
    assert!(wishes.is_empty() && requested(&told).is_some(), "{told:?}");
    assert!(!table.grants(id, "ada").0 && table.grants(id, "grace").0);
}

#[test]
fn fewer_than_were_asked_for_are_enough_when_they_are_there() {
    let mut table = waiting("approval: { approvers: 2 }, ", false);
    let id = table.waiting().approval();
    assert!(table.grants(id, "ada").0);
    table.config = config(&["web"], &staging_of("approval: required, ", false));
    let (told, wishes) = table.asks();
    assert!(wishes.len() == 1 && requested(&told).is_none(), "{told:?}");
}

#[test]
fn nobody_is_asked_where_a_person_promotes() {
    let mut table = waiting("promotion: manual, ", false);
    table.now += 1000.hours();
    let (told, _) = table.asks();
    assert_eq!((says(&told), requested(&told)), ("1 approval", None));
}
