//! What there is to order. An order is answered once it is durable; what comes of it is told by its event.

use std::fmt::Display;

use actix_web::{HttpRequest, HttpResponse, web};
use operate::{
    Beginning, find,
    history::{LetterJson, letter_json},
};
use proto::{AppName, EnvironmentName, EventId, WorkerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::beginning;
use crate::{
    desk::Desk,
    fault::Fault,
    orders::{Asked, OfEnvironment, within},
    visitor::{Sent, Visitor},
};

/// The header under whose value an order is one, however often it is sent (draft-ietf-httpapi-idempotency-key-header).
pub(super) const KEY: &str = "idempotency-key";
/// The longest such value, in bytes.
pub(super) const LONGEST_KEY: usize = 200;

/// The body of an order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why; it is kept with the order.
    reason: String,
}

/// The body of an order about an environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderThere {
    /// Why; it is kept with the order.
    reason: String,
    /// Of a rollback: a GitOps revision, a source commit or a digest that was healthy there, or the beginning of one; what
    /// was last healthy there unless said.
    #[serde(default)]
    to: Option<String>,
}

/// The body of an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Comment {
    /// Words that are kept with the answer.
    #[serde(default)]
    comment: Option<String>,
}

/// The body of a replay of an event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayOne {
    /// To this worker alone; to every worker that hears it unless said.
    #[serde(default)]
    worker: Option<WorkerName>,
    /// Only while it was not replayed more often than that.
    #[serde(default)]
    replays: Option<u32>,
    /// Only says what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// The body of a replay of dead letters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayMany {
    /// Which: their ids, or the beginnings of them; at most 100.
    ids: Vec<String>,
    /// Only says what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// An order that is durable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Ordered {
    /// Its event, whose chain tells what comes of it.
    event: EventId,
    /// Where that is told.
    see: String,
}

/// A replay of an event, or what it would be.
#[derive(Serialize, JsonSchema)]
pub(super) struct ReplayedOne {
    /// The event.
    event: String,
    /// The worker that it goes to; nobody in particular where all who hear it do.
    worker: Option<WorkerName>,
    /// Whether nothing was done.
    dry_run: bool,
    /// Where is told what comes of it.
    see: String,
}

/// A replay of dead letters, or what it would be.
#[derive(Serialize, JsonSchema)]
pub(super) struct ReplayedMany {
    /// The dead letters, the oldest first.
    dead_letters: Vec<LetterJson>,
    /// Whether nothing was done.
    dry_run: bool,
}

/// Lets what waits in, or keeps it out.
pub(crate) async fn answer(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let (approval, answer) = path.into_inner();
    let granted = match answer.as_str() {
        "approve" => true,
        "reject" => false,
        _ => return Err(Fault::NoSuchPage),
    };
    let Comment { comment } = sent.json()?;
    order(&desk, &visitor, &request, Asked::Answer { approval: beginning(&approval)?, granted, comment }).await
}

/// Holds an environment, lets it go, or takes it back.
pub(crate) async fn environment(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: web::Path<(AppName, EnvironmentName, String)>,
    request: HttpRequest,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let (app, environment, word) = path.into_inner();
    let what = OfEnvironment::named(&word)?;
    let OrderThere { reason, to } = sent.json()?;
    order(&desk, &visitor, &request, what.asked(app, environment, reason, to)?).await
}

/// Releases a digest from quarantine.
pub(crate) async fn digest(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: web::Path<(AppName, String)>,
    request: HttpRequest,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let ((app, digest), Reason { reason }) = (path.into_inner(), sent.json()?);
    order(&desk, &visitor, &request, Asked::Release { app, digest: beginning(&digest)?, reason }).await
}

/// Settles a fix.
pub(crate) async fn fix(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: web::Path<(AppName, String)>,
    request: HttpRequest,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let ((app, commit), Reason { reason }) = (path.into_inner(), sent.json()?);
    order(&desk, &visitor, &request, Asked::Settle { app, commit: beginning(&commit)?, reason }).await
}

async fn order(desk: &Desk, visitor: &Visitor, request: &HttpRequest, asked: Asked) -> Result<HttpResponse, Fault> {
    let key = key(request)?;
    let event = desk.order(visitor.operator(), asked, key.as_deref()).await?;
    Ok(HttpResponse::Accepted().json(Ordered { event, see: see(event) }))
}

fn see(event: impl Display) -> String {
    format!("/api/v1/events/{event}")
}

fn key(request: &HttpRequest) -> Result<Option<String>, Fault> {
    let Some(value) = request.headers().get(KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.trim().is_empty() && key.len() <= LONGEST_KEY);
    let wrong = || Fault::Invalid(format!("`{KEY}`: it is 1 to {LONGEST_KEY} visible characters"));
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

/// Sends an event on its way again.
pub(crate) async fn replay_event(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let ReplayOne { worker, replays, dry_run } = sent.json()?;
    let id = beginning(&id)?;
    let recorded = within(async { Ok(find::event(&desk.ledger, &id).await?) }).await?;
    let event = recorded.message.attribute("id").to_owned();
    let says = ReplayedOne { see: see(&event), event, worker, dry_run };
    if dry_run {
        return Ok(HttpResponse::Ok().json(says));
    }
    desk.replay_event(visitor.operator(), &recorded, worker, replays).await?;
    Ok(HttpResponse::Accepted().json(says))
}

/// Sends dead letters to their workers again.
pub(crate) async fn replay_letters(desk: web::Data<Desk>, visitor: Visitor, sent: Sent) -> Result<HttpResponse, Fault> {
    let ReplayMany { ids, dry_run } = sent.json()?;
    let ids = ids.iter().map(|id| beginning(id)).collect::<Result<Vec<Beginning>, _>>()?;
    let letters = desk.letters(&ids).await?;
    let says = ReplayedMany { dead_letters: letters.iter().map(letter_json).collect(), dry_run };
    if dry_run {
        return Ok(HttpResponse::Ok().json(says));
    }
    desk.replay_letters(visitor.operator(), &letters).await?;
    Ok(HttpResponse::Accepted().json(says))
}
