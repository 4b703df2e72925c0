//! What could not be handled, with its cause; and which of it is to be replayed.

use actix_web::{HttpResponse, web};
use ledger::{Outline, StoredDeadLetter};
use maud::{Markup, html};
use operate::{Beginning, find, history::summary};
use proto::WorkerName;

use super::{
    Page, form, may_order,
    parts::{attributes, choice, event_link, older, text_field, time},
};
use crate::{desk::Desk, fault::Fault, fields::Fields, filters, visitor::Visitor};

/// The page.
pub(crate) async fn list(desk: web::Data<Desk>, visitor: Visitor, query: Fields) -> Result<HttpResponse, Fault> {
    let filter = filters::dead(&query)?;
    let letters = desk.ledger.dead_letters(&filter).await?;
    let next = filters::last_of(&letters, filter.limit).map(|last| last.id.to_string());
    let orders = may_order(&visitor);
    let body = html! {
        (filter_form(&query))
        @if letters.is_empty() {
            p { "There are no such dead letters." }
        } @else if orders {
            (form(&visitor, "/dead/replay", &html! {
                (table(&letters, true))
                p.actions { button type="submit" { "Replay the selected" } " (shows first what would be done)" }
            }))
        } @else {
            (table(&letters, false))
        }
        (older("/dead", &query, next.as_deref()))
    };
    Ok(Page::of(&visitor, "Dead letters").show(&body))
}

fn filter_form(query: &Fields) -> Markup {
    let workers: Vec<_> = WorkerName::ALL.iter().map(|worker| worker.as_str()).collect();
    html! {
        form.filter method="get" action="/dead" role="search" {
            (choice("worker", "Worker", &workers, query.get("worker")))
            (text_field("text", "Error", "words of the reason", query.get("text")))
            (text_field("since", "Since", "2h, or 2026-11-23T06:00:00Z", query.get("since")))
            (text_field("until", "Until", "30m", query.get("until")))
            label.check {
                input type="checkbox" name="with_replayed" value="true" checked[query.get("with_replayed") == Some("true")];
                span { "With those that were replayed" }
            }
            button type="submit" { "Filter" }
        }
    }
}

fn table(letters: &[StoredDeadLetter<Outline>], selects: bool) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Dead letters" {
            table {
                thead {
                    tr {
                        @if selects { th scope="col" { "Select" } }
                        th scope="col" { "Given up" } th scope="col" { "Letter" } th scope="col" { "Worker" }
                        th scope="col" { "Type" } th scope="col" { "Attempts" } th scope="col" { "Reason" }
                    }
                }
                tbody { @for letter in letters { (row(letter, selects)) } }
            }
        }
    }
}

fn row(stored: &StoredDeadLetter<Outline>, selects: bool) -> Markup {
    let (letter, id) = (&stored.letter, stored.id.to_string());
    html! {
        tr {
            @if selects { td { input type="checkbox" name="id" value=(id) aria-label={ "Select " (id[..8]) }; } }
            td { (time(letter.parked_at)) }
            td { a href={ "/dead/" (id) } { code { (id[..8]) } } @if stored.replayed_at.is_some() { " replayed" } }
            td { (worker(stored)) }
            td { (letter.message.attribute("type")) }
            td { (letter.attempts) }
            td { (letter.reason.lines().next().unwrap_or_default()) }
        }
    }
}

/// Whose queue it came from.
pub(super) fn worker(stored: &StoredDeadLetter<Outline>) -> &'static str {
    stored.letter.worker.map_or("no queue", WorkerName::as_str)
}

/// One dead letter: its cause, and what it carries.
pub(crate) async fn page(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, Fault> {
    let begins: Beginning = id.parse().map_err(Fault::Invalid)?;
    let stored = find::letter(&desk.ledger, &begins).await?.outline();
    let (letter, id) = (&stored.letter, stored.id.to_string());
    let body = html! {
        @if let Some(at) = stored.replayed_at {
            p.good role="status" { "Replayed " (time(at)) @if let Some(by) = &stored.replayed_by { " by " (by) } "." }
        }
        dl {
            div { dt { "Worker" } dd { (worker(&stored)) } }
            div { dt { "Given up" } dd { (time(letter.parked_at)) " after " (letter.attempts) " attempts" } }
            div { dt { "Event" } dd { (event_link(letter.message.attribute("id"))) " " (summary(&letter.message)) } }
        }
        h2 { "Reason" }
        pre tabindex="0" { (letter.reason) }
        h2 { "Attributes" }
        (attributes(&letter.message.attributes))
        @if may_order(&visitor) {
            (form(&visitor, "/dead/replay", &html! {
                input type="hidden" name="id" value=(id);
                p { "Once its cause is mended:" }
                p.actions { button type="submit" { "Replay" } " (shows first what would be done)" }
            }))
        }
    };
    Ok(Page::of(&visitor, format!("Dead letter {}", &id[..8])).show(&body))
}
