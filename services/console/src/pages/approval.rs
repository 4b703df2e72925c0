//! What people are asked: exactly what is to go where, what it replaces, what speaks for it, and the answer.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use operate::{Beginning, approval::Approval};
use proto::{ApprovalRequested, Release, ReleasedImage};

use super::{ORDER_KEY, Page, may_order, order_form, parts::time, see};
use crate::{
    desk::Desk,
    fault::Fault,
    orders::Asked,
    visitor::{Sent, Visitor},
};

/// The page.
pub(crate) async fn page(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, Fault> {
    let begins: Beginning = id.parse().map_err(Fault::Invalid)?;
    let approval = Approval::of(&desk.ledger, &begins).await?;
    let none = Release::new();
    let running = approval.asked.as_ref().map_or(&none, |asked| &asked.running);
    let body = html! {
        (standing(&approval))
        @if let Some(asked) = &approval.asked { (evidence(asked)) }
        h2 { "What would change" }
        (changes(running, &approval.release))
        @if !approval.answers.is_empty() {
            h2 { "Answers" }
            ul {
                @for answer in &approval.answers {
                    li {
                        strong { (answer.by) } @if answer.granted { " approves" } @else { " rejects" }
                        @if let Some(comment) = &answer.comment { " " q { (comment) } }
                        @if answer.counts { ": " } @else { ", which does not count: " } (answer.says)
                    }
                }
            }
        }
        @if approval.waits && may_order(&visitor) { h2 { "Your answer" } (answer_form(&visitor, &approval)) }
        p { a href={ "/events/" (approval.id.to_string()) } { "How it came here" } }
    };
    let title = format!("{} for {}", approval.app, approval.environment);
    Ok(Page::of(&visitor, title).show(&body))
}

fn standing(approval: &Approval) -> Markup {
    html! {
        @if approval.waits {
            p.warn role="status" { "It waits to go to " (approval.environment.as_str()) "." }
            @if !approval.granted.is_empty() { p { "Let in so far by " (approval.granted.join(", ")) "." } }
        } @else {
            p role="status" {
                "It waits no more"
                @if let Some(why) = &approval.ended { ": " (why) }
                "."
            }
        }
    }
}

fn evidence(asked: &ApprovalRequested) -> Markup {
    html! {
        dl {
            @if let Some(note) = &asked.note { div { dt { "Change" } dd { (note) } } }
            @if let Some(evidence) = &asked.evidence { div { dt { "What speaks for it" } dd { (evidence) } } }
            div { dt { "Approvals needed" } dd { (asked.approvers) } }
            @if !asked.authors.is_empty() {
                div {
                    dt { "Wrote it, and may not approve it" }
                    dd { (asked.authors.iter().map(String::as_str).collect::<Vec<_>>().join(", ")) }
                }
            }
            @if let Some(at) = asked.expires_at { div { dt { "Until" } dd { (time(at)) } } }
        }
    }
}

fn changes(running: &Release, wanted: &Release) -> Markup {
    let components: BTreeSet<_> = running.keys().chain(wanted.keys()).collect();
    html! {
        div.wide tabindex="0" role="region" aria-label="Changes" {
            table {
                thead { tr { th scope="col" { "Component" } th scope="col" { "Runs" } th scope="col" { "Would run" } } }
                tbody {
                    @for component in components {
                        @let (from, to) = (running.get(component), wanted.get(component));
                        tr {
                            th scope="row" { (component.as_str()) }
                            td { (image(from)) }
                            td {
                                @if to.is_none() || from.map(|it| &it.digest) == to.map(|it| &it.digest) { "the same" }
                                @else { (image(to)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn image(image: Option<&ReleasedImage>) -> Markup {
    html! {
        @if let Some(image) = image {
            @if let Some(commit) = &image.commit { "commit " code { (commit.as_str()) } br; }
            @if let Some(tag) = &image.tag { "tag " code { (tag) } br; }
            code { (image.image.to_string()) "@" (image.digest.as_str()) }
        } @else {
            "not known"
        }
    }
}

fn answer_form(visitor: &Visitor, approval: &Approval) -> Markup {
    order_form(
        visitor,
        &format!("/approvals/{}", approval.id),
        &html! {
            label { span { "Comment" } textarea name="comment" rows="3" maxlength="1000" { } }
            p.actions {
                button type="submit" name="answer" value="approve" { "Approve" } " "
                button.danger type="submit" name="answer" value="reject" { "Reject" }
            }
        },
    )
}

/// Answers it.
pub(crate) async fn answer(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let form = sent.form();
    let granted = match form.get("answer") {
        Some("approve") => true,
        Some("reject") => false,
        _ => return Err(Fault::Invalid("`answer`: it is `approve` or `reject`".to_owned())),
    };
    let approval = id.parse().map_err(Fault::Invalid)?;
    let asked = Asked::Answer { approval, granted, comment: form.get("comment").map(ToOwned::to_owned) };
    let event = desk.order(visitor.operator(), asked, form.get(ORDER_KEY)).await?;
    Ok(see(&format!("/events/{event}?ordered=yes")))
}
