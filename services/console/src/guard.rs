//! The one door. Every request passes it before anything else looks at it: whoever is not known gets no further than
//! what [`crate::routes`] opens to anybody, who may only look orders nothing, and a form must be one that the same
//! session was shown. What is answered passes it again and gets its headers.

use std::time::{Duration, Instant};

use actix_web::{
    HttpMessage as _,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use proto::Timestamp;
use runtime::config::May;

use crate::{
    desk::Desk,
    fault::Fault,
    pages,
    routes::{self, Row, Who},
    session::Session,
    visitor::{Sent, Visitor},
};

/// The largest body, in bytes: a comment, or a selection of dead letters.
const LARGEST: usize = 64 * 1024;
/// How long a body may take to arrive.
const ARRIVES: Duration = Duration::from_secs(10);
/// How long looking something up may take. Orders have deadlines of their own.
const ANSWERED: Duration = Duration::from_secs(10);

/// Nothing runs, and nothing is loaded, but the one stylesheet; nobody frames a page; forms go to the console alone.
/// Browsers say where a form comes from only where a referrer may be said, and here only to the console itself.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Which of the two doors it is: programs' or people's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Api,
    Page,
}

impl Door {
    fn of(path: &str) -> Self {
        if path.starts_with("/api/") { Self::Api } else { Self::Page }
    }

    fn name(self) -> &'static str {
        if self == Self::Api { "api" } else { "page" }
    }
}

/// The middleware.
pub(crate) async fn guard(
    desk: web::Data<Desk>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let door = Door::of(request.path());
    let answered = match admit(&desk, &mut request, door).await {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(fault) => request.error_response(fault),
    };
    let mut answered = if door == Door::Page { for_people(answered) } else { answered };
    desk.metrics.answered(door.name(), answered.status().as_u16());
    for (name, value) in HEADERS {
        answered.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(answered)
}

/// What is looked up in its time, or not at all. It stands behind the choice of a route, which needs a request of which
/// nobody else has a part.
pub(crate) async fn in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let asked = request.request().clone();
    let Ok(answered) = tokio::time::timeout(ANSWERED, next.call(request)).await else {
        let fault = Fault::Away(format!("the ledger did not answer within {ANSWERED:?}"));
        return Ok(ServiceResponse::from_err(fault, asked));
    };
    Ok(answered?.map_into_boxed_body())
}

/// A refusal as a page.
fn for_people(answered: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let Some(error) = answered.response().error() else { return answered };
    let fault = error.as_error::<Fault>().cloned().unwrap_or_else(|| {
        tracing::error!("the console failed at {}: {error}", answered.request().path());
        Fault::Broken
    });
    let page = pages::fault::page(answered.request(), &fault);
    answered.into_response(page)
}

/// Lets a request in, or says why not.
async fn admit(desk: &Desk, request: &mut ServiceRequest, door: Door) -> Result<(), Fault> {
    desk.hosts.check(request.headers())?;
    let writes = match *request.method() {
        Method::GET => false,
        Method::POST => true,
        _ => return Err(Fault::NoSuchPage),
    };
    if writes && door == Door::Page {
        desk.hosts.check_origin(request.headers())?;
    }
    let row = routes::row(request.method(), request.path());
    if row.is_some_and(|row| row.who == Who::Anybody) {
        return take_body(request, writes).await;
    }
    let visitor = match door {
        Door::Api => Visitor::Program(by_token(desk, request)?),
        Door::Page => match by_session(desk, request.headers()) {
            Ok(session) => Visitor::Person(session),
            Err(fault) => return Err(keep_form(request, row, fault).await),
        },
    };
    let operator = visitor.operator();
    // What is in no row of the table is nothing, and known people are told so.
    let row = row.ok_or(Fault::NoSuchPage)?;
    if row.who == Who::Orderers && operator.may != May::Order {
        return Err(Fault::ReadOnly(operator.name.clone()));
    }
    row.check(request.query_string())?;
    take_body(request, writes).await?;
    if let Visitor::Person(session) = &visitor
        && writes
    {
        check_form(request, session)?;
    }
    request.extensions_mut().insert(visitor);
    Ok(())
}

/// What somebody wrote whose session has ended is read all the same, for when they have signed in again.
async fn keep_form(request: &mut ServiceRequest, row: Option<&Row>, fault: Fault) -> Fault {
    if row.is_some_and(Row::is_form) {
        // Without it they are only told to sign in.
        let _ = take_body(request, true).await;
    }
    fault
}

fn by_token(desk: &Desk, request: &ServiceRequest) -> Result<crate::operators::Operator, Fault> {
    let value = request.headers().get(header::AUTHORIZATION).ok_or(Fault::NotSignedIn)?;
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Fault::NotSignedIn)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Fault::NotSignedIn);
    }
    desk.recognise(token.trim(), request.peer_addr(), Instant::now())
}

fn by_session(desk: &Desk, headers: &HeaderMap) -> Result<Session, Fault> {
    let mut cookies = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let value = cookies.find_map(|header| desk.cookie.find(header)).ok_or(Fault::NotSignedIn)?;
    Session::read(value, &desk.operators, Timestamp::now()).ok_or(Fault::NotSignedIn)
}

fn check_form(request: &ServiceRequest, session: &Session) -> Result<(), Fault> {
    let sent = request.extensions().get::<Sent>().cloned().unwrap_or_default();
    let form = sent.form();
    if form.get(pages::FORM_TOKEN).is_some_and(|stated| session.is_form_token(stated)) {
        return Ok(());
    }
    Err(Fault::Forged)
}

/// Reads the body within its limits, for whoever asks for it behind.
async fn take_body(request: &mut ServiceRequest, writes: bool) -> Result<(), Fault> {
    if writes {
        let body = tokio::time::timeout(ARRIVES, read(request.take_payload())).await.map_err(|_| Fault::NoBody)??;
        request.extensions_mut().insert(Sent(body));
    }
    Ok(())
}

async fn read(mut payload: Payload) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Fault::NoBody)?;
        if body.len() + chunk.len() > LARGEST {
            return Err(Fault::TooLarge(LARGEST));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
