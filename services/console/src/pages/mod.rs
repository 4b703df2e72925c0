//! Pages for people: HTML made here and nowhere else, which runs nothing and works without scripts.
//!
//! Whatever stands in an event may be a stranger's words. `maud` escapes all that is put into a page, and nothing is put
//! there past it.

pub(crate) mod approval;
pub(crate) mod dead;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod fault;
pub(crate) mod order;
pub(crate) mod overview;
mod parts;
pub(crate) mod replay;
mod rollback;
pub(crate) mod sign_in;
mod standing;
mod unsent;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use maud::{DOCTYPE, Markup, html};
use runtime::config::May;

use crate::visitor::Visitor;

/// The field of a form that shows which session it is of.
pub(crate) const FORM_TOKEN: &str = "form_token";
/// The field of a form that makes it one order, however often it is sent.
pub(crate) const ORDER_KEY: &str = "order_key";

/// What every page looks like.
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(include_str!("style.css"))
}

/// What stands around a page's own words.
pub(crate) struct Page<'a> {
    visitor: Option<&'a Visitor>,
    title: String,
    refresh: Option<String>,
}

impl<'a> Page<'a> {
    /// For somebody who is known.
    pub(crate) fn of(visitor: &'a Visitor, title: impl Into<String>) -> Self {
        Self { visitor: Some(visitor), title: title.into(), refresh: None }
    }

    /// For anybody, or somebody.
    pub(crate) fn to(visitor: Option<&'a Visitor>, title: impl Into<String>) -> Self {
        Self { visitor, title: title.into(), refresh: None }
    }

    /// Loads itself anew after so many seconds, or loads another page of the console.
    pub(crate) fn refreshing(self, seconds: u32, to: Option<&str>) -> Self {
        let refresh = to.map_or_else(|| seconds.to_string(), |to| format!("{seconds}; url={to}"));
        Self { refresh: Some(refresh), ..self }
    }

    /// The page.
    pub(crate) fn show(self, body: &Markup) -> HttpResponse {
        self.show_as(&mut HttpResponse::Ok(), body)
    }

    /// The page with another head.
    pub(crate) fn show_as(self, head: &mut HttpResponseBuilder, body: &Markup) -> HttpResponse {
        let Self { visitor, title, refresh } = self;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if let Some(refresh) = &refresh { meta http-equiv="refresh" content=(refresh); }
                    title { (title) " – Windlass" }
                    link rel="stylesheet" href="/style.css";
                    // Browsers ask for `/favicon.ico` where none is named.
                    link rel="icon" href="data:,";
                }
                body {
                    a.skip href="#content" { "Skip to content" }
                    header { (masthead(visitor)) }
                    main #content tabindex="-1" {
                        h1 { (title) }
                        (body)
                    }
                }
            }
        };
        head.content_type("text/html; charset=utf-8").body(page.into_string())
    }
}

fn masthead(visitor: Option<&Visitor>) -> Markup {
    html! {
        @if let Some(visitor) = visitor {
            a.brand href="/" { "Windlass" }
            nav aria-label="Main" {
                ul {
                    li { a href="/" { "Overview" } }
                    li { a href="/events" { "Events" } }
                    li { a href="/dead" { "Dead letters" } }
                }
            }
            (form(visitor, "/sign-out", &html! {
                span { "Signed in as " strong { (visitor.operator().name) } @if !may_order(visitor) { " (may look)" } }
                " "
                button.plain type="submit" { "Sign out" }
            }))
        } @else {
            span.brand { "Windlass" }
        }
    }
}

/// Whether this visitor may order something, and is shown how.
pub(crate) fn may_order(visitor: &Visitor) -> bool {
    visitor.operator().may == May::Order
}

/// A form that the guard lets in, from this visitor alone.
pub(crate) fn form(visitor: &Visitor, action: &str, fields: &Markup) -> Markup {
    let Visitor::Person(session) = visitor else { return html! {} };
    html! {
        form method="post" action=(action) {
            input type="hidden" name=(FORM_TOKEN) value=(session.form_token());
            (fields)
        }
    }
}

/// The same for an order: sent twice, it is one.
pub(crate) fn order_form(visitor: &Visitor, action: &str, fields: &Markup) -> Markup {
    let key = uuid::Uuid::new_v4().to_string();
    form(visitor, action, &html! { input type="hidden" name=(ORDER_KEY) value=(key); (fields) })
}

/// Goes on to another page of the console, by GET.
pub(crate) fn see(path: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::SEE_OTHER).insert_header((header::LOCATION, path)).finish()
}
