//! What a sweep found and did, for people.

use std::fmt;

use proto::Timestamp;

use crate::github::Plan;

/// What a sweep found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Of a webhook.
    Hook(HookReport),
    /// Of a component's tags.
    Tags(TagsReport),
}

/// What a look at a component's tags found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagsReport {
    /// The image.
    pub place: String,
    /// How many tags were looked at.
    pub tags: usize,
    /// How many more are followed.
    pub left_out: usize,
    /// How many the registry's limit left to the next look, which begins with them.
    pub not_reached: usize,
    /// Tags that were seen for the first time, and only noted.
    pub noted: Vec<String>,
    /// Tags that were told of; in a dry run, that would be.
    pub told: Vec<String>,
    /// Tags that changed unheard, and were left alone: another was told of meanwhile.
    pub unclear: Vec<String>,
    /// Tags that could not be looked at, each with the reason.
    pub broken: Vec<String>,
}

/// What a sweep of a webhook found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// The webhook: its source, and whose it is.
    pub place: String,
    /// How far back was looked.
    pub since: Timestamp,
    /// When it was last looked, where that is longer ago than GitHub keeps what it sent: what came of it between the two
    /// nobody can say.
    pub unseen_since: Option<Timestamp>,
    /// Deliveries since then.
    pub deliveries: usize,
    /// Of these, what to ask for: their GUIDs, oldest first.
    pub missing: Vec<String>,
    /// How many were asked for.
    pub asked: usize,
    /// Of these, how many were taken within the sweep.
    pub came: usize,
    /// Of these, how many were not.
    pub missing_still: usize,
    /// What GitHub did not send when it was asked to, each with its words.
    pub unsent: Vec<String>,
    /// Asked for before, and not yet again.
    pub waiting: usize,
    /// Not asked for any more.
    pub given_up: Vec<String>,
    /// Failed, and nobody here hears such events.
    pub unheard: usize,
    /// Whether the sweep was broken off, because nobody takes what is sent.
    pub door_is_shut: bool,
}

impl HookReport {
    pub(crate) fn new(place: String, since: Timestamp, deliveries: usize) -> Self {
        let (missing, unsent, given_up) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            place,
            since,
            unseen_since: None,
            deliveries,
            missing,
            asked: 0,
            came: 0,
            missing_still: 0,
            unsent,
            waiting: 0,
            given_up,
            unheard: 0,
            door_is_shut: false,
        }
    }

    fn troubles(&self) -> Vec<String> {
        let Self { since, missing, unsent, given_up, .. } = self;
        let mut all = Vec::new();
        if self.door_is_shut {
            all.push(format!("nobody takes what is sent here, and {} deliveries wait", missing.len() + self.waiting));
        }
        if let Some(last) = self.unseen_since {
            all.push(format!("it was not swept from {last:.0} on, and GitHub keeps nothing from before {since:.0}"));
        }
        if !unsent.is_empty() {
            all.push(format!("{} that GitHub did not send: {}", unsent.len(), few(unsent)));
        }
        if !given_up.is_empty() {
            all.push(format!("{} not asked for any more: {}", given_up.len(), few(given_up)));
        }
        all
    }

    pub(crate) fn of(&mut self, plan: &Plan) {
        self.missing = plan.ask.iter().map(|wanted| wanted.guid.clone()).collect();
        self.waiting = plan.waiting;
        self.given_up.clone_from(&plan.given_up);
        self.unheard = plan.unheard;
    }
}

impl TagsReport {
    fn troubles(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.left_out > 0 {
            all.push(format!(
                "{} tags are not looked at, for too many are followed; give `tags` an `order`",
                self.left_out
            ));
        }
        if self.not_reached > 0 {
            all.push(format!(
                "{} tags are looked at next time: the registry was asked too often; give it credentials, which may ask more \
                 often, or a longer `poll`",
                self.not_reached
            ));
        }
        if !self.broken.is_empty() {
            all.push(format!("{} cannot be looked at: {}", self.broken.len(), few(&self.broken)));
        }
        if !self.unclear.is_empty() {
            all.push(format!(
                "{} changed unheard beside others, and are left alone: {}",
                self.unclear.len(),
                few(&self.unclear)
            ));
        }
        all
    }
}

/// The first of many.
fn few(all: &[String]) -> String {
    const FEW: usize = 5;
    let shown = all[..all.len().min(FEW)].join(", ");
    if all.len() > FEW { format!("{shown} …") } else { shown }
}

impl Report {
    /// Whether the sweep was broken off, because nobody takes what is sent.
    pub fn door_is_shut(&self) -> bool {
        matches!(self, Self::Hook(report) if report.door_is_shut)
    }

    /// What the sweep could not do, in words; nothing when it did all.
    pub(crate) fn trouble(&self) -> Option<String> {
        let all = match self {
            Self::Hook(report) => report.troubles(),
            Self::Tags(report) => report.troubles(),
        };
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// What it is about, one by one.
    pub fn details(&self, dry_run: bool) -> Vec<String> {
        let all: Vec<_> = match self {
            Self::Hook(report) => {
                report.missing.iter().filter(|_| dry_run).chain(&report.unsent).chain(&report.given_up).collect()
            }
            Self::Tags(report) => report.told.iter().chain(&report.unclear).chain(&report.broken).collect(),
        };
        all.into_iter().cloned().collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(report) => report.fmt(f),
            Self::Tags(report) => report.fmt(f),
        }
    }
}

impl fmt::Display for TagsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} tags, {} changed unheard", self.place, self.tags, self.told.len() + self.unclear.len())?;
        for (count, what) in [
            (self.noted.len(), "seen for the first time"),
            (self.unclear.len(), "left alone beside others"),
            (self.broken.len(), "could not be looked at"),
            (self.not_reached, "left to the next look by its limit"),
            (self.left_out, "too many to look at"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for HookReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, since, deliveries, missing, asked, came, .. } = self;
        write!(f, "{place}: {deliveries} deliveries since {since:.0}, {} to ask for", missing.len())?;
        if *asked > 0 {
            write!(f, ", {asked} asked for, {came} came")?;
        }
        for (count, what) in [
            (self.missing_still, "have not come yet"),
            (self.unsent.len(), "not sent by GitHub"),
            (self.waiting, "wait to be asked for again"),
            (self.given_up.len(), "given up"),
            (self.unheard, "failed that nobody hears"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if let Some(last) = self.unseen_since {
            write!(f, "; not swept since {last:.0}, and GitHub keeps nothing from before {since:.0}")?;
        }
        if self.door_is_shut {
            f.write_str("; nobody takes what is sent here now, so no more was asked for")
        } else {
            Ok(())
        }
    }
}
