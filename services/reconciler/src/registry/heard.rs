//! What was told of a component's images since some time: by registries, by our own builds, and by what was deployed.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use ledger::{EventFilter, Ledger};
use proto::{AppName, ComponentName, Data, Digest, Event, EventType, Timestamp};

use crate::record::SOURCE;

/// More events than an app has between two looks.
const MOST: u32 = 5000;
/// An event that tells of a digest may be older than what was seen of it: clocks differ, and its sender may have been
/// quicker than the registry.
const OVERLAP: Duration = Duration::from_mins(1);

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// And when last.
    deployed: BTreeMap<Digest, Timestamp>,
    pushed: Vec<Push>,
}

/// An image that was told of under a tag.
#[derive(Debug)]
struct Push {
    tag: String,
    digest: Option<Digest>,
    told: Timestamp,
    /// A look of ours told: in the order in which it was made, and what comes after it may have been left by a look that
    /// was cut off.
    ours: bool,
}

impl Heard {
    /// Asks the history, which a recorder writes; where none runs nothing was heard.
    pub(crate) async fn since(
        ledger: &Ledger,
        app: &AppName,
        component: &ComponentName,
        since: Timestamp,
    ) -> Result<Self> {
        let mut heard = Self::default();
        for kind in [EventType::ImagePushed, EventType::ImageBuilt, EventType::ManifestBumped] {
            let (kind, app, since) = (Some(kind), Some(app.clone()), Some(since - OVERLAP));
            let filter = EventFilter { kind, app, since, limit: MOST, ..EventFilter::default() };
            let recorded = ledger.events(&filter).await.context("asking for what was told of images")?;
            let events = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
            events.for_each(|event| heard.add(component, event));
        }
        Ok(heard)
    }

    /// Whether somebody told of this under a tag that counts, or it was deployed, at this time or later: somewhat further
    /// back than other tags are asked for, for what was told once is told. Not as far back as is known: a tag may have
    /// been put back since to what was told of then.
    pub(crate) fn knows(&self, digest: &Digest, since: Timestamp, counts: impl Fn(&str) -> bool) -> bool {
        let since = since - OVERLAP;
        let is_it = |push: &Push| push.told >= since && push.digest.as_ref() == Some(digest) && counts(&push.tag);
        self.deployed.get(digest).is_some_and(|at| *at >= since) || self.pushed.iter().any(is_it)
    }

    /// A tag, of those that count, under which something else than this was told of at this time or later.
    pub(crate) fn other_since(&self, since: Timestamp, than: &Digest, counts: impl Fn(&str) -> bool) -> Option<&str> {
        let is_it =
            |push: &&Push| !push.ours && push.told >= since && push.digest.as_ref() != Some(than) && counts(&push.tag);
        self.pushed.iter().find(is_it).map(|push| push.tag.as_str())
    }

    fn add(&mut self, component: &ComponentName, event: Event) {
        let (ours, told) = (event.source == SOURCE, event.time);
        match event.data {
            Data::ImagePushed(pushed) if pushed.component == *component => {
                let digest = pushed.digest;
                self.pushed.extend(pushed.tag.map(|tag| Push { tag, digest, told, ours }));
            }
            Data::ImageBuilt(built) if built.component == *component => {
                let (tag, digest) = (built.change.branch.as_tag(), Some(built.digest));
                self.pushed.push(Push { tag, digest, told, ours });
            }
            Data::ManifestBumped(bumped) => {
                if let Some(released) = bumped.deployment.release.get(component) {
                    let last = self.deployed.entry(released.digest.clone()).or_insert(told);
                    *last = told.max(*last);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proto::{EventId, ImageName, ImagePushed};

    use super::*;

    fn at(minute: u32) -> Timestamp {
        format!("2026-05-15T12:{minute:02}:00Z").parse().unwrap()
    }

    #[test]
    fn what_was_told_of_before_a_tag_was_last_looked_at_does_not_count() {
        let digest = Digest::new(format!("sha256:{}", "a".repeat(64))).unwrap();
        let (app, component) = ("shop".parse().unwrap(), ComponentName::new("web").unwrap());
        let (image, tag) = (ImageName::new("ghcr.io/acme/web").unwrap(), Some("main".to_owned()));
        let pushed = ImagePushed { app, component: component.clone(), image, tag, digest: Some(digest.clone()) };
        let mut heard = Heard::default();
        heard.add(&component, Event::first(EventId::fresh(), "/webhooks/x".into(), "web".into(), at(10), pushed));
        let knows = |since| heard.knows(&digest, since, |tag| tag == "main");
        assert!(knows(at(9)) && knows(at(10)) && knows(at(11)), "clocks differ");
        assert!(!knows(at(12)), "the tag has been seen to stand for something else since");
        assert!(!heard.knows(&digest, at(10), |tag| tag == "hotfix-a"));
    }
}
