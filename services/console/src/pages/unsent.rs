//! What somebody wrote into a form while their session ended: it goes along through signing in, and is shown for them to
//! send. It travels in the bodies of the two forms, never in an address, and nothing of it is kept here.

use actix_web::{HttpResponse, http::Method};
use maud::{Markup, html};
use runtime::config::May;
use url::form_urlencoded;

use super::{FORM_TOKEN, ORDER_KEY, Page, form, sign_in};
use crate::{
    fault::Fault,
    fields::Fields,
    routes::{self, Row},
    session::Session,
    visitor::{Sent, Visitor},
};

/// The field that holds where it was sent.
pub(super) const TO: &str = "unsent_to";
/// The field that holds what was sent.
pub(super) const KEPT: &str = "unsent";
/// What people write, and may go on writing.
const WRITTEN: [&str; 2] = ["reason", "comment"];

/// Shows the way in to whoever sent this, with what they sent.
pub(super) fn to_sign_in(to: &str, sent: &Sent, fault: &Fault) -> HttpResponse {
    let fields = sent.form();
    let kept = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields.but(FORM_TOKEN)).finish();
    sign_in::page(&mut fault.head(), &[(TO, to), (KEPT, &kept)], Some(fault))
}

/// Shows what was written before they signed in, if something was that they may send: nothing is done until they do.
pub(super) fn page(session: Session, signed_in: &Fields) -> Option<HttpResponse> {
    let (to, kept) = (signed_in.get(TO)?, signed_in.get(KEPT)?);
    let is_form = routes::row(&Method::POST, to).is_some_and(Row::is_form);
    if !is_form || session.operator.may != May::Order {
        return None;
    }
    let (visitor, fields) = (Visitor::Person(session), Fields::read(kept.as_bytes()));
    let body = html! {
        p.warn role="status" { "Your session had ended before this was sent, and nothing was done. What you wrote:" }
        (form(&visitor, to, &html! {
            p { code { (to) } }
            @for (name, value) in fields.but(FORM_TOKEN) { (field(name, value)) }
            p.actions { button type="submit" { "Send it" } " " a href="/" { "Cancel" } }
        }))
    };
    Some(Page::of(&visitor, "Not sent yet").show(&body))
}

fn field(name: &str, value: &str) -> Markup {
    html! {
        @if WRITTEN.contains(&name) {
            label { span { (name) } textarea name=(name) rows="3" maxlength="1000" { (value) } }
        } @else {
            // The key alone says nothing to people.
            @if name != ORDER_KEY { p { (name) ": " code { (value) } } }
            input type="hidden" name=(name) value=(value);
        }
    }
}
