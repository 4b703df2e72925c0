//! Chains: what is known of each app's way through its environments. What it means, and how one state follows from
//! another, is the bumper's business; others look.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proto::{AppName, BumpReason, CommitSha, Deployment, Digest, EnvironmentName, EventId, Lane, Release, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Kept, Ledger, LedgerError, Result};

/// What a chain is kept under, before the app's name.
const PREFIX: &str = "chain/";

impl Ledger {
    /// What is known of an app, and which version of it this is; version 0 when nothing is.
    pub async fn chain(&self, app: &AppName) -> Result<(u32, Chain)> {
        match self.kept(&name(app)).await? {
            Some(kept) => Ok((kept.version, read(&kept)?)),
            None => Ok((0, Chain::default())),
        }
    }

    /// What is known of every app.
    pub async fn chains(&self) -> Result<BTreeMap<AppName, Chain>> {
        let kept = self.all_kept().await?;
        let chain = |kept: &Kept| Some((kept.name.strip_prefix(PREFIX)?.parse().ok()?, kept.clone()));
        kept.iter().filter_map(chain).map(|(app, kept): (AppName, _)| Ok((app, read(&kept)?))).collect()
    }
}

impl Chain {
    /// As a run leaves it, made from this version.
    pub fn keep(&self, app: &AppName, made_from: u32) -> Result<Kept> {
        let state = serde_json::to_string(self)
            .map_err(|why| LedgerError::Unusable(format!("the chain of {app} cannot be written as JSON: {why}")))?;
        Ok(Kept { name: name(app), version: made_from + 1, state })
    }

    /// What is known of an environment.
    pub fn place(&self, environment: &EnvironmentName) -> Option<&Place> {
        self.places.get(environment)
    }

    /// The fixes that are in no deploy branch yet.
    pub fn owed_still(&self) -> impl Iterator<Item = &Owed> {
        self.owed.iter().filter(|owed| owed.met.is_none())
    }

    /// Why a release must not be deployed, if one of its digests is barred.
    pub fn why_barred(&self, release: &Release) -> Option<String> {
        release.iter().find_map(|(name, released)| {
            let entry = self.barred.get(&released.digest)?;
            let (digest, at, reason) = (released.digest.short(), entry.at, &entry.reason);
            Some(format!("{name}@{digest} is quarantined since {at:.0}: {reason}"))
        })
    }
}

impl Waiting {
    /// What an answer to it names.
    pub fn approval(&self) -> EventId {
        self.requested.as_ref().map_or(self.id, |requested| requested.approval)
    }

    /// Whether it is what somebody means by this id.
    pub fn is_named(&self, id: EventId) -> bool {
        self.id == id || self.approval() == id
    }
}

impl Place {
    /// What waits in a lane.
    pub fn waiting(&self, lane: Lane) -> Option<&Waiting> {
        if lane == Lane::Hotfix { self.urgent.as_ref() } else { self.waiting.as_ref() }
    }

    /// What waits under this id, in a lane or to be restored.
    pub fn waiting_as(&self, lane: Lane, id: EventId) -> Option<&Waiting> {
        [self.waiting(lane), self.back.as_ref()].into_iter().flatten().find(|waiting| waiting.id == id)
    }

    /// Why what waited under this id does so no more, as far as that is kept.
    pub fn why_ended(&self, id: EventId) -> Option<&str> {
        self.ended.iter().rfind(|ended| ended.id == id).map(|ended| ended.why.as_str())
    }

    /// The deployment that is under way.
    pub fn under_way(&self) -> Option<&Asked> {
        self.asked.as_ref().filter(|asked| asked.verdict.is_none())
    }
}

fn name(app: &AppName) -> String {
    format!("{PREFIX}{app}")
}

fn read(kept: &Kept) -> Result<Chain> {
    let Kept { name, version, state } = kept;
    serde_json::from_str(state).map_err(|why| {
        LedgerError::Unusable(format!("`{name}`, version {version}, is not what this build knows: {why}"))
    })
}

/// What is known of one app's way through its environments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// What is known of each environment.
    #[serde(default)]
    pub places: BTreeMap<EnvironmentName, Place>,
    /// Digests that must not be deployed anywhere.
    #[serde(default)]
    pub barred: BTreeMap<Digest, Barred>,
    /// Fixes that took the fast path: those that are not known to be in a deploy branch yet, and those that are and still
    /// run somewhere, where no release without them may replace them.
    #[serde(default)]
    pub owed: Vec<Owed>,
}

/// What is known of one environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// What it was last asked to run, and what came of that.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// What was last healthy there.
    #[serde(default)]
    pub healthy: Option<Deployment>,
    /// The longest time that it was so before something took its place there, or it was found unhealthy.
    #[serde(default)]
    pub soaked: SignedDuration,
    /// What is to go there and may not yet.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// The same, by the fast path; it goes first.
    #[serde(default)]
    pub urgent: Option<Waiting>,
    /// What is to be restored, while the pull request for it is open. It goes beside whatever waits.
    #[serde(default)]
    pub back: Option<Waiting>,
    /// Why what waited does so no more, the last ones.
    #[serde(default)]
    pub ended: Vec<Ended>,
    /// The pages of the pull requests here that people were told of, the last few.
    #[serde(default)]
    pub told: Vec<String>,
    /// Why nothing automatic happens there.
    #[serde(default)]
    pub hold: Option<Hold>,
}

/// A deployment that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// What.
    pub deployment: Deployment,
    /// When.
    pub at: Timestamp,
    /// Whether it took the fast path.
    pub lane: Lane,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<String>,
    /// The verdict over it; `None` while it is under way.
    #[serde(default)]
    pub verdict: Option<Ruling>,
    /// Since when one verdict after the other has found it healthy, while the last did.
    #[serde(default)]
    pub healthy_since: Option<Timestamp>,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// Whether it is healthy.
    pub healthy: bool,
    /// Why, in a line.
    pub summary: String,
    /// When it was reached.
    pub at: Timestamp,
}

/// A release that may not go to an environment yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The `release.waiting` event that asks for it again and again.
    pub id: EventId,
    /// What waits.
    pub offer: Offer,
    /// When it began to.
    pub since: Timestamp,
    /// How people were asked to let it in; `None` while nobody was.
    #[serde(default)]
    pub requested: Option<Requested>,
    /// Who has granted it, and when.
    #[serde(default)]
    pub granted: BTreeMap<String, Timestamp>,
    /// The pull request for it, since it has been let in.
    #[serde(default)]
    pub proposed: Option<Proposed>,
}

/// How people were asked to let a release in: when, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// What an answer names: the event it waited under when people were asked first.
    pub approval: EventId,
    /// When; of several times the last.
    pub at: Timestamp,
    /// How many of them must grant it.
    pub approvers: u32,
    /// Who may; anybody when empty.
    #[serde(default)]
    pub by: BTreeSet<String>,
    /// Whether who wrote it may not.
    pub not_author: bool,
}

/// A pull request whose merge is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// Its number at the repository's host.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The commit that is to be merged, as Windlass pushed it.
    pub head: CommitSha,
    /// What it waits for, in words that follow "waits for".
    pub waits_for: String,
    /// When given: only while the files still ask for these.
    #[serde(default)]
    pub instead_of: Option<Release>,
    /// Whether that is people, or something goes on by itself.
    #[serde(default)]
    pub for_people: bool,
}

/// A release that is to go to an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// What.
    pub release: Release,
    /// The source commit it is of as a whole.
    #[serde(default)]
    pub commit: Option<CommitSha>,
    /// Why.
    pub reason: BumpReason,
    /// Whether it takes the fast path.
    pub lane: Lane,
    /// Since when it has been healthy in the environment before, and what the verdict said.
    #[serde(default)]
    pub verified: Option<Ruling>,
    /// The environments it is known to have been healthy in, and the longest time that each was so before something took
    /// its place there, or it was found unhealthy.
    #[serde(default)]
    pub healthy_in: BTreeMap<EnvironmentName, SignedDuration>,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<String>,
    /// The source commit's title, for people.
    #[serde(default)]
    pub note: Option<String>,
}

/// A wait that came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub id: EventId,
    /// Why.
    pub why: String,
}

/// Why nothing automatic happens in an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Who holds it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whether Windlass holds it itself, because its rollback did not help.
    #[serde(default)]
    pub automatic: bool,
}

/// Why a digest must not be deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Barred {
    /// Why, in a line.
    pub reason: String,
    /// The environment it was bad in.
    pub environment: EnvironmentName,
    /// Since when.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whether a person had it taken back, so that no verdict lets it go again.
    #[serde(default)]
    pub ordered: bool,
}

/// A fix that is deployed from a branch of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Owed {
    /// The source commit.
    pub commit: CommitSha,
    /// Its title, for people.
    #[serde(default)]
    pub note: Option<String>,
    /// Since when.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What brought it to a deploy branch, or a later fix that has it and is owed in its place; `None` while it is owed.
    #[serde(default)]
    pub met: Option<CommitSha>,
    /// Source commits that are known to have it, the last few that were to replace it.
    #[serde(default)]
    pub had_by: Vec<CommitSha>,
}
