//! The one thing whose name begins so: none is an error that says where to look, and so are several.

use std::collections::BTreeSet;

use bumper::Restorable;
use ledger::{Barred, DeadFilter, EventFilter, Ledger, Outline, Owed, Recorded, StoredDeadLetter, Waiting};
use proto::{AppName, Data, Deployment, Digest, EnvironmentName, Event, EventId, Lane};
use runtime::{
    Config, config,
    names::{meant, there_are},
};

use crate::{Beginning, OperateError, Result, See};

/// How many replays of one event are looked past for another whose id begins alike.
const REPLAYS: u32 = 100;

/// Something that waits to be let into an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// What waits.
    pub waiting: Waiting,
}

/// The event whose id begins so, at its highest replay.
pub async fn event(ledger: &Ledger, begins: &Beginning) -> Result<Recorded> {
    let none = || (format!("no event begins with `{begins}`"), See::Events);
    if let Ok(whole) = begins.as_str().parse() {
        return there(ledger.event(whole).await?, none);
    }
    let filter = EventFilter { id_prefix: Some(begins.to_string()), limit: REPLAYS, ..EventFilter::default() };
    let mut found = ledger.list_events(&filter).await?;
    let mut seen = BTreeSet::new();
    found.retain(|recorded| seen.insert(recorded.message.attribute("id").to_owned()));
    let one = only(found, || format!("several events begin with `{begins}`; write more of the id"), none)?;
    there(ledger.event_at(one.seq).await?, none)
}

/// The dead letter whose id begins so, with all that it carries.
pub async fn letter(ledger: &Ledger, begins: &Beginning) -> Result<StoredDeadLetter> {
    let id = listed_letter(ledger, begins).await?.id;
    there(ledger.dead_letter(id).await?, || (format!("no dead letter begins with `{begins}`"), See::Dead))
}

/// The dead letter whose id begins so, as lists have it.
pub async fn listed_letter(ledger: &Ledger, begins: &Beginning) -> Result<StoredDeadLetter<Outline>> {
    let id_prefix = Some(begins.to_string());
    let filter = DeadFilter { id_prefix, with_replayed: true, limit: 2, ..DeadFilter::default() };
    only(
        ledger.dead_letters(&filter).await?,
        || format!("several dead letters begin with `{begins}`; write more of the id"),
        || (format!("no dead letter begins with `{begins}`"), See::Dead),
    )
}

/// What waits under an id that begins so.
pub async fn waiting(ledger: &Ledger, begins: &Beginning) -> Result<Asked> {
    let mut found = Vec::new();
    for (app, chain) in ledger.chains().await? {
        for (environment, place) in chain.places {
            let waiting = [Lane::Hotfix, Lane::Deploy].into_iter().filter_map(|lane| place.waiting(lane));
            let begins_so = |id: EventId| id.to_string().starts_with(begins.as_str());
            let named = waiting.filter(|waiting| begins_so(waiting.id) || begins_so(waiting.approval()));
            found.extend(named.cloned().map(|waiting| Asked {
                app: app.clone(),
                environment: environment.clone(),
                waiting,
            }));
        }
    }
    only(
        found,
        || format!("several approvals begin with `{begins}`; write more of the id"),
        || (format!("nothing waits under an id that begins with `{begins}`"), See::Status(None)),
    )
}

/// The digest that must not be deployed and begins so, and why.
pub async fn barred(ledger: &Ledger, app: &AppName, begins: &Beginning) -> Result<(Digest, Barred)> {
    let (_, chain) = ledger.chain(app).await?;
    let begins_so = |digest: &Digest| digest.as_str()["sha256:".len()..].starts_with(begins.digits());
    only(
        chain.barred.into_iter().filter(|(digest, _)| begins_so(digest)).collect(),
        || format!("several quarantined digests of `{app}` begin with `{begins}`; write more of it"),
        || (format!("no digest of `{app}` in quarantine begins with `{begins}`"), See::Quarantine),
    )
}

/// The fix that no release without it may replace, be it owed to the deploy branches or not, and whose commit begins so.
pub async fn owed(ledger: &Ledger, app: &AppName, begins: &Beginning) -> Result<Owed> {
    let (_, chain) = ledger.chain(app).await?;
    only(
        chain.owed.into_iter().filter(|owed| owed.commit.as_str().starts_with(begins.as_str())).collect(),
        || format!("several fixes of `{app}` begin with `{begins}`; write more of the commit"),
        || (format!("no fix that `{app}` owes begins with `{begins}`"), See::Status(Some(app.clone()))),
    )
}

/// The app of this name in the configuration.
pub fn app<'a>(config: &'a Config, name: &AppName) -> Result<&'a config::App> {
    config.apps.get(name).ok_or_else(|| {
        let names: Vec<_> = config.apps.keys().map(AppName::as_str).collect();
        let says = format!(
            "there is no app `{name}` in the configuration{}; {}",
            meant(name.as_str(), &names),
            there_are(&names)
        );
        OperateError::NotFound { says, see: None }
    })
}

/// Makes sure that something is known of an app: one that is in no configuration any more has its history.
pub async fn known(ledger: &Ledger, config: &Config, name: &AppName) -> Result<()> {
    let filter = EventFilter { app: Some(name.clone()), limit: 1, ..EventFilter::default() };
    if !config.apps.contains_key(name) && ledger.list_events(&filter).await?.is_empty() {
        app(config, name)?;
    }
    Ok(())
}

/// What an environment can be taken back to, or could if it were not barred, the last first.
pub async fn all_restorable(ledger: &Ledger, app: &AppName, environment: &EnvironmentName) -> Result<Vec<Restorable>> {
    Ok(bumper::restorable(ledger, app, environment).await?)
}

/// By what to name something that was healthy in an environment and has this tag, or a revision, commit or digest that
/// begins so, or is what an event is about whose id begins so: by itself, or of an event by its revision.
pub async fn restorable(ledger: &Ledger, app: &AppName, environment: &EnvironmentName, to: &str) -> Result<String> {
    let Some(says) = bumper::why_not_restored(ledger, app, environment, to).await? else { return Ok(to.to_owned()) };
    if let Some(deployment) = deployed_in(ledger, to).await?
        && (&deployment.app, &deployment.environment) == (app, environment)
        && bumper::why_not_restored(ledger, app, environment, deployment.revision.as_str()).await?.is_none()
    {
        return Ok(deployment.revision.to_string());
    }
    Err(OperateError::NotFound { says, see: None })
}

/// The deployment that the event is about whose id begins so, if there is one and it is about one.
async fn deployed_in(ledger: &Ledger, begins: &str) -> Result<Option<Deployment>> {
    let Ok(begins) = begins.parse::<Beginning>() else { return Ok(None) };
    let recorded = match event(ledger, &begins).await {
        Err(OperateError::NotFound { .. }) => return Ok(None),
        found => found?,
    };
    Ok(match Event::from_message(&recorded.message).map(|event| event.data) {
        Ok(Data::ManifestBumped(it)) => Some(it.deployment),
        Ok(Data::SyncFinished(it)) => Some(it.deployment),
        Ok(Data::HealthReported(it)) => Some(it.deployment),
        _ => None,
    })
}

/// The environment of this name in the configuration.
pub fn environment<'a>(config: &'a Config, of: &AppName, name: &EnvironmentName) -> Result<&'a config::Environment> {
    let environments = &app(config, of)?.environments;
    environments.get(name).ok_or_else(|| {
        let names: Vec<_> = environments.keys().map(EnvironmentName::as_str).collect();
        let says = format!("`{of}` has no environment `{name}`{}; {}", meant(name.as_str(), &names), there_are(&names));
        OperateError::NotFound { says, see: None }
    })
}

fn only<T>(mut found: Vec<T>, several: impl FnOnce() -> String, none: impl FnOnce() -> (String, See)) -> Result<T> {
    if found.len() > 1 {
        return Err(OperateError::Ambiguous(several()));
    }
    there(found.pop(), none)
}

fn there<T>(found: Option<T>, none: impl FnOnce() -> (String, See)) -> Result<T> {
    found.ok_or_else(|| {
        let (says, see) = none();
        OperateError::NotFound { says, see: Some(see) }
    })
}
