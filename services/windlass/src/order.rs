//! What operators order: `windlass approve`, `reject`, `hold`, `unhold`, `rollback`, `settle` and `quarantine`. An order is
//! an event like any other, so it is recorded with who and why, and survives whatever is away just then.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use jiff::Timestamp;
use proto::{
    AppName, ApprovalGranted, ApprovalRejected, Data, EnvironmentName, Event, EventId, FixSettled, HoldChanged, Lane,
    QuarantineReleased, RollbackRequested,
};
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
    /// What to restore of what was healthy there: a GitOps revision, a source commit or a digest, or its beginning.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    word: Word,
}

/// The answer to a request for approval.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The approval's id, or its beginning; `windlass status` and the message that asked tell it.
    #[arg(value_parser = open::beginning)]
    approval: String,
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
    #[arg(value_parser = open::beginning)]
    commit: String,
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
        #[arg(value_parser = open::beginning)]
        digest: String,
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
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    reason: String,
}

pub(crate) async fn rollback(asked: Rollback, config: Config) -> Result<()> {
    let Rollback { app, environment, to, word } = asked;
    ensure_known(&config, &app, &environment)?;
    let subject = environment.to_string();
    order(&config, subject, RollbackRequested { app, environment, to, by: word.by, reason: word.reason }).await
}

pub(crate) async fn hold(asked: Hold, config: Config, held: bool) -> Result<()> {
    let Hold { app, environment, word } = asked;
    ensure_known(&config, &app, &environment)?;
    let subject = environment.to_string();
    order(&config, subject, HoldChanged { app, environment, held, by: word.by, reason: word.reason }).await
}

pub(crate) async fn answer(answer: Answer, config: Config, granted: bool) -> Result<()> {
    let Answer { approval: wanted, by, comment } = answer;
    let ledger = open::ledger(&config).await?;
    let chains = ledger.chains().await?;
    let places =
        chains.iter().flat_map(|(app, chain)| chain.places.iter().map(move |(name, place)| (app, name, place)));
    let waiting = places.flat_map(|(app, name, place)| {
        let lanes = [Lane::Hotfix, Lane::Deploy];
        lanes.into_iter().filter_map(move |lane| Some((app, name, place.waiting(lane)?)))
    });
    let found: Vec<_> = waiting.filter(|(.., waiting)| waiting.id.to_string().starts_with(&wanted)).collect();
    ensure!(found.len() < 2, "several approvals begin with `{wanted}`; write more of the id");
    let (app, environment, waiting) = found
        .first()
        .with_context(|| format!("nothing waits under an id that begins with `{wanted}`; see `windlass status`"))?;
    let (app, environment, approval) = ((*app).clone(), (*environment).clone(), waiting.id);
    let subject = format!("{approval} by {by}");
    let data = if granted {
        Data::from(ApprovalGranted { approval, app, environment, by, comment })
    } else {
        Data::from(ApprovalRejected { approval, app, environment, by, comment })
    };
    // An answer belongs to the chain of what waits.
    let recorded = ledger.event(approval).await?;
    let asked = recorded.and_then(|recorded| Event::from_message(&recorded.message).ok());
    let event = match asked {
        Some(asked) => asked.outcome(SOURCE.to_owned(), subject, Timestamp::now(), data),
        None => Event::first(EventId::fresh(), SOURCE.to_owned(), subject, Timestamp::now(), data),
    };
    publish(&config, &event).await
}

pub(crate) async fn quarantine(verb: Quarantine, config: Config) -> Result<()> {
    let chains = open::ledger(&config).await?.chains().await?;
    let Quarantine::Release { app, digest, word } = verb else {
        for (app, chain) in chains {
            for (digest, entry) in chain.barred {
                out::line(format_args!("{app}  {digest}  since {:.0}: {}", entry.at, entry.reason))?;
            }
        }
        return Ok(());
    };
    let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
    let barred = chains.get(&app).into_iter().flat_map(|chain| chain.barred.keys());
    let found: Vec<_> = barred.filter(|digest| digest.as_str()["sha256:".len()..].starts_with(hex)).collect();
    ensure!(found.len() < 2, "several quarantined digests of `{app}` begin with `{digest}`; write more of it");
    let entry = found.first().with_context(|| {
        format!("no digest of `{app}` in quarantine begins with `{digest}`; see `windlass quarantine list`")
    })?;
    let digest = (*entry).clone();
    order(&config, digest.to_string(), QuarantineReleased { app, digest, by: word.by, reason: word.reason }).await
}

pub(crate) async fn settle(asked: Settle, config: Config) -> Result<()> {
    let Settle { app, commit: wanted, word } = asked;
    let chains = open::ledger(&config).await?.chains().await?;
    let owed = chains.get(&app).into_iter().flat_map(|chain| &chain.owed);
    let found: Vec<_> = owed.filter(|owed| owed.commit.as_str().starts_with(&wanted)).collect();
    ensure!(found.len() < 2, "several fixes of `{app}` begin with `{wanted}`; write more of the commit");
    let owed = found
        .first()
        .with_context(|| format!("no fix that `{app}` owes begins with `{wanted}`; see `windlass status {app}`"))?;
    let (commit, note) = (owed.commit.clone(), owed.note.clone());
    order(&config, commit.to_string(), FixSettled { app, commit, note, by: word.by, reason: word.reason }).await
}

fn ensure_known(config: &Config, app: &AppName, environment: &EnvironmentName) -> Result<()> {
    let known = config.apps.get(app).with_context(|| format!("no app `{app}` is configured"))?;
    ensure!(known.environments.contains_key(environment), "`{app}` has no environment `{environment}`");
    Ok(())
}

/// Publishes an order that begins a chain of its own.
async fn order(config: &Config, subject: String, data: impl Into<Data>) -> Result<()> {
    publish(config, &Event::first(EventId::fresh(), SOURCE.to_owned(), subject, Timestamp::now(), data)).await
}

/// Publishes it; returns once it is durable.
async fn publish(config: &Config, event: &Event) -> Result<()> {
    let bus = open::bus(config).await?;
    bus.publish(&[event.to_message()]).await.context("publishing the order; nothing was ordered")?;
    bus.close().await;
    out::line(format_args!("ordered; what comes of it: windlass events show {}", event.id))
}
