//! Registries that send no webhooks, or send them at best effort: what followed tags stand for is looked at, and what
//! changed without anybody telling is told, as the normalizer tells of a registry's webhook.
//!
//! What a tag stands for when it is first seen is only noted, unless it is known not to have been there before: it was
//! pushed nobody knows when. So is what somebody has told of under a tag that the same environments follow, or what was
//! deployed since the last look; else a look would undo what people have put back meanwhile.

mod before;
mod followed;
mod heard;
mod look;

use std::time::Duration;

use anyhow::Result;
use ledger::Swept;
use proto::{AppName, ComponentName, ImageName, Timestamp};
use runtime::{Config, Context, config::App};

use crate::{
    Mode, Watched,
    metrics::{Metrics, Of},
    report::TagsReport,
};
use before::{Before, Left};
use followed::{Chosen, Followed};
use look::Look;

/// A component whose tags are looked at.
pub(crate) struct Polled<'a> {
    name: &'a AppName,
    app: &'a App,
    component: &'a ComponentName,
    image: &'a ImageName,
    every: Duration,
}

/// The followed tags of one component.
pub(crate) struct Tags {
    context: Context,
    app: AppName,
    component: ComponentName,
    image: ImageName,
    watched: Watched,
    pub(crate) metrics: Of,
}

/// What a look came to.
pub(crate) struct Looked {
    pub(crate) report: TagsReport,
    /// When it began, by the ledger's clock.
    pub(crate) begun: Timestamp,
    /// What it leaves for the next.
    pub(crate) left: String,
}

/// Every component whose image is in a registry that is polled, and that any environment follows.
pub(crate) fn polled(config: &Config) -> impl Iterator<Item = Polled<'_>> {
    let followed = config.apps.iter().filter(|(_, app)| !app.environments.is_empty());
    followed.flat_map(move |(name, app)| {
        app.components.iter().filter_map(move |(component, c)| {
            let every = config.registries.get(c.image.registry())?.poll?;
            Some(Polled { name, app, component, image: &c.image, every })
        })
    })
}

impl Polled<'_> {
    /// As others know it: under another name in the ledger once other tags are followed.
    pub(crate) fn watched(&self) -> Watched {
        let mark = Followed::new(self.app, self.component).mark();
        Watched { name: self.image.to_string(), target: format!("{} {mark}", self.image), every: self.every }
    }
}

impl Tags {
    /// Those of every component that is polled.
    pub(crate) fn all(context: &Context, metrics: &Metrics) -> Vec<Self> {
        let tags = |polled: Polled<'_>| Self {
            context: context.clone(),
            app: polled.name.clone(),
            component: polled.component.clone(),
            image: polled.image.clone(),
            watched: polled.watched(),
            metrics: metrics.of(polled.image.registry()),
        };
        polled(&context.config).map(tags).collect()
    }

    /// Its name for people.
    pub(crate) fn name(&self) -> String {
        self.watched.name.clone()
    }

    /// Its name in the ledger.
    pub(crate) fn target(&self) -> String {
        self.watched.target.clone()
    }

    pub(crate) fn every(&self) -> Duration {
        self.watched.every
    }

    /// Looks once, given how far the last look came.
    pub(crate) async fn sweep(&self, swept: Option<Swept>, mode: Mode) -> Result<Looked> {
        let begun = self.context.ledger.now().await?;
        let app = &self.context.config.apps[&self.app];
        let followed = Followed::new(app, &self.component);
        let registries = &self.context.registries;
        let listed = if followed.needs_list() { registries.tags(&self.image).await? } else { Vec::new() };
        let chosen = followed.choose(&listed);
        let left_out = chosen.left_out;
        if left_out > 0 {
            let (image, key) = (&self.image, format!("apps.{}.components.{}", self.app, self.component));
            tracing::warn!(%image, left_out, "{image}: {left_out} of the tags that are followed are not looked at, for there \
                are too many; give the `tags` of `{key}` an `order`, or follow fewer");
        }
        let Chosen { tags, .. } = chosen;
        let mut look = Look::new(self, &followed, tags, left_out, mode);
        look.run(&Before::from(swept)).await?;
        let Look { report, tags, left, .. } = look;
        let left = Left { only: (left_out > 0).then_some(tags), ..left };
        Ok(Looked { report, begun, left: left.to_text() })
    }
}
