//! The history: what happened, the newest first, page by page.

use actix_web::{HttpResponse, web};
use ledger::{Outline, Recorded};
use maud::{Markup, html};
use operate::history::summary;
use proto::EventType;

use super::{
    Page,
    parts::{choice, event_link, older, text_field, time},
};
use crate::{desk::Desk, fault::Fault, fields::Fields, filters, visitor::Visitor};

/// The page.
pub(crate) async fn list(desk: web::Data<Desk>, visitor: Visitor, query: Fields) -> Result<HttpResponse, Fault> {
    let filter = filters::events(&desk, &query).await?;
    let events = desk.ledger.list_events(&filter).await?;
    let next = filters::last_of(&events, filter.limit).map(|last| last.seq.to_string());
    let apps: Vec<_> = desk.config.apps.keys().map(proto::AppName::as_str).collect();
    let body = html! {
        (filter_form(&query, &apps))
        @if events.is_empty() { p { "Nothing of that kind is recorded." } } @else { (table(&events)) }
        (older("/events", &query, next.as_deref()))
    };
    Ok(Page::of(&visitor, "Events").show(&body))
}

fn filter_form(query: &Fields, apps: &[&str]) -> Markup {
    let kinds: Vec<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    html! {
        form.filter method="get" action="/events" role="search" {
            (choice("type", "Type", &kinds, query.get("type")))
            (choice("app", "App", apps, query.get("app")))
            (text_field("since", "Since", "2h, or 2026-11-23T06:00:00Z", query.get("since")))
            (text_field("until", "Until", "30m", query.get("until")))
            (text_field("correlation", "Chain", "the id of its first event", query.get("correlation")))
            button type="submit" { "Filter" }
        }
    }
}

/// Events in lines, each with a link to its page.
pub(super) fn table(events: &[Recorded<Outline>]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Events" {
            table {
                thead { tr { th scope="col" { "Time" } th scope="col" { "Event" } th scope="col" { "Type" } th scope="col" { "App" } th scope="col" { "What happened" } } }
                tbody { @for event in events { (row(event)) } }
            }
        }
    }
}

fn row(recorded: &Recorded<Outline>) -> Markup {
    let message = &recorded.message;
    let at = message.attribute("time").parse().unwrap_or(recorded.recorded_at);
    html! {
        tr {
            td { (time(at)) }
            td { (event_link(message.attribute("id"))) }
            td { (message.attribute("type")) }
            td { (message.attribute("app")) }
            td { (summary(message)) }
        }
    }
}
