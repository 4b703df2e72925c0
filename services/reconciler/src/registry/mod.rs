//! Registries that send no webhooks, or send them at best effort: what followed tags stand for is looked at, and what
//! changed without anybody telling is told, as the normalizer tells of a registry's webhook.
//!
//! What a tag stands for when it is first seen is only noted: it was pushed nobody knows when. So is what somebody has
//! told of, or what was deployed since the last look; else a look would undo what people have put back meanwhile.

mod followed;
mod heard;

use std::time::Duration;

use anyhow::{Context as _, Result};
use ledger::{SeenTag, Swept};
use proto::{AppName, ComponentName, Digest, Event, EventId, ImageName, ImagePushed, Timestamp};
use runtime::{Config, Context, config::App};

use crate::{
    Mode,
    metrics::{Metrics, Of},
    report::TagsReport,
};
use followed::{Chosen, Followed};
use heard::Heard;

/// Who tells.
const SOURCE: &str = "/reconciler";
/// An event may be written down somewhat after what it tells of was seen.
const OVERLAP: Duration = Duration::from_mins(1);

/// The followed tags of one component.
pub(crate) struct Tags {
    context: Context,
    app: AppName,
    component: ComponentName,
    image: ImageName,
    pub(crate) every: Duration,
    pub(crate) metrics: Of,
}

/// A tag that stands for something else than at the last look.
struct Changed {
    tag: String,
    digest: Digest,
    changes: u32,
    created: Option<Timestamp>,
    /// When it was last known to stand for something else, or for nothing.
    since: Timestamp,
}

/// What becomes of it.
enum Fate {
    /// It is told.
    Tell,
    /// Somebody has told of it.
    Told,
    /// This other tag was told of meanwhile, and nothing says which of the two is newer.
    Unclear(String),
}

impl Tags {
    /// Those of every component whose image is in a registry that is polled, and that any environment follows.
    pub(crate) fn all(context: &Context, metrics: &Metrics) -> Vec<Self> {
        let mut found = Vec::new();
        for (app, configured) in
            context.config.apps.iter().filter(|(_, app)| app.first_environments(proto::Lane::Deploy).next().is_some())
        {
            for (component, c) in &configured.components {
                let host = c.image.registry();
                let Some(every) = context.config.registries.get(host).and_then(|registry| registry.poll) else {
                    continue;
                };
                let (context, metrics, image) = (context.clone(), metrics.of(host), c.image.clone());
                found.push(Self { context, app: app.clone(), component: component.clone(), image, every, metrics });
            }
        }
        found
    }

    /// Its name for people.
    pub(crate) fn name(&self) -> String {
        self.image.to_string()
    }

    /// Its name in the ledger; another one once other tags are followed.
    pub(crate) fn target(&self) -> String {
        let mark = self.configured().map(|app| Followed::new(app, &self.component).mark()).unwrap_or_default();
        format!("{} {mark}", self.image)
    }

    fn configured(&self) -> Option<&App> {
        let config: &Config = &self.context.config;
        config.apps.get(&self.app)
    }

    /// Looks once, given when that was last done.
    pub(crate) async fn sweep(&self, swept: Option<Swept>, mode: Mode) -> Result<TagsReport> {
        let mut report = TagsReport { place: self.name(), ..TagsReport::default() };
        let Some(app) = self.configured() else { return Ok(report) };
        let followed = Followed::new(app, &self.component);
        let registries = &self.context.registries;
        let listed = if followed.needs_list() { registries.tags(&self.image).await? } else { Vec::new() };
        let Chosen { tags, left_out } = followed.choose(&listed);
        if left_out > 0 {
            let image = &self.image;
            tracing::warn!(%image, left_out, "{image}: {left_out} tags too many are followed, and not looked at");
        }
        (report.tags, report.left_out) = (tags.len(), left_out);
        let looked = swept.and_then(|swept| swept.swept_at);
        let changed = self.changed(&tags.iter().cloned().collect::<Vec<_>>(), looked, mode, &mut report).await?;
        let Some(since) = changed.iter().map(|changed| changed.since).min() else { return Ok(report) };
        let heard = Heard::since(&self.context.ledger, &self.app, &self.component, since - OVERLAP).await?;
        for changed in changed {
            let others = |tag: &&String| **tag != changed.tag && tags.contains(*tag) && !followed.is_ordered();
            let fate = match heard.tags.iter().find(others) {
                _ if heard.digests.contains(&changed.digest) => Fate::Told,
                Some(other) => Fate::Unclear(other.clone()),
                None => Fate::Tell,
            };
            self.settle(changed, fate, mode, &mut report).await?;
        }
        Ok(report)
    }

    /// What changed since the last look, in the order in which it was made as far as images say that.
    async fn changed(
        &self,
        tags: &[String],
        looked: Option<Timestamp>,
        mode: Mode,
        report: &mut TagsReport,
    ) -> Result<Vec<Changed>> {
        let ledger = &self.context.ledger;
        let mut found = Vec::new();
        for tag in tags {
            let Some(digest) = self.context.registries.peek(&self.image, tag).await? else { continue };
            let seen = ledger.seen_tag(&self.image, tag).await.context("reading what a tag stood for")?;
            match (seen, looked) {
                (Some(seen), _) if seen.digest == digest => {}
                (None, None) => {
                    report.noted.push(tag.clone());
                    self.note(tag, &digest, 0, mode).await?;
                }
                (seen, looked) => found.extend(self.change(tag, seen, looked).await?),
            }
        }
        found.sort_by(|one, other| (one.created, &one.tag).cmp(&(other.created, &other.tag)));
        Ok(found)
    }

    async fn change(&self, tag: &str, seen: Option<SeenTag>, looked: Option<Timestamp>) -> Result<Option<Changed>> {
        let Some(resolved) = self.context.registries.resolve(&self.image, tag).await? else { return Ok(None) };
        let changes = seen.as_ref().map_or(0, |seen| seen.changes + 1);
        let since = looked.into_iter().chain(seen.map(|seen| seen.seen_at)).max().unwrap_or_else(Timestamp::now);
        let (tag, digest, created) = (tag.to_owned(), resolved.digest, resolved.created);
        Ok(Some(Changed { tag, digest, changes, created, since }))
    }

    async fn settle(&self, changed: Changed, fate: Fate, mode: Mode, report: &mut TagsReport) -> Result<()> {
        let name = format!("{}:{} ({})", self.image, changed.tag, changed.digest.short());
        match fate {
            Fate::Told => {}
            Fate::Unclear(other) => {
                tracing::warn!(
                    "{name} was pushed, and nobody told of it; `{other}` was told of meanwhile, and nothing says which \
                     is newer, so it is left alone; push it again if it is"
                );
                report.unclear.push(changed.tag.clone());
            }
            Fate::Tell => {
                if !mode.dry_run {
                    tracing::info!("{name} was pushed, and nobody told of it");
                    self.tell(&changed).await?;
                }
                report.told.push(changed.tag.clone());
            }
        }
        self.note(&changed.tag, &changed.digest, changed.changes, mode).await
    }

    /// Publishes before it is noted: whoever dies in between tells the same under the same id.
    async fn tell(&self, changed: &Changed) -> Result<()> {
        let Changed { tag, digest, changes, since, .. } = changed;
        let id = EventId::of_tag(&self.image, tag, digest, *changes);
        let pushed = ImagePushed {
            app: self.app.clone(),
            component: self.component.clone(),
            image: self.image.clone(),
            tag: Some(tag.clone()),
            digest: Some(digest.clone()),
        };
        let subject = format!("{}:{tag}@{digest}", self.component);
        // It happened after this, nobody knows when; what is known to have happened later is later.
        let event = Event::first(id, SOURCE.to_owned(), subject, *since, pushed);
        self.context.bus.publish(&[event.to_message()]).await.context("telling of a tag")?;
        self.metrics.changed();
        Ok(())
    }

    async fn note(&self, tag: &str, digest: &Digest, changes: u32, mode: Mode) -> Result<()> {
        if mode.dry_run {
            return Ok(());
        }
        let noted = self.context.ledger.see_tag(&self.image, tag, digest, changes).await;
        noted.context("writing down what a tag stands for")
    }
}
