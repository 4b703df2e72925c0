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
    let Some(ended) = state.and_then(|state| state.ended_at.max(state.swept_at)) else {
        return Finding::warning(&place.name, "it was never swept", START);
    };
    let says = match state.and_then(|state| state.swept_at) {
        Some(at) => format!("last swept {} ({at:.0})", ago(at)),
        None => format!("no sweep has gone well yet; the last ended {}", ago(ended)),
    };
    let is_late = Timestamp::now().duration_since(ended).unsigned_abs() > place.every * 3 + LATE;
    match state.and_then(|state| state.trouble.as_deref()) {
        _ if is_late => Finding::warning(&place.name, format!("{says}, and is to be every {:?}", place.every), START),
        Some(trouble) => {
            let next = "mend that, and see `windlass reconcile`; `--again` asks even for what was given up";
            Finding::warning(&place.name, format!("{says}; not all could be done: {trouble}"), next)
        }
        None => Finding::ok(&place.name, says),
    }
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
            let found = finding(&place, Some(&SweepState { target, swept_at, ended_at, trouble }));
            (found.standing, found.says)
        };
        assert_eq!(finding(&place, None).standing, Standing::Warning);
        assert_eq!(found(None, None, None).0, Standing::Warning, "one is under way, the first");
        assert_eq!(found(ago(24), ago(24), None).0, Standing::Ok);
        let (standing, says) = found(ago(26), ago(26), None);
        assert!(standing == Standing::Warning && says.contains("every 300s"), "{says}");
        let (standing, says) = found(ago(300), ago(1), Some("nobody takes what is sent here"));
        assert!(standing == Standing::Warning && says.starts_with("last swept 5 hours ago"), "{says}");
        assert!(says.contains("nobody takes what is sent here"), "{says}");
        assert!(found(None, ago(1), Some("x")).1.starts_with("no sweep has gone well yet"));
    }
}
