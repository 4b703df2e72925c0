//! What operators order: `windlass approve`, `reject`, `hold`, `unhold`, `rollback`, `settle` and `quarantine`.

use anyhow::Result;
use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use operate::{
    Beginning, OperateError, find,
    order::{self, Order},
};
use proto::{AppName, EnvironmentName, EventId};
use runtime::Config;

use crate::{open, out};

/// The source of what is ordered here.
const SOURCE: &str = "/operators/cli";

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The app.
    app: AppName,
    /// The environment.
    environment: EnvironmentName,
    /// What to restore of what was healthy there: a tag, or a GitOps revision, a source commit, a digest or the id of an
    /// event about it (a bump, a sync, a verdict), or the beginning of one of these.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    word: Word,
}

/// The answer to a request for approval.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The approval's id, or its beginning; `windlass status` and the message that asked tell it.
    approval: Beginning,
    /// Who answers.
    #[arg(long = "as", env = "USER", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// A word about it.
    #[arg(long)]
    comment: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// The app.
    app: AppName,
    /// The environment.
    environment: EnvironmentName,
    #[command(flatten)]
    word: Word,
}

#[derive(Debug, Args)]
pub(crate) struct Settle {
    /// The app.
    app: AppName,
    /// The fix's source commit, or its beginning; `windlass status` tells it.
    commit: Beginning,
    #[command(flatten)]
    word: Word,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// Lists digests that must not be deployed, and why.
    List,
    /// Lets a digest be deployed again.
    Release {
        /// The app.
        app: AppName,
        /// The digest, or its beginning.
        digest: Beginning,
        #[command(flatten)]
        word: Word,
    },
}

/// Who orders it, and why: both are kept with the event.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// Who orders it.
    #[arg(long = "as", env = "USER", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why.
    #[arg(long)]
    reason: String,
}

impl TryFrom<Word> for order::Word {
    type Error = OperateError;

    fn try_from(word: Word) -> Result<Self, OperateError> {
        Self::new(&word.by, &word.reason)
    }
}

pub(crate) async fn rollback(asked: Rollback, config: Config) -> Result<()> {
    let Rollback { app, environment, mut to, word } = asked;
    find::environment(&config, &app, &environment)?;
    if let Some(to) = &mut to {
        *to = find::restorable(&open::ledger(&config).await?, &app, &environment, to).await?;
    }
    publish(&config, order::rollback(&config, app, environment, to, word.try_into()?)?).await
}

pub(crate) async fn hold(asked: Hold, config: Config, held: bool) -> Result<()> {
    let Hold { app, environment, word } = asked;
    publish(&config, order::hold(&config, app, environment, held, word.try_into()?)?).await
}

pub(crate) async fn answer(answer: Answer, config: Config, granted: bool) -> Result<()> {
    let Answer { approval, by, comment } = answer;
    let ledger = open::ledger(&config).await?;
    publish(&config, order::answer(&ledger, &approval, granted, by, comment).await?).await
}

pub(crate) async fn quarantine(verb: Quarantine, config: Config) -> Result<()> {
    let ledger = open::ledger(&config).await?;
    match verb {
        Quarantine::Release { app, digest, word } => {
            find::app(&config, &app)?;
            publish(&config, order::release(&ledger, app, &digest, word.try_into()?).await?).await
        }
        Quarantine::List => {
            for (app, chain) in ledger.chains().await? {
                for (digest, entry) in chain.barred {
                    out::line(format_args!("{app}  {digest}  since {:.0}: {}", entry.at, entry.reason))?;
                }
            }
            Ok(())
        }
    }
}

pub(crate) async fn settle(asked: Settle, config: Config) -> Result<()> {
    let Settle { app, commit, word } = asked;
    find::app(&config, &app)?;
    let ledger = open::ledger(&config).await?;
    publish(&config, order::settle(&ledger, app, &commit, word.try_into()?).await?).await
}

/// Publishes it; returns once it is durable.
async fn publish(config: &Config, order: Order) -> Result<()> {
    let event = order.into_event(SOURCE, EventId::fresh());
    let bus = open::bus(config).await?;
    order::publish(&bus, &event).await?;
    bus.close().await;
    out::line(format_args!("ordered; what comes of it: windlass events show {}", event.id))
}
