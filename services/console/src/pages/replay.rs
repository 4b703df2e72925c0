//! Replays: what would be done first, and then that it is done.

use actix_web::{HttpResponse, web};
use ledger::{Outline, StoredDeadLetter};
use maud::{Markup, html};
use operate::{Beginning, find, history::summary, replay};
use proto::WorkerName;

use super::{
    Page, form,
    parts::{choice, event_link},
    see,
};
use crate::{
    desk::Desk,
    fault::Fault,
    orders::within,
    visitor::{Sent, Visitor},
};

/// Asks for the replay of an event.
pub(crate) async fn of_event(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, Fault> {
    let begins: Beginning = id.parse().map_err(Fault::Invalid)?;
    let recorded = find::event(&desk.ledger, &begins).await?;
    let message = &recorded.message;
    let (id, times) = (message.attribute("id"), replay::times(message).to_string());
    let workers: Vec<_> = WorkerName::ALL.iter().map(|worker| worker.as_str()).collect();
    let body = html! {
        p.summary { (summary(&recorded.outline().message)) }
        p {
            "It goes on its way again, to every worker that hears " (message.attribute("type")) " or to one, and the chain \
             behind it runs again. What is done already is recognised, and not done twice."
        }
        (form(&visitor, &format!("/events/{id}/replay"), &html! {
            input type="hidden" name="replays" value=(times);
            (choice("worker", "Only to this worker", &workers, None))
            p.actions { button type="submit" { "Replay" } " " a href={ "/events/" (id) } { "Cancel" } }
        }))
    };
    Ok(Page::of(&visitor, format!("Replay {} {}", message.attribute("type"), id.get(..8).unwrap_or(id))).show(&body))
}

/// Replays it.
pub(crate) async fn event(
    desk: web::Data<Desk>,
    visitor: Visitor,
    id: web::Path<String>,
    sent: Sent,
) -> Result<HttpResponse, Fault> {
    let begins: Beginning = id.parse().map_err(Fault::Invalid)?;
    let form = sent.form();
    let recorded = within(async { Ok(find::event(&desk.ledger, &begins).await?) }).await?;
    desk.replay_event(visitor.operator(), &recorded, form.parse("worker")?, form.parse("replays")?).await?;
    Ok(see(&format!("/events/{}?ordered=yes", recorded.message.attribute("id"))))
}

/// Shows which dead letters would be replayed to whom; sent from there, it is done.
pub(crate) async fn letters(desk: web::Data<Desk>, visitor: Visitor, sent: Sent) -> Result<HttpResponse, Fault> {
    let form = sent.form();
    let ids = form.values("id").map(|id| id.parse().map_err(Fault::Invalid)).collect::<Result<Vec<Beginning>, _>>()?;
    let letters = desk.letters(&ids).await?;
    if form.get("sure").is_none() {
        return Ok(Page::of(&visitor, "Replay dead letters").show(&sure(&visitor, &letters)));
    }
    desk.replay_letters(visitor.operator(), &letters).await?;
    Ok(match &letters[..] {
        [one] => see(&format!("/dead/{}", one.id)),
        _ => see("/dead?with_replayed=true"),
    })
}

fn sure(visitor: &Visitor, letters: &[StoredDeadLetter<Outline>]) -> Markup {
    form(
        visitor,
        "/dead/replay",
        &html! {
            p { "These would be sent to their workers again, the oldest first. What is done already is recognised." }
            ul {
                @for stored in letters {
                    @let (id, message) = (stored.id.to_string(), &stored.letter.message);
                    li {
                        input type="hidden" name="id" value=(id);
                        a href={ "/dead/" (id) } { code { (id[..8]) } } " would go to " strong { (replay::target(stored.letter.worker)) }
                        ": " (event_link(message.attribute("id"))) " " (summary(message))
                        @if stored.replayed_at.is_some() { " (replayed before)" }
                    }
                }
            }
            input type="hidden" name="sure" value="yes";
            p.actions { button type="submit" { "Replay " (letters.len()) } " " a href="/dead" { "Cancel" } }
        },
    )
}
