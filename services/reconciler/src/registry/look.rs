//! One look at a component's tags: what changed since the last, and what becomes of each change.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use ledger::SeenTag;
use proto::{Digest, Event, EventId, ImagePushed, Timestamp, WorkerName};
use runtime::oci::OciError;

use super::{Before, Followed, Tags, heard::Heard};
use crate::{
    Mode,
    record::{LeftAlone, SOURCE, record},
    report::TagsReport,
};

/// A look under way.
pub(super) struct Look<'a> {
    of: &'a Tags,
    followed: &'a Followed<'a>,
    mode: Mode,
    pub(super) tags: BTreeSet<String>,
    /// The tags that cannot be looked at, and when each last could.
    pub(super) broken: BTreeMap<String, Option<Timestamp>>,
    pub(super) report: TagsReport,
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

/// Why a tag is not looked at.
enum Trouble {
    /// There is something wrong with it; others may be sound.
    Tag(OciError),
    /// The same would come of any other.
    Any(anyhow::Error),
}

impl From<OciError> for Trouble {
    fn from(error: OciError) -> Self {
        match error {
            OciError::Lies { .. } | OciError::Malformed { .. } | OciError::Status { .. } => Self::Tag(error),
            OciError::Unreachable { .. }
            | OciError::Blocked { .. }
            | OciError::Refused { .. }
            | OciError::RateLimited { .. } => Self::Any(error.into()),
        }
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Any(error)
    }
}

impl<'a> Look<'a> {
    pub(super) fn new(
        of: &'a Tags,
        followed: &'a Followed<'a>,
        tags: BTreeSet<String>,
        left_out: usize,
        mode: Mode,
    ) -> Self {
        let report = TagsReport { place: of.name(), tags: tags.len(), left_out, ..TagsReport::default() };
        Self { of, followed, mode, tags, broken: BTreeMap::new(), report }
    }

    pub(super) async fn run(&mut self, before: &Before) -> Result<()> {
        let changed = self.changed(before).await?;
        let Some(since) = changed.iter().map(|changed| changed.since).min() else { return Ok(()) };
        let Tags { context, app, component, .. } = self.of;
        let heard = Heard::since(&context.ledger, app, component, since).await?;
        for changed in changed {
            let open = |tag: &str| self.followed.is_open_between(tag, &changed.tag);
            let others = |tag: &str| tag != changed.tag && self.tags.contains(tag) && open(tag);
            let enough = |tag: &str| self.followed.is_covered(&changed.tag, tag);
            let fate = match heard.other_since(changed.since, &changed.digest, others) {
                _ if heard.knows(&changed.digest, changed.since, enough) => Fate::Told,
                Some(other) => Fate::Unclear(other.to_owned()),
                None => Fate::Tell,
            };
            self.settle(changed, fate).await?;
        }
        Ok(())
    }

    /// What changed since the last look, in the order in which it was made as far as images say that.
    async fn changed(&mut self, before: &Before) -> Result<Vec<Changed>> {
        let (mut found, mut first) = (Vec::new(), None);
        for tag in self.tags.clone() {
            match self.look_at(&tag, before).await {
                Ok(changed) => found.extend(changed),
                Err(Trouble::Any(error)) => return Err(error),
                Err(Trouble::Tag(error)) => {
                    self.skip(&tag, &error, before);
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            // Not a tag is broken then, but the registry.
            Some(error) if self.broken.len() == self.tags.len() => Err(error.into()),
            _ => {
                found.sort_by(|one, other| (one.created, &one.tag).cmp(&(other.created, &other.tag)));
                Ok(found)
            }
        }
    }

    async fn look_at(&mut self, tag: &str, before: &Before) -> Result<Option<Changed>, Trouble> {
        let Tags { context, image, .. } = self.of;
        let Some(digest) = context.registries.peek(image, tag).await? else { return Ok(None) };
        let seen = context.ledger.seen_tag(image, tag).await.context("reading what a tag stood for")?;
        match (seen, before.looked_at(tag)) {
            (Some(seen), _) if seen.digest == digest => Ok(None),
            (None, None) => {
                self.report.noted.push(tag.to_owned());
                self.note(tag, &digest, 0).await?;
                Ok(None)
            }
            (seen, looked) => self.change(tag, seen, looked).await,
        }
    }

    async fn change(
        &self,
        tag: &str,
        seen: Option<SeenTag>,
        looked: Option<Timestamp>,
    ) -> Result<Option<Changed>, Trouble> {
        let Tags { context, image, .. } = self.of;
        let Some(resolved) = context.registries.resolve(image, tag).await? else { return Ok(None) };
        let changes = seen.as_ref().map_or(0, |seen| seen.changes + 1);
        let since = looked.into_iter().chain(seen.map(|seen| seen.seen_at)).max().unwrap_or_else(Timestamp::now);
        let (tag, digest, created) = (tag.to_owned(), resolved.digest, resolved.created);
        Ok(Some(Changed { tag, digest, changes, created, since }))
    }

    /// Goes on without a tag. The next look takes it up from when this one was last looked at, so that what is told of
    /// others until then still counts as told meanwhile.
    fn skip(&mut self, tag: &str, error: &OciError, before: &Before) {
        let image = &self.of.image;
        tracing::warn!(%image, tag, "{image}: `{tag}` is skipped, and looked at again next time: {error}");
        self.of.metrics.skipped();
        self.report.broken.push(format!("{tag}: {error}"));
        self.broken.insert(tag.to_owned(), before.looked_at(tag));
    }

    async fn settle(&mut self, changed: Changed, fate: Fate) -> Result<()> {
        match fate {
            Fate::Told => {}
            Fate::Unclear(other) => {
                self.leave_alone(&changed, &other).await?;
                self.report.unclear.push(changed.tag.clone());
            }
            Fate::Tell => {
                self.tell(&changed).await?;
                self.report.told.push(changed.tag.clone());
            }
        }
        self.note(&changed.tag, &changed.digest, changed.changes).await
    }

    async fn leave_alone(&self, changed: &Changed, other: &str) -> Result<()> {
        let Tags { context, app, .. } = self.of;
        let reason = format!(
            "{} was pushed, and nobody told of it; `{other}` was told of meanwhile, and nothing says which is newer, so \
             it is left alone; push it again if it is",
            self.shown(changed)
        );
        tracing::warn!("{reason}");
        if self.mode.dry_run {
            return Ok(());
        }
        let (of, time) = (self.id(changed), changed.since);
        record(context, vec![LeftAlone { of, app: Some(app), worker: WorkerName::Bumper, time, reason }]).await
    }

    /// Publishes before it is noted: whoever dies in between tells the same under the same id.
    async fn tell(&self, changed: &Changed) -> Result<()> {
        if self.mode.dry_run {
            return Ok(());
        }
        let Tags { context, app, component, image, metrics, .. } = self.of;
        tracing::info!("{} was pushed, and nobody told of it", self.shown(changed));
        let Changed { tag, digest, since, .. } = changed;
        let pushed = ImagePushed {
            app: app.clone(),
            component: component.clone(),
            image: image.clone(),
            tag: Some(tag.clone()),
            digest: Some(digest.clone()),
        };
        let subject = format!("{component}:{tag}@{digest}");
        // It happened after this, nobody knows when; what is known to have happened later is later.
        let event = Event::first(self.id(changed), SOURCE.to_owned(), subject, *since, pushed);
        context.bus.publish(&[event.to_message()]).await.context("telling of a tag")?;
        metrics.changed();
        Ok(())
    }

    fn id(&self, changed: &Changed) -> EventId {
        EventId::of_tag(&self.of.image, &changed.tag, &changed.digest, changed.changes)
    }

    fn shown(&self, changed: &Changed) -> String {
        format!("{}:{} ({})", self.of.image, changed.tag, changed.digest.short())
    }

    async fn note(&self, tag: &str, digest: &Digest, changes: u32) -> Result<()> {
        if self.mode.dry_run {
            return Ok(());
        }
        let noted = self.of.context.ledger.see_tag(&self.of.image, tag, digest, changes).await;
        noted.context("writing down what a tag stands for")
    }
}
