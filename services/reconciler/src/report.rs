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
    /// Tags that were seen for the first time, and only noted.
    pub noted: Vec<String>,
    /// Tags that were told of; in a dry run, that would be.
    pub told: Vec<String>,
    /// Tags that changed unheard, and were left alone: another was told of meanwhile.
    pub unclear: Vec<String>,
}

/// What a sweep of a webhook found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// The webhook: its source, and whose it is.
    pub place: String,
    /// How far back was looked.
    pub since: Timestamp,
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
        let (missing, given_up) = (Vec::new(), Vec::new());
        Self {
            place,
            since,
            deliveries,
            missing,
            asked: 0,
            came: 0,
            missing_still: 0,
            waiting: 0,
            given_up,
            unheard: 0,
            door_is_shut: false,
        }
    }

    pub(crate) fn of(&mut self, plan: &Plan) {
        self.missing = plan.ask.iter().map(|wanted| wanted.guid.clone()).collect();
        self.waiting = plan.waiting.len();
        self.given_up.clone_from(&plan.given_up);
        self.unheard = plan.unheard;
    }
}

impl Report {
    /// Whether the sweep was broken off, because nobody takes what is sent.
    pub fn door_is_shut(&self) -> bool {
        matches!(self, Self::Hook(report) if report.door_is_shut)
    }

    /// What it is about, one by one.
    pub fn details(&self, dry_run: bool) -> Vec<String> {
        let all: Vec<_> = match self {
            Self::Hook(report) => report.missing.iter().filter(|_| dry_run).chain(&report.given_up).collect(),
            Self::Tags(report) => report.told.iter().chain(&report.unclear).collect(),
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
            (self.waiting, "wait to be asked for again"),
            (self.given_up.len(), "given up"),
            (self.unheard, "failed that nobody hears"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.door_is_shut {
            f.write_str("; nobody takes what is sent here now, so no more was asked for")
        } else {
            Ok(())
        }
    }
}
