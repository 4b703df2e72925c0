//! What was asked of people: what is to go where, what speaks for it, and who has answered what.

use ledger::{EventFilter, Ledger, Waiting};
use proto::{
    AppName, ApprovalAnswered, ApprovalRequested, Data, EnvironmentName, Event, EventId, EventType, Lane, Release,
    ReleaseWaiting,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Beginning, OperateError, Result, See, find};

/// How many answers to what waits in an app are looked at.
const ANSWERS: u32 = 1000;

/// A release that waits for people, or did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Approval {
    /// What an answer names.
    pub id: EventId,
    /// The app.
    pub app: AppName,
    /// Where it is to go.
    pub environment: EnvironmentName,
    /// What is to go there.
    pub release: Release,
    /// Whether it takes the fast path.
    pub lane: Lane,
    /// Whether it waits now.
    pub waits: bool,
    /// Who has let it in so far, while it waits.
    pub granted: Vec<String>,
    /// Why it waits no more, as far as that is known.
    pub ended: Option<String>,
    /// What people were asked, with what it is to replace and what speaks for it; absent while nobody was.
    pub asked: Option<ApprovalRequested>,
    /// What became of each answer, the oldest first.
    pub answers: Vec<ApprovalAnswered>,
}

impl Approval {
    /// The one whose id begins so.
    pub async fn of(ledger: &Ledger, begins: &Beginning) -> Result<Self> {
        let (id, waiting) = named(ledger, begins).await?;
        let ReleaseWaiting { app, environment, release, lane, .. } = waiting;
        let (_, chain) = ledger.chain(&app).await?;
        let place = chain.place(&environment);
        let waits = place.and_then(|place| place.waiting(lane)).filter(|waiting| waiting.is_named(id));
        let id = waits.map_or(id, Waiting::approval);
        Ok(Self {
            waits: waits.is_some(),
            granted: waits.iter().flat_map(|waiting| waiting.granted.keys().cloned()).collect(),
            ended: place.and_then(|place| place.why_ended(id)).map(ToOwned::to_owned),
            asked: asked(ledger, &app, id).await?,
            answers: answers(ledger, &app, id).await?,
            id,
            app,
            environment,
            release,
            lane,
        })
    }
}

/// What waits, or did, under an id that begins so: the id of the wait itself, or of the request that people saw.
async fn named(ledger: &Ledger, begins: &Beginning) -> Result<(EventId, ReleaseWaiting)> {
    let named = read(&find::event(ledger, begins).await?.message);
    let asks = match named {
        Some(Event { data: Data::ApprovalRequested(asked), .. }) => {
            ledger.event(asked.approval).await?.and_then(|recorded| read(&recorded.message))
        }
        other => other,
    };
    match asks {
        Some(Event { id, data: Data::ReleaseWaiting(waiting), .. }) => Ok((id, waiting)),
        _ => Err(OperateError::NotFound {
            says: format!("`{begins}` is not what a release waits under"),
            see: Some(See::Status(None)),
        }),
    }
}

async fn asked(ledger: &Ledger, app: &AppName, approval: EventId) -> Result<Option<ApprovalRequested>> {
    let found = events(ledger, app, EventType::ApprovalRequested).await?.into_iter().find_map(|data| match data {
        Data::ApprovalRequested(asked) if asked.approval == approval => Some(asked),
        _ => None,
    });
    Ok(found)
}

async fn answers(ledger: &Ledger, app: &AppName, approval: EventId) -> Result<Vec<ApprovalAnswered>> {
    let mut found: Vec<_> = events(ledger, app, EventType::ApprovalAnswered)
        .await?
        .into_iter()
        .filter_map(|data| match data {
            Data::ApprovalAnswered(answer) if answer.approval == approval => Some(answer),
            _ => None,
        })
        .collect();
    found.reverse();
    Ok(found)
}

/// The last events of a type, the newest first.
async fn events(ledger: &Ledger, app: &AppName, kind: EventType) -> Result<Vec<Data>> {
    let filter = EventFilter { kind: Some(kind), app: Some(app.clone()), limit: ANSWERS, ..EventFilter::default() };
    let recorded = ledger.events(&filter).await?;
    Ok(recorded.iter().filter_map(|recorded| read(&recorded.message)).map(|event| event.data).collect())
}

fn read(message: &proto::Message) -> Option<Event> {
    Event::from_message(message).ok()
}
