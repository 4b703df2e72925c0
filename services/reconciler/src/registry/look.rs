//! One look at a component's tags: what changed since the last, and what becomes of each change.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use ledger::SeenTag;
use proto::{Digest, Event, EventId, ImagePushed, Timestamp, WorkerName};
use runtime::oci::OciError;

use super::{Before, Followed, Left, Tags, heard::Heard};
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
    /// What it leaves for the next, but for which tags it looked at.
    pub(super) left: Left,
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
    /// It is left alone: by these words, what another tag stands for is newer, or may be.
    Unclear(String),
}

/// Why a tag is not looked at.
enum Trouble {
    /// There is something wrong with it; others may be sound.
    Tag(OciError),
    /// The registry was asked too often; what was learnt before that is good.
    Enough(OciError),
    /// The same would come of any other.
    Any(anyhow::Error),
}

impl From<OciError> for Trouble {
    fn from(error: OciError) -> Self {
        match error {
            OciError::Lies { .. } | OciError::Malformed { .. } | OciError::Status { .. } => Self::Tag(error),
            OciError::Unreachable { .. } | OciError::Blocked { .. } | OciError::Refused { .. } => {
                Self::Any(error.into())
            }
            OciError::RateLimited { .. } => Self::Enough(error),
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
        Self { of, followed, mode, tags, left: Left::default(), report }
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
            let later =
                |(tag, made): &(&String, &Timestamp)| open(tag) && changed.created.is_some_and(|own| own < **made);
            let told_later = before.left.told.iter().filter(|(tag, _)| **tag != changed.tag).find(later);
            let fate = match heard.other_since(changed.since, &changed.digest, others) {
                _ if heard.knows(&changed.digest, changed.since, enough) => Fate::Told,
                Some(other) => {
                    Fate::Unclear(format!("`{other}` was told of meanwhile, and nothing says which is newer"))
                }
                // A look that came no further than to that one told of it.
                None => match told_later {
                    Some((other, _)) => Fate::Unclear(format!("`{other}` was made later, and has been told of")),
                    None => Fate::Tell,
                },
            };
            self.settle(changed, fate).await?;
        }
        Ok(())
    }

    /// What changed since the last look, in the order in which it was made as far as images say that.
    async fn changed(&mut self, before: &Before) -> Result<Vec<Changed>> {
        let (mut found, mut first, tags) = (Vec::new(), None, before.in_turn(&self.tags));
        for (n, tag) in tags.iter().enumerate() {
            match self.look_at(tag, before).await {
                Ok(changed) => found.extend(changed),
                Err(Trouble::Tag(error)) => {
                    self.skip(tag, &error, before);
                    first.get_or_insert(error);
                }
                Err(Trouble::Enough(error)) if n > 0 => {
                    self.end_at(&tags[n..], &error, before);
                    break;
                }
                Err(Trouble::Enough(error)) => return Err(error.into()),
                Err(Trouble::Any(error)) => return Err(error),
            }
        }
        match first {
            // Not a tag is broken then, but the registry.
            Some(error) if self.report.broken.len() == self.tags.len() => Err(error.into()),
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
        self.left.broken.insert(tag.to_owned(), before.looked_at(tag));
    }

    /// Leaves the rest to the next look, which begins with it.
    fn end_at(&mut self, rest: &[String], error: &OciError, before: &Before) {
        let (image, count) = (&self.of.image, rest.len());
        tracing::warn!(%image, "{image}: {count} of its tags are looked at next time, and first: {error}");
        self.report.not_reached = count;
        self.left.broken.extend(rest.iter().map(|tag| (tag.clone(), before.looked_at(tag))));
        self.left.from = rest.first().cloned();
        self.left.told.clone_from(&before.left.told);
    }

    async fn settle(&mut self, changed: Changed, fate: Fate) -> Result<()> {
        match fate {
            Fate::Told => {}
            Fate::Unclear(why) => {
                self.leave_alone(&changed, &why).await?;
                self.report.unclear.push(changed.tag.clone());
            }
            Fate::Tell => {
                self.tell(&changed).await?;
                self.report.told.push(changed.tag.clone());
                if self.left.from.is_some() {
                    self.left.told.extend(changed.created.map(|made| (changed.tag.clone(), made)));
                }
            }
        }
        self.note(&changed.tag, &changed.digest, changed.changes).await
    }

    async fn leave_alone(&self, changed: &Changed, why: &str) -> Result<()> {
        let Tags { context, app, .. } = self.of;
        let reason = format!(
            "{} was pushed, and nobody told of it; {why}, so it is left alone; push it again if it is newer",
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
