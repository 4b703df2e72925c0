//! What was told of a component's images since some time: by registries, by our own builds, and by what was deployed.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use ledger::{EventFilter, Ledger};
use proto::{AppName, ComponentName, Data, Digest, Event, EventType, Timestamp};

/// More events than an app has between two looks.
const MOST: u32 = 5000;

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) digests: BTreeSet<Digest>,
    pub(crate) tags: BTreeSet<String>,
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
            let (kind, app, since) = (Some(kind), Some(app.clone()), Some(since));
            let filter = EventFilter { kind, app, since, limit: MOST, ..EventFilter::default() };
            let recorded = ledger.events(&filter).await.context("asking for what was told of images")?;
            let events = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
            events.for_each(|event| heard.add(component, event.data));
        }
        Ok(heard)
    }

    fn add(&mut self, component: &ComponentName, data: Data) {
        match data {
            Data::ImagePushed(pushed) if pushed.component == *component => {
                self.tags.extend(pushed.tag);
                self.digests.extend(pushed.digest);
            }
            Data::ImageBuilt(built) if built.component == *component => {
                self.tags.insert(built.change.branch.as_tag());
                self.digests.insert(built.digest);
            }
            Data::ManifestBumped(bumped) => {
                self.digests.extend(bumped.deployment.release.get(component).map(|released| released.digest.clone()));
            }
            _ => {}
        }
    }
}
