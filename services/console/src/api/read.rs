//! What there is to see.

use actix_web::{HttpResponse, web};
use operate::{
    Beginning,
    approval::Approval,
    find,
    history::{EventJson, LetterJson, Story, event_json, letter_json},
    status::{self, AppStatus, Waits},
};
use proto::{AppName, EnvironmentName};
use runtime::config::May;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{desk::Desk, fault::Fault, fields::Fields, filters, openapi::document, visitor::Visitor};

/// Who asks.
#[derive(Serialize, JsonSchema)]
pub(super) struct Me<'a> {
    /// What they are called in what they order.
    name: &'a str,
    /// What they may do.
    may: May,
}

/// How it stands.
#[derive(Serialize, JsonSchema)]
pub(super) struct Status {
    /// With each app that was asked for.
    apps: Vec<AppStatus>,
}

/// Events, the newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct Events {
    /// The events.
    events: Vec<EventJson>,
    /// What to ask for next as `before`; nothing where there are no more.
    before: Option<i64>,
}

/// What waits for people.
#[derive(Serialize, JsonSchema)]
pub(super) struct Approvals {
    /// Each release that waits for them.
    approvals: Vec<ForPeople>,
}

/// A release that waits for people.
#[derive(Serialize, JsonSchema)]
pub(super) struct ForPeople {
    /// Of which app.
    app: AppName,
    /// To go where.
    environment: EnvironmentName,
    /// What waits, and for what.
    waits: Waits,
}

/// Dead letters, the newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct DeadLetters {
    /// The dead letters.
    dead_letters: Vec<LetterJson>,
    /// What to ask for next as `before`; nothing where there are no more.
    before: Option<String>,
}

/// Who asks.
pub(crate) async fn me(visitor: Visitor) -> HttpResponse {
    let operator = visitor.operator();
    HttpResponse::Ok().json(Me { name: &operator.name, may: operator.may })
}

/// All that is asked and answered here, for programs that write programs.
pub(crate) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

/// How it stands with every app, or with one.
pub(crate) async fn status(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    let app: Option<AppName> = query.parse("app")?;
    let apps = status::of(&desk.ledger, &desk.config, app.as_ref()).await?;
    Ok(HttpResponse::Ok().json(Status { apps }))
}

/// Events, the newest first.
pub(crate) async fn events(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    let filter = filters::events(&desk, &query).await?;
    let events = desk.ledger.list_events(&filter).await?;
    let before = filters::last_of(&events, filter.limit).map(|last| last.seq);
    Ok(HttpResponse::Ok().json(Events { events: events.iter().map(event_json).collect(), before }))
}

/// One event, who ran on it, and its chain.
pub(crate) async fn event(desk: web::Data<Desk>, id: web::Path<String>) -> Result<HttpResponse, Fault> {
    let found = find::event(&desk.ledger, &beginning(&id)?).await?;
    Ok(HttpResponse::Ok().json(Story::of(&desk.ledger, found).await?.to_json()))
}

/// What waits for people.
pub(crate) async fn approvals(desk: web::Data<Desk>) -> Result<HttpResponse, Fault> {
    let mut approvals = Vec::new();
    for AppStatus { app, environments, .. } in status::of(&desk.ledger, &desk.config, None).await? {
        for place in environments {
            let waiting = place.waiting.into_iter().filter(|waits| waits.asks_people);
            let of = |waits| ForPeople { app: app.clone(), environment: place.environment.clone(), waits };
            approvals.extend(waiting.map(of));
        }
    }
    Ok(HttpResponse::Ok().json(Approvals { approvals }))
}

/// What is asked of people, and who answered what.
pub(crate) async fn approval(desk: web::Data<Desk>, id: web::Path<String>) -> Result<HttpResponse, Fault> {
    Ok(HttpResponse::Ok().json(Approval::of(&desk.ledger, &beginning(&id)?).await?))
}

/// Dead letters, the newest first.
pub(crate) async fn dead(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    let filter = filters::dead(&query)?;
    let letters = desk.ledger.dead_letters(&filter).await?;
    let before = filters::last_of(&letters, filter.limit).map(|last| last.id.to_string());
    Ok(HttpResponse::Ok().json(DeadLetters { dead_letters: letters.iter().map(letter_json).collect(), before }))
}

/// One dead letter.
pub(crate) async fn letter(desk: web::Data<Desk>, id: web::Path<String>) -> Result<HttpResponse, Fault> {
    let found = find::letter(&desk.ledger, &beginning(&id)?).await?;
    Ok(HttpResponse::Ok().json(letter_json(&found.outline())))
}

/// The beginning of an id.
pub(super) fn beginning(text: &str) -> Result<Beginning, Fault> {
    text.parse().map_err(|why| Fault::Invalid(format!("`{text}`: {why}")))
}
