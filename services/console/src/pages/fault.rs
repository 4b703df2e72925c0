//! Refusals as pages. Who is not known is shown the way in, and comes back to where they were going.

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{Method, header},
};
use maud::html;
use url::form_urlencoded;

use super::{Page, see, sign_in, unsent};
use crate::{
    fault::Fault,
    visitor::{Sent, Visitor},
};

/// The page.
pub(crate) fn page(request: &HttpRequest, fault: &Fault) -> HttpResponse {
    if matches!(fault, Fault::NotSignedIn) {
        if request.method() == Method::GET {
            return to_sign_in(request);
        }
        if let Some(sent) = request.extensions().get::<Sent>() {
            return unsent::to_sign_in(request.path(), sent, fault);
        }
    }
    let visitor = request.extensions().get::<Visitor>().cloned();
    let status = actix_web::ResponseError::status_code(fault);
    let title = status.canonical_reason().unwrap_or("Refused");
    let body = html! {
        p.bad role="alert" { (fault.to_string()) "." }
        p { "What to do: " (fault.next()) "." }
        @if visitor.is_none() { p { a href="/sign-in" { "Sign in" } } }
    };
    Page::to(visitor.as_ref(), title).show_as(&mut fault.head(), &body)
}

fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let here = sign_in::within(Some(here));
    let header_is = |name: &str, value: &str| request.headers().get(name).is_some_and(|found| found == value);
    // A link on another site brings no strict cookie along; one step within the console does.
    if header_is("sec-fetch-site", "cross-site") && !request.headers().contains_key(header::COOKIE) {
        let body = html! { p { a href=(here) { "Go on" } } };
        return Page::to(None, "One moment").refreshing(0, Some(here)).show(&body);
    }
    if here == "/" {
        return see("/sign-in");
    }
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", here).finish();
    see(&format!("/sign-in?{query}"))
}
