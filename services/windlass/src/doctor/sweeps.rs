//! The reconciler's sweeps: when each webhook and each component's tags were last swept, and what could not be done.

use std::time::Duration;

use jiff::Timestamp;
use ledger::{Ledger, SweepState};
use reconciler::Watched;
use runtime::Config;

use super::report::{Finding, ago};

/// A sweep may come so much later than three times its turn: a large one takes its time.
const LATE: Duration = Duration::from_mins(10);

/// How it stands with every place that is to be swept; without a ledger nobody knows.
pub(super) async fn examine(config: &Config, ledger: Option<&Ledger>) -> Vec<Finding> {
    let watched = reconciler::watched(config);
    let Some(ledger) = ledger.filter(|_| !watched.is_empty()) else { return Vec::new() };
    match ledger.sweeps().await {
        Ok(states) => {
            let of = |place: &Watched| states.iter().find(|state| state.target == place.target);
            watched.iter().map(|place| finding(place, of(place))).collect()
        }
        Err(error) => vec![Finding::broken("sweeps", error, "see what is said of the ledger")],
    }
}

fn finding(place: &Watched, state: Option<&SweepState>) -> Finding {
    const START: &str = "start windlass-reconciler (`windlass up` has one), or see why it does not run";
    let under_way = state.and_then(under_way);
    let Some(ended) = state.and_then(|state| state.ended_at.max(state.swept_at)) else {
        return match under_way {
            Some(says) => Finding::ok(&place.name, format!("it was never swept before; {says}")),
            None => Finding::warning(&place.name, "it was never swept", START),
        };
    };
    let mut says = match state.and_then(|state| state.swept_at) {
        Some(at) => format!("last swept {} ({at:.0})", ago(at)),
        None => format!("no sweep has gone well yet; the last ended {}", ago(ended)),
    };
    // One that asks for much, or waits, takes as long as it takes.
    let is_late = under_way.is_none() && Timestamp::now().duration_since(ended).unsigned_abs() > place.every * 3 + LATE;
    says.extend(under_way.map(|under_way| format!("; {under_way}")));
    match state.and_then(|state| state.trouble.as_deref()) {
        _ if is_late => Finding::warning(&place.name, format!("{says}, and is to be every {:?}", place.every), START),
        Some(trouble) => {
            let next = "mend that, and see `windlass reconcile`; `--again` asks even for what was given up";
            Finding::warning(&place.name, format!("{says}; not all could be done at the last: {trouble}"), next)
        }
        None => Finding::ok(&place.name, says),
    }
}

/// What is to be said of one that is under way.
fn under_way(state: &SweepState) -> Option<String> {
    let waits = state.waits_until.filter(|until| *until > Timestamp::now());
    let waits = waits.map(|until| format!(", and waits until {until:.0}, as GitHub's limit wants it: no trouble"));
    state.under_way.then(|| format!("one is under way{}", waits.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::report::Standing, *};

    #[test]
    fn a_sweep_that_is_late_or_left_something_is_warned_of() {
        let every = Duration::from_mins(5);
        let place = Watched { name: "github repos/a/b".into(), target: "github repos/a/b".into(), every };
        let ago = |minutes: u64| Some(Timestamp::now() - Duration::from_mins(minutes));
        let found = |swept_at, ended_at, trouble: Option<&str>| {
            let (target, trouble) = (place.target.clone(), trouble.map(ToOwned::to_owned));
            let (under_way, waits_until) = (false, None);
            let state = SweepState { target, swept_at, ended_at, trouble, under_way, waits_until };
            let found = finding(&place, Some(&state));
            (found.standing, found.says)
        };
        assert_eq!(finding(&place, None).standing, Standing::Warning);
        assert_eq!(found(None, None, None).0, Standing::Warning, "who began the first has vanished");
        assert_eq!(found(ago(24), ago(24), None).0, Standing::Ok);
        let (standing, says) = found(ago(26), ago(26), None);
        assert!(standing == Standing::Warning && says.contains("every 300s"), "{says}");
        let (standing, says) = found(ago(300), ago(1), Some("nobody takes what is sent here"));
        assert!(standing == Standing::Warning && says.starts_with("last swept 5 hours ago"), "{says}");
        assert!(says.contains("nobody takes what is sent here"), "{says}");
        assert!(found(None, ago(1), Some("x")).1.starts_with("no sweep has gone well yet"));
    }

    #[test]
    fn one_that_asks_for_much_or_waits_for_the_limit_is_not_late() {
        let every = Duration::from_mins(5);
        let place = Watched { name: "github repos/a/b".into(), target: "github repos/a/b".into(), every };
        let found = |swept: bool, waits_until, trouble: Option<&str>| {
            let (target, trouble) = (place.target.clone(), trouble.map(ToOwned::to_owned));
            let at = swept.then(|| Timestamp::now() - Duration::from_hours(1));
            let state = SweepState { target, swept_at: at, ended_at: at, trouble, under_way: true, waits_until };
            let found = finding(&place, Some(&state));
            (found.standing, found.says)
        };
        let until = Timestamp::now() + Duration::from_mins(40);
        let (standing, says) = found(true, Some(until), None);
        assert!(standing == Standing::Ok && says.starts_with("last swept 60 minutes ago"), "{says}");
        assert!(says.contains(&format!("waits until {until:.0}")) && says.contains("no trouble"), "{says}");
        let (standing, says) = found(false, Some(until), None);
        assert!(standing == Standing::Ok && says.contains("waits until"), "{says}");
        let (standing, says) = found(true, Some(Timestamp::now() - every), None);
        assert!(standing == Standing::Ok && says.ends_with("; one is under way"), "{says}");
        let (standing, says) = found(true, None, Some("x"));
        assert!(standing == Standing::Warning && says.ends_with("at the last: x"), "{says}");
    }
}
