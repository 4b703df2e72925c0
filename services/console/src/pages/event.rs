//! One event: what it carries, who ran on it, and its whole chain.

use actix_web::{HttpResponse, web};
use ledger::{Recorded, Run};
use maud::{Markup, html};
use operate::{
    Beginning, OperateError, find,
    history::{Story, event_json, summary},
};
use proto::{Data, Event, EventId};

use super::{
    Page, events, may_order,
    parts::{attributes, time},
};
use crate::{desk::Desk, fault::Fault, fields::Fields, visitor::Visitor};

/// How much of a webhook's body is shown, in bytes.
const SHOWN: usize = 32 * 1024;
/// Clicks in Slack carry an address at which anybody may answer in the channel for half an hour.
const NOT_SHOWN: &str = "slack";

/// The page. Of an order that the recorder has not written down yet it says so, and looks again.
pub(crate) async fn page(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
    query: Fields,
) -> Result<HttpResponse, Fault> {
    let begins: Beginning = id.parse().map_err(Fault::Invalid)?;
    let found = match find::event(&desk.ledger, &begins).await {
        Err(OperateError::NotFound { .. }) if is_under_way(&id, &query) => return Ok(under_way(&visitor, &id)),
        other => other?,
    };
    let story = Story::of(&desk.ledger, found).await?;
    let message = &story.event.message;
    let id = message.attribute("id");
    let body = html! {
        p.summary { (summary(&story.event.outline().message)) }
        @if query.get("ordered").is_some() {
            p.good role="status" { "It is ordered. What comes of it stands in the chain below. " a href={ "/events/" (id) "?ordered=yes" } { "Look again" } }
        }
        @if may_order(&visitor) { p.actions { a.button href={ "/events/" (id) "/replay" } { "Replay" } } }
        h2 { "Attributes" }
        (attributes(&message.attributes))
        (carries(&story.event))
        h2 { "Runs" }
        (runs(&story.runs))
        h2 { "Chain" }
        @for cut in &story.cut {
            p.warn role="status" {
                "These are the newest " (cut.shown) " of " (cut.events) " events: "
                a href={ "/events?correlation=" (cut.correlation) } { "all of them, page by page" }
            }
        }
        (events::table(&story.chain))
    };
    let title = format!("{} {}", message.attribute("type"), id.get(..8).unwrap_or(id));
    Ok(Page::of(&visitor, title).show(&body))
}

fn is_under_way(id: &str, query: &Fields) -> bool {
    query.get("ordered").is_some() && id.parse::<EventId>().is_ok()
}

fn under_way(visitor: &Visitor, id: &str) -> HttpResponse {
    let body = html! {
        p role="status" { "It is ordered, and not in the history yet. This page looks again by itself." }
        p { a href={ "/events/" (id) "?ordered=yes" } { "Look again" } }
    };
    Page::of(visitor, "On its way").refreshing(2, None).show(&body)
}

/// What the event says, as data; of a webhook what its sender sent.
fn carries(recorded: &Recorded) -> Markup {
    let event = Event::from_message(&recorded.message);
    let json = serde_json::to_string_pretty(&event_json(&recorded.outline()).data).unwrap_or_default();
    let (heading, body) = match &event {
        Ok(Event { data: Data::WebhookReceived(webhook), .. }) if webhook.kind != NOT_SHOWN => {
            ("What was sent", Some(&webhook.body))
        }
        Ok(_) => ("", None),
        Err(_) => ("What cannot be read", Some(&recorded.message.body)),
    };
    html! {
        @if event.is_ok() { h2 { "Data" } pre tabindex="0" { (json) } }
        @if let Some(body) = body {
            h2 { (heading) }
            pre tabindex="0" { (String::from_utf8_lossy(&body[..body.len().min(SHOWN)])) }
            @if body.len() > SHOWN { p { "These are the first " (SHOWN) " of " (body.len()) " bytes." } }
        }
    }
}

fn runs(runs: &[Run]) -> Markup {
    html! {
        @if runs.is_empty() { p { "Nobody has run on it." } } @else {
            div.wide tabindex="0" role="region" aria-label="Runs" {
                table {
                    thead { tr { th scope="col" { "Worker" } th scope="col" { "State" } th scope="col" { "Began" } th scope="col" { "Ended" } th scope="col" { "Attempts" } th scope="col" { "Replay" } th scope="col" { "Outcomes" } th scope="col" { "Error" } } }
                    tbody {
                        @for run in runs {
                            tr {
                                td { (run.worker.as_str()) }
                                td { (state(run)) }
                                td { (time(run.started_at)) }
                                td { @if let Some(at) = run.finished_at { (time(at)) } }
                                td { (run.attempts) }
                                td { (run.replay) }
                                td { (run.outcomes) }
                                td { @if let Some(error) = &run.error { pre { (error) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(run: &Run) -> String {
    serde_json::to_value(run.state).ok().and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default()
}
