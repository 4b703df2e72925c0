//! What was told of a component's images since some time: by registries, by our own builds, and by what was deployed.

use std::{collections::BTreeSet, time::Duration};

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
    /// Somewhat further back than the tags: what was told once is told.
    digests: BTreeSet<Digest>,
    /// With when it was told. Not what a look of ours told: it told that in the order in which it was made, and what
    /// comes after it may have been left by a look that was cut off.
    tags: Vec<(String, Timestamp)>,
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

    /// Whether somebody told of this, or it was deployed.
    pub(crate) fn knows(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// A tag, of those that count, that was told of at this time or later.
    pub(crate) fn tag_since(&self, since: Timestamp, counts: impl Fn(&str) -> bool) -> Option<&str> {
        self.tags.iter().find(|(tag, told)| *told >= since && counts(tag)).map(|(tag, _)| tag.as_str())
    }

    fn add(&mut self, component: &ComponentName, event: Event) {
        let (ours, time) = (event.source == SOURCE, event.time);
        match event.data {
            Data::ImagePushed(pushed) if pushed.component == *component => {
                self.tags.extend(pushed.tag.filter(|_| !ours).map(|tag| (tag, time)));
                self.digests.extend(pushed.digest);
            }
            Data::ImageBuilt(built) if built.component == *component => {
                self.tags.push((built.change.branch.as_tag(), time));
                self.digests.insert(built.digest);
            }
            Data::ManifestBumped(bumped) => {
                self.digests.extend(bumped.deployment.release.get(component).map(|released| released.digest.clone()));
            }
            _ => {}
        }
    }
}
