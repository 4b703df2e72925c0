//! What there is to see.

use actix_web::{HttpResponse, web};
use operate::{
    Beginning,
    approval::Approval,
    find,
    history::{Story, event_json, letter_json},
    status,
};
use proto::AppName;
use runtime::config::May;
use serde_json::{Value, json};

use crate::{desk::Desk, fault::Fault, fields::Fields, filters, visitor::Visitor};

/// Who asks.
pub(crate) async fn me(visitor: Visitor) -> HttpResponse {
    let operator = visitor.operator();
    let may = if operator.may == May::Order { "order" } else { "read" };
    HttpResponse::Ok().json(json!({ "name": operator.name, "may": may }))
}

/// How it stands with every app, or with one.
pub(crate) async fn status(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    query.only(&["app"])?;
    let app: Option<AppName> = query.parse("app")?;
    let apps = status::of(&desk.ledger, &desk.config, app.as_ref()).await?;
    Ok(HttpResponse::Ok().json(json!({ "apps": apps })))
}

/// Events, the newest first.
pub(crate) async fn events(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    let filter = filters::events(&desk, &query).await?;
    let events = desk.ledger.events(&filter).await?;
    let next = filters::last_of(&events, filter.limit).map(|last| last.seq);
    let events: Vec<Value> = events.iter().map(event_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "events": events, "before": next })))
}

/// One event, who ran on it, and its chain.
pub(crate) async fn event(desk: web::Data<Desk>, id: web::Path<String>) -> Result<HttpResponse, Fault> {
    let found = find::event(&desk.ledger, &beginning(&id)?).await?;
    Ok(HttpResponse::Ok().json(Story::of(&desk.ledger, found).await?.to_json()))
}

/// What waits for people.
pub(crate) async fn approvals(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    query.only(&[])?;
    let apps = status::of(&desk.ledger, &desk.config, None).await?;
    let mut waiting = Vec::new();
    for app in apps {
        for environment in app.environments {
            for waits in environment.waiting.iter().filter(|waits| waits.asks_people) {
                waiting.push(json!({ "app": app.app, "environment": environment.environment, "waits": waits }));
            }
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "approvals": waiting })))
}

/// What is asked of people, and who answered what.
pub(crate) async fn approval(desk: web::Data<Desk>, id: web::Path<String>) -> Result<HttpResponse, Fault> {
    Ok(HttpResponse::Ok().json(Approval::of(&desk.ledger, &beginning(&id)?).await?))
}

/// Dead letters, the newest first.
pub(crate) async fn dead(desk: web::Data<Desk>, query: Fields) -> Result<HttpResponse, Fault> {
    let filter = filters::dead(&query)?;
    let letters = desk.ledger.dead_letters(&filter).await?;
    let next = filters::last_of(&letters, filter.limit).map(|last| last.id);
    let letters: Vec<Value> = letters.iter().map(letter_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "dead_letters": letters, "before": next })))
}

/// One dead letter.
pub(crate) async fn letter(desk: web::Data<Desk>, id: web::Path<String>) -> Result<HttpResponse, Fault> {
    Ok(HttpResponse::Ok().json(letter_json(&find::letter(&desk.ledger, &beginning(&id)?).await?)))
}

/// The beginning of an id.
pub(super) fn beginning(text: &str) -> Result<Beginning, Fault> {
    text.parse().map_err(|why| Fault::Invalid(format!("`{text}`: {why}")))
}
