//! The gate before an environment: whether a release may go there now, and if not, for what it waits.

use std::{collections::BTreeSet, time::Duration};

use ledger::{Chain, Offer, Place, Requested, Waiting};
use proto::{EnvironmentName, Lane, Timestamp};
use runtime::config::{App, Approval, Environment, Promotion, Skip};

use super::{guard, people::may_grant};

/// Whether a release may go to an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It may.
    Open,
    /// Not yet.
    Closed(Wait),
    /// It never will, and why.
    Never(String),
}

/// For what a release waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// In words that follow "waits for".
    pub(crate) waits_for: String,
    /// How long it will be at least.
    pub(crate) at_least: Duration,
}

impl Wait {
    /// For what goes ahead.
    pub(super) fn for_a_fix() -> Self {
        Self { waits_for: "a fix that goes first".to_owned(), at_least: PEOPLE }
    }
}

/// How often a wait is looked at again where its end is not known: the world's time, people's time.
const SOON: Duration = Duration::from_secs(1);
pub(super) const PEOPLE: Duration = Duration::from_secs(5);

/// One environment's gate.
pub(crate) struct Gates<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) app: &'a App,
    pub(crate) name: &'a EnvironmentName,
    pub(crate) config: &'a Environment,
    pub(crate) now: Timestamp,
}

impl<'a> Gates<'a> {
    /// Asks all of them; what people decide comes before what time does, so that they are asked at once.
    pub(crate) fn ask(&self, offer: &Offer, waiting: Option<&Waiting>) -> Gate {
        if let Some(why) = self.chain.why_barred(&offer.release) {
            return Gate::Never(format!("{} does not get it: {why}", self.name));
        }
        let skips = |gate: Skip| self.app.skips(offer.lane, &gate);
        let approval = if skips(Skip::Approval) { None } else { self.approval(waiting) };
        if let Some(Gate::Never(why)) = approval {
            return Gate::Never(why);
        }
        let closed = self
            .hold(offer)
            .or_else(|| self.owed(offer))
            .or_else(|| self.after(offer))
            .or_else(|| approval.and_then(Gate::wait))
            .or_else(|| self.soak(offer).filter(|_| !skips(Skip::Soak)))
            .or_else(|| self.freeze().filter(|_| !skips(Skip::Freezes)))
            .or_else(|| self.window().filter(|_| !skips(Skip::Windows)))
            .or_else(|| self.busy(offer.lane));
        closed.map_or(Gate::Open, Gate::Closed)
    }

    /// The rules of who must let a release in, if anybody.
    pub(crate) fn rules(config: &Environment) -> Option<Approval> {
        match (&config.approval, config.promotion) {
            (Some(rules), _) => Some(rules.clone()),
            (None, Promotion::Manual) => Some(Approval { expires: None, not_author: false, ..Approval::default() }),
            (None, Promotion::Automatic) => None,
        }
    }

    /// The rules by which people are asked to let in what comes by a lane; nobody is asked for a promotion by hand.
    pub(crate) fn asks_by(&self, lane: Lane) -> Option<&'a Approval> {
        self.config.approval.as_ref().filter(|_| !self.app.skips(lane, &Skip::Approval))
    }

    /// The rules by which people are still to be asked to let in what waits: nobody was, or by other rules.
    pub(crate) fn is_to_ask_by(&self, waiting: &Waiting) -> Option<&'a Approval> {
        let rules = self.asks_by(waiting.offer.lane).filter(|rules| !is_by(waiting.requested.as_ref(), rules))?;
        let is_verified = self.after(&waiting.offer).is_none();
        (is_verified && matches!(self.approval(Some(waiting)), Some(Gate::Closed(_)))).then_some(rules)
    }

    fn place(&self) -> Option<&Place> {
        self.chain.place(self.name)
    }

    /// By the configuration, by a person, or by a rollback that did not help.
    pub(crate) fn hold(&self, offer: &Offer) -> Option<Wait> {
        let by_config = self.config.hold.as_ref().map(|why| format!("`hold` ({why}) to be taken from the config"));
        let held = self.place().and_then(|place| place.hold.as_ref());
        // A fix that people send by the fast path is just what Windlass's own hold calls for.
        let held = held.filter(|hold| !(hold.automatic && offer.lane == Lane::Hotfix));
        let by_person = held.map(|hold| {
            format!("`windlass unhold`: held by {} since {} ({})", hold.by, hold.at.strftime("%F %T UTC"), hold.reason)
        });
        Some(Wait { waits_for: by_config.or(by_person)?, at_least: PEOPLE })
    }

    /// A fix that people sent ahead is not undone by a release of a branch it has not come back to.
    fn owed(&self, offer: &Offer) -> Option<Wait> {
        let running = self.place()?.asked.as_ref().filter(|_| offer.lane != Lane::Hotfix)?;
        let fix = guard::undone(&self.chain.owed, self.app, &running.deployment, offer)?;
        let (commit, title) =
            (fix.commit.short(), fix.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default());
        let waits_for = format!("the fix {commit}{title} to be in it; or `windlass settle`, to go without it");
        Some(Wait { waits_for, at_least: PEOPLE })
    }

    fn approval(&self, waiting: Option<&Waiting>) -> Option<Gate> {
        let rules = Self::rules(self.config)?;
        // Who may is asked again: the rules may be others by now.
        let counts = |by: &&String| may_grant(&rules, self.name, by, &BTreeSet::new()).is_ok();
        let granted = waiting.map_or(0, |waiting| waiting.granted.keys().filter(counts).count());
        let granted = u32::try_from(granted).unwrap_or(u32::MAX);
        let missing = rules.approvers.saturating_sub(granted);
        if missing == 0 {
            return None;
        }
        let asked = waiting.and_then(|waiting| waiting.requested.as_ref());
        let is_over =
            |asked: &Requested| rules.expires.is_some_and(|after| self.now.duration_since(asked.at) >= signed(after));
        if asked.is_some_and(|asked| is_by(Some(asked), &rules) && is_over(asked)) {
            let after = rules.expires.unwrap_or_default();
            return Some(Gate::Never(format!(
                "{} does not get it: its approval was asked for, and not given within {}",
                self.name,
                human(after)
            )));
        }
        let noun = if missing == 1 { "approval" } else { "approvals" };
        let more = if granted > 0 { " more" } else { "" };
        Some(Gate::Closed(Wait { waits_for: format!("{missing}{more} {noun}"), at_least: PEOPLE }))
    }

    fn freeze(&self) -> Option<Wait> {
        let ends = |freeze: &runtime::config::Freeze| Some((freeze.ends(self.now)?, freeze.reason.clone()));
        let (ends, reason) = self.config.freezes.iter().filter_map(ends).max()?;
        self.until(ends, |until| format!("the end of a freeze ({reason}; {until})"))
    }

    fn window(&self) -> Option<Wait> {
        if self.config.windows.is_empty() {
            return None;
        }
        let opens = self.config.windows.iter().filter_map(|window| window.opens(self.now)).min()?;
        self.until(opens, |until| format!("its time window ({until})"))
    }

    /// While one deployment has no verdict, the next waits for it, unless it is long overdue. A fix waits for none.
    fn busy(&self, lane: Lane) -> Option<Wait> {
        if lane == Lane::Hotfix {
            return None;
        }
        let place = self.place()?;
        // One that must be healthy elsewhere first goes before nothing.
        if place.urgent.as_ref().is_some_and(|urgent| self.after(&urgent.offer).is_none()) {
            return Some(Wait::for_a_fix());
        }
        let under_way = place.under_way()?;
        if self.now.duration_since(under_way.at) >= signed(self.config.verdict_within) {
            return None;
        }
        let waits_for = format!("the verdict over {}", under_way.deployment.revision.short());
        Some(Wait { waits_for, at_least: SOON })
    }

    pub(super) fn until(&self, time: Timestamp, words: impl FnOnce(String) -> String) -> Option<Wait> {
        let left = Duration::try_from(time.duration_since(self.now)).ok().filter(|left| !left.is_zero())?;
        Some(Wait { waits_for: words(format!("until {}", time.strftime("%F %T UTC"))), at_least: left })
    }
}

impl Gate {
    fn wait(self) -> Option<Wait> {
        if let Self::Closed(wait) = self { Some(wait) } else { None }
    }
}

/// Whether people were asked by these rules. How long that stands is no matter of who.
pub(super) fn is_by(requested: Option<&Requested>, rules: &Approval) -> bool {
    requested.is_some_and(|asked| {
        (asked.approvers, &asked.by, asked.not_author) == (rules.approvers, &rules.by, rules.not_author)
    })
}

pub(super) fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

/// `24h`, as people write it.
pub(super) fn human(duration: Duration) -> String {
    format!("{:#}", signed(duration))
}
