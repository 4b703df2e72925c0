//! What GitHub's list of attempts comes to: which deliveries came, and which to ask for. Pure; nobody is asked here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use ledger::Redelivery;
use proto::Timestamp;
use runtime::config::GITHUB_EVENTS;

use super::wire::Attempt;

/// How long GitHub sends a delivery again.
pub(crate) const KEPT: Duration = Duration::from_hours(3 * 24);
/// How many tries a delivery is given: as often somebody answers and does not take it, or GitHub does not send it.
pub(crate) const MOST: u32 = 5;
/// How long after its first try a delivery is asked for again, and after what was none; four times as long after each
/// try that follows.
const SPACING: Duration = Duration::from_mins(4);

/// Every delivery of a stretch of time, folded from attempts in any order.
#[derive(Debug, Default)]
pub(crate) struct History {
    deliveries: HashMap<String, Delivery>,
    newest: Option<(Timestamp, u64, Fate)>,
    attempts: HashSet<u64>,
}

/// One delivery, whatever number of attempts it took.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// When it was first attempted, as far as was listed.
    pub(crate) first: Timestamp,
    /// The newest attempt: what is asked for.
    pub(crate) attempt: u64,
    /// How that went.
    pub(crate) fate: Fate,
    /// Whether any attempt was taken.
    pub(crate) came: bool,
    event: String,
    last: Timestamp,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was answered 2xx.
    Taken,
    /// Somebody answered, and did not take it.
    Refused,
    /// Nobody answered, or whoever did said that nobody is there, or not now.
    Away,
}

/// A delivery to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) guid: String,
    pub(crate) attempt: u64,
    /// When it was first attempted.
    pub(crate) first: Timestamp,
    /// How many tries it was given, where it was asked for before: what nobody answered was none.
    pub(crate) tries: Option<u32>,
}

/// A delivery that will not be asked for any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) wanted: Wanted,
    /// GitHub sends it no more; else it was asked for often enough.
    pub(crate) too_old: bool,
}

/// What is to be done about a history.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What to ask for, oldest first.
    pub(crate) ask: Vec<Wanted>,
    /// How much was asked for and comes up again later.
    pub(crate) waiting: usize,
    /// When what waits was first attempted, where its attempt was not noted: it must be read again to be asked for.
    pub(crate) unnoted: Vec<Timestamp>,
    /// What was asked for and has come since.
    pub(crate) came: Vec<String>,
    /// What is not asked for any more.
    pub(crate) given_up: Vec<String>,
    /// Of these, what nobody has been told of yet, and why.
    pub(crate) lost: Vec<Lost>,
    /// Events that nobody here hears, and that failed; they stay where they are.
    pub(crate) unheard: usize,
}

impl Wanted {
    /// Its place among the others, whatever is attempted.
    pub(crate) fn place(&self) -> (Timestamp, String) {
        (self.first, self.guid.clone())
    }

    /// Whether it was asked for before.
    pub(crate) fn is_again(&self) -> bool {
        self.tries.is_some()
    }
}

impl Fate {
    fn of(attempt: &Attempt) -> Self {
        match attempt.status_code {
            Some(200..=299) => Self::Taken,
            // 429 and 503 are our own way to say "not now"; the others that of what stands before us.
            None | Some(..=99 | 408 | 429 | 500..) => Self::Away,
            Some(_) => Self::Refused,
        }
    }
}

impl History {
    /// Adds an attempt, and says whether it is new; one that is known already changes nothing.
    pub(crate) fn add(&mut self, attempt: Attempt) -> bool {
        let fate = Fate::of(&attempt);
        let (at, id) = (attempt.delivered_at, attempt.id);
        if !self.attempts.insert(id) {
            return false;
        }
        if self.newest.is_none_or(|(time, newest, _)| (time, newest) < (at, id)) {
            self.newest = Some((at, id, fate));
        }
        let delivery = self.deliveries.entry(attempt.guid).or_insert(Delivery {
            first: at,
            attempt: id,
            fate,
            came: false,
            event: attempt.event,
            last: at,
        });
        delivery.came |= fate == Fate::Taken;
        delivery.first = delivery.first.min(at);
        if (delivery.last, delivery.attempt) < (at, id) {
            (delivery.last, delivery.attempt, delivery.fate) = (at, id, fate);
        }
        true
    }

    /// How many deliveries there are.
    pub(crate) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// When the newest attempt was made, of all that were read.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.newest.map(|(at, ..)| at)
    }

    /// Whether the newest attempt was taken: then somebody is there. Else nobody knows.
    pub(crate) fn door_is_open(&self) -> bool {
        self.newest.is_none_or(|(.., fate)| fate == Fate::Taken)
    }

    /// The newest attempt of a delivery.
    pub(crate) fn attempt(&self, wanted: &Wanted) -> u64 {
        self.deliveries.get(&wanted.guid).map_or(wanted.attempt, |delivery| delivery.attempt)
    }

    /// What became of a delivery after this attempt of it; `None` as long as there is no newer one.
    pub(crate) fn since(&self, wanted: &Wanted) -> Option<Fate> {
        let delivery = self.deliveries.get(&wanted.guid)?;
        if delivery.came {
            return Some(Fate::Taken);
        }
        (delivery.attempt != wanted.attempt).then_some(delivery.fate)
    }

    /// What to do about it at this time, given what was asked for before and has not come: that need not be in the
    /// stretch that was read. `again`: even what was given up.
    pub(crate) fn plan(&self, asked: &BTreeMap<String, Redelivery>, now: Timestamp, again: bool) -> Plan {
        let mut plan = Plan::default();
        for (guid, delivery) in &self.deliveries {
            let before = asked.get(guid);
            if delivery.came {
                plan.came.extend(before.map(|_| guid.clone()));
            } else if GITHUB_EVENTS.contains(&delivery.event.as_str()) {
                let known = before.and_then(|before| before.first_at).unwrap_or(delivery.first);
                let (attempt, first) = (delivery.attempt, delivery.first.min(known));
                let tries = before.map(|before| before.times);
                plan.add(Wanted { guid: guid.clone(), attempt, first, tries }, before, now, again);
            } else {
                plan.unheard += 1;
            }
        }
        for (guid, before) in asked.iter().filter(|(guid, _)| !self.deliveries.contains_key(*guid)) {
            let attempt = before.attempt.and_then(|attempt| u64::try_from(attempt).ok());
            let (Some(attempt), Some(first)) = (attempt, before.first_at) else { continue };
            let wanted = Wanted { guid: guid.clone(), attempt, first, tries: Some(before.times) };
            plan.add(wanted, Some(before), now, again);
        }
        plan.ask.sort_by_key(Wanted::place);
        plan.given_up.sort();
        plan
    }
}

impl Plan {
    fn add(&mut self, wanted: Wanted, before: Option<&Redelivery>, now: Timestamp, again: bool) {
        let times = before.map_or(0, |before| before.times);
        let too_old = now.duration_since(wanted.first).unsigned_abs() > KEPT;
        if too_old || (times >= MOST && !again) {
            let told = times > MOST;
            // What can be asked for no more and was told of is over.
            self.given_up.extend((!told || !too_old).then(|| wanted.guid.clone()));
            self.lost.extend((!told).then_some(Lost { wanted, too_old }));
        } else if let Some(before) = before.filter(|before| !again && (before.asked_at..due(before)).contains(&now)) {
            self.waiting += 1;
            self.unnoted.extend(before.attempt.is_none().then_some(wanted.first));
        } else {
            self.ask.push(wanted);
        }
    }
}

/// When a delivery may be asked for again.
fn due(before: &Redelivery) -> Timestamp {
    let wait = SPACING.saturating_mul(4_u32.saturating_pow(before.times.saturating_sub(1)));
    before.asked_at.checked_add(wait.min(KEPT)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn now() -> Timestamp {
        "2026-05-15T12:00:00Z".parse().unwrap()
    }

    /// An attempt this many minutes ago.
    fn attempt(id: u64, guid: &str, ago: u32, status: i64) -> Attempt {
        let delivered_at = now() - MINUTE * ago;
        Attempt { id, guid: guid.to_owned(), delivered_at, status_code: Some(status), event: "push".to_owned() }
    }

    fn history(attempts: &[(u64, &str, u32, i64)]) -> History {
        let mut history = History::default();
        for (id, guid, ago, status) in attempts {
            assert!(history.add(attempt(*id, guid, *ago, *status)));
        }
        history
    }

    fn asked(guid: &str, times: u32, ago: u32) -> BTreeMap<String, Redelivery> {
        let (delivery, asked_at) = (guid.to_owned(), now() - MINUTE * ago);
        let asked = Redelivery { delivery, times, asked_at, attempt: None, first_at: None };
        BTreeMap::from([(guid.to_owned(), asked)])
    }

    fn guids(plan: &Plan) -> Vec<(&str, u64)> {
        plan.ask.iter().map(|wanted| (wanted.guid.as_str(), wanted.attempt)).collect()
    }

    #[test]
    fn what_no_attempt_brought_is_asked_for_by_its_newest_oldest_first() {
        let history = history(&[
            (9, "a", 10, 200),
            (8, "b", 20, 503),
            (7, "c", 30, 0),
            (6, "b", 40, 0),
            (5, "d", 50, 504),
            (4, "d", 45, 202),
            (3, "e", 60, 401),
        ]);
        let plan = history.plan(&BTreeMap::new(), now(), false);
        assert_eq!(guids(&plan), [("e", 3), ("b", 8), ("c", 7)]);
        assert!(plan.given_up.is_empty() && plan.waiting == 0);
        assert_eq!((history.len(), history.newest()), (5, Some(now() - MINUTE * 10)));
    }

    #[test]
    fn what_was_asked_for_lately_waits_longer_each_time_and_is_given_up_at_last() {
        let history = history(&[(1, "a", 1000, 401)]);
        for (times, ago, wanted) in
            [(1, 3, "waits"), (1, 4, "asked"), (2, 15, "waits"), (2, 16, "asked"), (4, 255, "waits"), (4, 256, "asked")]
        {
            let plan = history.plan(&asked("a", times, ago), now(), false);
            let is = if plan.ask.is_empty() { "waits" } else { "asked" };
            assert_eq!(is, wanted, "{times} times, {ago} minutes ago");
            assert_eq!(plan.waiting + plan.ask.len(), 1);
            assert_eq!(plan.unnoted.len(), plan.waiting, "its attempt is not known, so it must be read again");
        }
        for (times, lost) in [(MOST, 1), (MOST + 1, 0)] {
            let plan = history.plan(&asked("a", times, 1000), now(), false);
            assert!(plan.lost.iter().all(|lost| !lost.too_old));
            assert_eq!((plan.given_up.as_slice(), guids(&plan)), (["a".to_owned()].as_slice(), vec![]));
            assert_eq!(plan.lost.len(), lost, "it is told once");
        }
        assert_eq!(guids(&history.plan(&asked("a", MOST, 0), now(), true)), [("a", 1)]);
    }

    #[test]
    fn what_github_keeps_no_longer_is_given_up() {
        let plan = history(&[(1, "a", 3 * 24 * 60 + 1, 503), (2, "a", 5, 503)]).plan(&BTreeMap::new(), now(), true);
        assert_eq!((plan.given_up.len(), plan.ask.len()), (1, 0));
    }

    #[test]
    fn what_was_asked_for_needs_not_be_read_again() {
        let (attempt, first_at) = (Some(7), Some(now() - MINUTE * 1000));
        let noted = |times, ago, first_at| {
            let before = asked("a", times, ago).remove("a").unwrap();
            BTreeMap::from([("a".to_owned(), Redelivery { attempt, first_at, ..before })])
        };
        let nothing = History::default();
        assert_eq!(guids(&nothing.plan(&noted(2, 16, first_at), now(), false)), [("a", 7)]);
        let plan = nothing.plan(&noted(2, 15, first_at), now(), false);
        assert_eq!((plan.waiting, plan.unnoted.len(), plan.ask.len()), (1, 0, 0));
        // Given up: told once, asked for where it is wanted again, and over once GitHub keeps it no longer.
        let plan = nothing.plan(&noted(MOST, 1000, first_at), now(), false);
        assert_eq!((plan.lost.len(), plan.lost[0].too_old, plan.given_up.len()), (1, false, 1));
        let plan = nothing.plan(&noted(MOST + 1, 1000, first_at), now(), false);
        assert_eq!((plan.lost.len(), plan.given_up.len()), (0, 1));
        assert_eq!(guids(&nothing.plan(&noted(MOST + 1, 0, first_at), now(), true)), [("a", 7)]);
        let old = Some(now() - KEPT - MINUTE);
        let plan = nothing.plan(&noted(2, 16, old), now(), true);
        assert_eq!((plan.lost.len(), plan.lost[0].too_old, plan.ask.len()), (1, true, 0));
        assert_eq!(nothing.plan(&noted(MOST + 2, 16, old), now(), false), Plan::default());
        // Seen again: by its newest attempt, as old as its first; and no more once it came.
        let plan = history(&[(9, "a", 5, 401)]).plan(&noted(2, 16, first_at), now(), false);
        assert_eq!((guids(&plan), Some(plan.ask[0].first)), (vec![("a", 9)], first_at));
        let plan = history(&[(9, "a", 5, 202)]).plan(&noted(2, 16, first_at), now(), false);
        assert_eq!((plan.came.as_slice(), plan.ask.len()), (["a".to_owned()].as_slice(), 0));
    }

    #[test]
    fn what_was_asked_for_by_a_clock_that_was_ahead_does_not_wait_for_its_time() {
        let mut asked = asked("a", 1, 0);
        for redelivery in asked.values_mut() {
            redelivery.asked_at = now() + MINUTE * 60 * 24 * 365;
        }
        let plan = history(&[(1, "a", 5, 503)]).plan(&asked, now(), false);
        assert_eq!((guids(&plan), plan.waiting), (vec![("a", 1)], 0));
    }

    #[test]
    fn what_nobody_hears_is_left() {
        let mut history = History::default();
        history.add(Attempt { event: "star".to_owned(), ..attempt(1, "a", 5, 503) });
        let plan = history.plan(&BTreeMap::new(), now(), false);
        assert_eq!((plan.unheard, plan.ask.len()), (1, 0));
    }

    #[test]
    fn an_answer_tells_whether_anybody_is_there() {
        for (status, fate) in [
            (200, Fate::Taken),
            (202, Fate::Taken),
            (0, Fate::Away),
            (-1, Fate::Away),
            (429, Fate::Away),
            (503, Fate::Away),
            (404, Fate::Refused),
            (301, Fate::Refused),
        ] {
            assert_eq!(Fate::of(&attempt(1, "a", 0, status)), fate, "{status}");
        }
        assert_eq!(Fate::of(&Attempt { status_code: None, ..attempt(1, "a", 0, 0) }), Fate::Away);
        assert!(history(&[(1, "a", 9, 0), (2, "b", 8, 202)]).door_is_open());
        assert!(!history(&[(3, "b", 7, 503), (2, "b", 8, 202)]).door_is_open());
    }

    #[test]
    fn the_fate_of_what_was_asked_for_is_that_of_a_newer_attempt() {
        let mut history = history(&[(1, "a", 9, 503)]);
        let wanted = Wanted { guid: "a".to_owned(), attempt: 1, first: now(), tries: None };
        assert_eq!(history.since(&wanted), None);
        assert!(history.add(attempt(2, "a", 1, 503)));
        assert_eq!(history.since(&wanted), Some(Fate::Away));
        assert!(history.add(attempt(3, "a", 0, 202)));
        assert!(!history.add(attempt(2, "a", 1, 503)));
        assert_eq!(history.since(&wanted), Some(Fate::Taken));
    }
}
