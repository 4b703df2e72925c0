//! Signing in by a token, and out.

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header, web};
use maud::html;
use proto::Timestamp;

use super::{Page, see, unsent};
use crate::{desk::Desk, fault::Fault, fields::Fields, session::Session, visitor::Sent};

/// The form.
pub(crate) async fn form(query: Fields) -> HttpResponse {
    page(&mut HttpResponse::Ok(), &carried(&query), None)
}

/// Begins a session.
pub(crate) async fn enter(desk: web::Data<Desk>, request: HttpRequest, sent: Sent) -> HttpResponse {
    let form = sent.form();
    let token = form.get("token").unwrap_or_default();
    match desk.recognise(token, request.peer_addr(), Instant::now()) {
        Ok(operator) => {
            tracing::info!(operator = operator.name, "{} signed in to the console", operator.name);
            let session = Session::begin(operator, desk.settings.session, Timestamp::now());
            let cookie = desk.cookie.set(&session, desk.settings.session);
            let unsent = unsent::page(session, &form);
            with_cookie(unsent.unwrap_or_else(|| see(within(form.get("next")))), &cookie)
        }
        Err(fault) => page(&mut fault.head(), &carried(&form), Some(&fault)),
    }
}

/// Ends it.
pub(crate) async fn leave(desk: web::Data<Desk>) -> HttpResponse {
    with_cookie(see("/sign-in"), &desk.cookie.clear())
}

fn with_cookie(mut response: HttpResponse, cookie: &str) -> HttpResponse {
    if let Ok(cookie) = header::HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// What goes along until they are signed in: where they were going, or what they had written.
fn carried(fields: &Fields) -> Vec<(&str, &str)> {
    ["next", unsent::TO, unsent::KEPT].into_iter().filter_map(|name| Some((name, fields.get(name)?))).collect()
}

pub(super) fn page(head: &mut HttpResponseBuilder, carried: &[(&str, &str)], fault: Option<&Fault>) -> HttpResponse {
    let body = html! {
        @if let Some(fault) = fault {
            p.bad role="alert" { (fault.to_string()) ": " (fault.next()) "." }
        }
        form method="post" action="/sign-in" {
            @for (name, value) in carried { input type="hidden" name=(name) value=(value); }
            label {
                span { "Token" }
                input type="password" name="token" required autocomplete="current-password" autofocus;
            }
            button type="submit" { "Sign in" }
        }
        p { "Whoever runs Windlass gives tokens out: " code { "console.operators" } " in its configuration." }
    };
    Page::to(None, "Sign in").show_as(head, &body)
}

/// Where to go on to: a page of the console, whatever is asked for.
pub(super) fn within(next: Option<&str>) -> &str {
    let is_path = |next: &&str| {
        next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    next.filter(is_path).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(within(Some("/events?type=push.received&app=shop")), "/events?type=push.received&app=shop");
        for next in ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "events", "", "/\u{e9}"] {
            assert_eq!(within(Some(next)), "/", "{next:?}");
        }
        assert_eq!(within(None), "/");
    }
}
