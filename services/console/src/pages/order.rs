//! Orders about an environment, a digest or a fix: each has a page that says what it will do and asks why, and is sent
//! from there.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use operate::{Beginning, find, status};
use proto::{AppName, EnvironmentName};

use super::{
    ORDER_KEY, Page, order_form, overview,
    parts::{reason_field, time},
    rollback, see,
};
use crate::{
    desk::Desk,
    fault::Fault,
    fields::Fields,
    orders::{Asked, OfEnvironment},
    visitor::{Sent, Visitor},
};

/// What the path of an order about an environment names.
type AtEnvironment = web::Path<(String, String, String)>;
/// What the path of an order about something of an app names.
type OfApp = web::Path<(String, String)>;

/// Asks for an order about an environment.
pub(crate) async fn of_environment(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: AtEnvironment,
) -> Result<HttpResponse, Fault> {
    let (app, environment, word) = path.into_inner();
    let (app, environment) = names(&app, &environment)?;
    find::environment(&desk.config, &app, &environment)?;
    let order = OfEnvironment::named(&word)?;
    let (verb, says) = match order {
        OfEnvironment::Hold => ("Hold", "Nothing automatic happens there until somebody lets it go."),
        OfEnvironment::Unhold => {
            ("Unhold", "What is automatic happens there again; what waits goes as its gates allow.")
        }
        OfEnvironment::Rollback => (
            "Roll back",
            "What was healthy there is restored by a new commit, and verified like any deployment. What is taken back is \
             barred from every environment until somebody releases it.",
        ),
    };
    let all = status::of(&desk.ledger, &desk.config, Some(&app)).await?;
    let now = all.iter().flat_map(|app| &app.environments).find(|it| it.environment == environment);
    let body = html! {
        @if let Some(now) = now { h2 { "Now" } (overview::runs(now)) }
        h2 { "What happens" }
        p { (says) }
        (order_form(&visitor, &format!("/apps/{app}/environments/{environment}/{word}"), &html! {
            @if order == OfEnvironment::Rollback {
                (rollback::targets(&desk.ledger, &app, &environment).await?)
            }
            (reason_field())
            (buttons(&format!("{verb} {environment}")))
        }))
    };
    Ok(Page::of(&visitor, format!("{verb} {environment} of {app}")).show(&body))
}

/// Orders it.
pub(crate) async fn environment(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: AtEnvironment,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let (app, environment, word) = path.into_inner();
    let (app, environment) = names(&app, &environment)?;
    let (order, form) = (OfEnvironment::named(&word)?, sent.form());
    let asked = order.asked(app, environment, reason(&form), rollback::target(&form)?)?;
    ordered(&desk, &visitor, asked, &form).await
}

/// Asks for a release from quarantine.
pub(crate) async fn of_digest(desk: web::Data<Desk>, visitor: Visitor, path: OfApp) -> Result<HttpResponse, Fault> {
    let (app, begins) = of_app(path)?;
    let (digest, entry) = find::barred(&desk.ledger, &app, &begins).await?;
    let body = html! {
        p { code { (digest.as_str()) } " is barred since " (time(entry.at)) ", because of " (entry.environment.as_str()) ": " (entry.reason) }
        p { "Once it is released, it may be deployed to every environment again." }
        (order_form(&visitor, &format!("/apps/{app}/quarantine/{digest}"), &html! { (reason_field()) (buttons("Release")) }))
    };
    Ok(Page::of(&visitor, format!("Release {} of {app}", digest.short())).show(&body))
}

/// Orders it.
pub(crate) async fn digest(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: OfApp,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let ((app, digest), form) = (of_app(path)?, sent.form());
    let reason = reason(&form);
    ordered(&desk, &visitor, Asked::Release { app, digest, reason }, &form).await
}

/// Asks for the settlement of a fix.
pub(crate) async fn of_fix(desk: web::Data<Desk>, visitor: Visitor, path: OfApp) -> Result<HttpResponse, Fault> {
    let (app, begins) = of_app(path)?;
    let owed = find::owed(&desk.ledger, &app, &begins).await?;
    let body = html! {
        p {
            code { (owed.commit.as_str()) }
            @if let Some(note) = &owed.note { " " q { (note) } }
            " took the fast path, and is in no deploy branch since " (time(owed.at)) "."
        }
        p { "Once it is settled, releases without it may go." }
        (order_form(&visitor, &format!("/apps/{app}/owed/{}", owed.commit), &html! { (reason_field()) (buttons("Settle")) }))
    };
    Ok(Page::of(&visitor, format!("Settle {} of {app}", owed.commit.short())).show(&body))
}

/// Orders it.
pub(crate) async fn fix(
    desk: web::Data<Desk>,
    visitor: Visitor,
    path: OfApp,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let ((app, commit), form) = (of_app(path)?, sent.form());
    let reason = reason(&form);
    ordered(&desk, &visitor, Asked::Settle { app, commit, reason }, &form).await
}

async fn ordered(desk: &Desk, visitor: &Visitor, asked: Asked, form: &Fields) -> Result<HttpResponse, Fault> {
    let event = desk.order(visitor.operator(), asked, form.get(ORDER_KEY)).await?;
    Ok(see(&format!("/events/{event}?ordered=yes")))
}

fn reason(form: &Fields) -> String {
    form.get("reason").unwrap_or_default().to_owned()
}

fn buttons(order: &str) -> Markup {
    html! { p.actions { button type="submit" { (order) } " " a href="/" { "Cancel" } } }
}

fn names(app: &str, environment: &str) -> Result<(AppName, EnvironmentName), Fault> {
    let wrong = |why: proto::InvalidId| Fault::Invalid(why.to_string());
    Ok((app.parse().map_err(wrong)?, environment.parse().map_err(wrong)?))
}

fn of_app(path: OfApp) -> Result<(AppName, Beginning), Fault> {
    let (app, begins) = path.into_inner();
    let app = app.parse().map_err(|why: proto::InvalidId| Fault::Invalid(why.to_string()))?;
    Ok((app, begins.parse().map_err(Fault::Invalid)?))
}
