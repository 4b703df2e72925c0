//! How it stands: each app's environments, what runs and what waits, and what may be ordered there.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use jiff::SignedDuration;
use maud::{Markup, html};
use operate::{
    describe,
    status::{self, AppStatus, EnvironmentStatus, Health, Waits},
    trouble,
};
use proto::{AppName, EnvironmentName, Lane, Timestamp};
use runtime::config::{App, Environment};

use super::{
    Page, events, may_order,
    parts::{release, time},
    standing,
};
use crate::{desk::Desk, fault::Fault, visitor::Visitor};

/// What failed so long ago is not shown any more.
const LATELY: SignedDuration = SignedDuration::from_hours(24);
/// How much of what failed is shown, the last.
const TROUBLES: usize = 10;

/// The page.
pub(crate) async fn page(desk: web::Data<Desk>, visitor: Visitor) -> Result<HttpResponse, Fault> {
    let apps = status::of(&desk.ledger, &desk.config, None).await?;
    let dead: u64 = desk.ledger.open_letters().await?.iter().map(|letters| letters.count).sum();
    let standing = standing::of(&desk).await?;
    let lately = Timestamp::now().checked_sub(LATELY).unwrap_or(Timestamp::MIN);
    let troubles = trouble::since(&desk.ledger, lately, TROUBLES).await?;
    let body = html! {
        (standing)
        @if dead > 0 {
            p.warn role="status" { a href="/dead" { (dead) " dead letters" } " wait for somebody." }
        }
        @if apps.is_empty() { p { "No app is configured." } }
        @for app in &apps { (of_app(&desk, &visitor, app)) }
        @if !troubles.is_empty() {
            h2 { "What failed in the last 24 hours" }
            (events::table(&troubles))
            @if troubles.len() == TROUBLES { p { "These are the last " (TROUBLES) "; the events have more." } }
        }
    };
    Ok(Page::of(&visitor, "Overview").show(&body))
}

fn of_app(desk: &Desk, visitor: &Visitor, status: &AppStatus) -> Markup {
    let (name, orders) = (&status.app, may_order(visitor));
    let heading = format!("app-{name}");
    let mut environments: Vec<_> = status.environments.iter().collect();
    if let Some(app) = desk.config.apps.get(name) {
        environments.sort_by_key(|it| (depth(app, &it.environment), it.environment.clone()));
    }
    html! {
        section aria-labelledby=(heading) {
            h2 id=(heading) { (name.as_str()) }
            p { a href={ "/events?app=" (name.as_str()) } { "Events of " (name.as_str()) } }
            div.cards { @for environment in environments { (of_environment(name, environment, orders)) } }
            @if !status.quarantined.is_empty() {
                h3 { "In quarantine" }
                ul {
                    @for it in &status.quarantined {
                        li {
                            code { (it.digest.as_str()) } " since " (time(it.entry.at)) ": " (it.entry.reason)
                            @if orders {
                                " " a.button href={ "/apps/" (name.as_str()) "/quarantine/" (it.digest.as_str()) } { "Release " (it.digest.short()) }
                            }
                        }
                    }
                }
            }
            @if !status.owed.is_empty() {
                h3 { "Fixes that are in no deploy branch" }
                ul {
                    @for fix in &status.owed {
                        li {
                            code { (fix.commit.short()) } " "
                            @if let Some(note) = &fix.note { (note) " " }
                            "since " (time(fix.at))
                            @if orders {
                                " " a.button href={ "/apps/" (name.as_str()) "/owed/" (fix.commit.as_str()) } { "Settle " (fix.commit.short()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How many environments a release goes through before this one, by the longest way.
fn depth(app: &App, name: &EnvironmentName) -> usize {
    fn of<'a>(app: &'a App, name: &'a EnvironmentName, known: &mut BTreeMap<&'a EnvironmentName, usize>) -> usize {
        if let Some(depth) = known.get(name) {
            return *depth;
        }
        // The configuration has no circles.
        let before = app.environments.get(name).into_iter().flat_map(|it: &Environment| &it.after);
        let depth = before.map(|before| of(app, before, known) + 1).max().unwrap_or(0);
        known.insert(name, depth);
        depth
    }
    of(app, name, &mut BTreeMap::new())
}

fn of_environment(app: &AppName, status: &EnvironmentStatus, orders: bool) -> Markup {
    let name = status.environment.as_str();
    let order = |what: &str| format!("/apps/{app}/environments/{name}/{what}");
    let heading = format!("environment-{app}-{name}");
    html! {
        article aria-labelledby=(heading) {
            h3 id=(heading) { (name) }
            (runs(status))
            @if let Some(asked) = &status.on_its_way {
                p { "On its way since " (time(asked.since)) ": " (describe::deployed(&asked.deployment)) }
            }
            @if let Some(why) = &status.held_by_config { p.warn { "Held by the configuration: " (why) } }
            @if let Some(hold) = &status.hold {
                p.warn { "Held by " (hold.by) " since " (time(hold.at)) ": " (hold.reason) }
            }
            @for waits in &status.waiting { (of_waiting(waits, orders)) }
            @if let Some(back) = &status.rollback { h4 { "To be restored" } (of_waiting(back, false)) }
            @if orders {
                p.actions {
                    @if status.hold.is_some() {
                        a.button href=(order("unhold")) { "Unhold " (name) }
                    } @else {
                        a.button href=(order("hold")) { "Hold " (name) }
                    }
                    " "
                    a.button href=(order("rollback")) { "Roll back " (name) }
                }
            }
        }
    }
}

pub(super) fn runs(status: &EnvironmentStatus) -> Markup {
    let runs = &status.runs;
    let (class, word) = match runs.health {
        Health::Healthy => ("good", "healthy"),
        Health::Unhealthy => ("bad", "unhealthy"),
        Health::WasHealthy => ("", "was healthy, before what is on its way"),
        Health::Unknown => ("", "no verdict yet"),
    };
    html! {
        p {
            strong class=(class) { (word) }
            // A verdict is of its moment: nobody looks again by himself.
            @if let Some(at) = runs.since { " as of " (time(at)) }
            @if let Some(summary) = &runs.summary { ": " (summary) }
        }
        @if !runs.release.is_empty() { (release(&runs.release)) }
    }
}

fn of_waiting(waits: &Waits, orders: bool) -> Markup {
    html! {
        div.waits {
            p {
                @if waits.lane == Lane::Hotfix { strong { "Fix " } }
                "since " (time(waits.since)) " "
                @match &waits.waits_for {
                    Some(what) => { "waits for " (what) }
                    None => { "is about to go" }
                }
                @if let Some(note) = &waits.note { ": " q { (note) } }
            }
            (release(&waits.release))
            @if !waits.granted.is_empty() { p { "Let in so far by " (waits.granted.join(", ")) } }
            @if let Some(page) = &waits.pull_request { p { (outward(page)) } }
            @if waits.asks_people {
                p { a.button href={ "/approvals/" (waits.id.to_string()) } { @if orders { "Approve or reject" } @else { "Approval" } } }
            }
        }
    }
}

/// A page elsewhere: a link where it is one on the web, else its text.
fn outward(page: &str) -> Markup {
    html! {
        @if page.starts_with("https://") || page.starts_with("http://") {
            a href=(page) rel="noreferrer" { "Pull request" }
        } @else {
            (page)
        }
    }
}
