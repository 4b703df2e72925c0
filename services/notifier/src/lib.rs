//! Tells people in Slack what is worth telling: one message for each thing, to every route that asked for it.
//!
//! It decides nothing and publishes nothing. A message may come twice when a process died right after posting;
//! within one process it does not.

mod buttons;
#[cfg(test)]
mod fuzz;
mod message;
mod sent;
mod slack;
mod text;

use std::sync::{Mutex, PoisonError};

use proto::{Event, WorkerName};
use runtime::{Context, Failure, Outcomes, Worker, config::Notify};

use message::Message;
use sent::Sent;

/// The worker.
pub struct Notifier {
    ctx: Context,
    sent: Mutex<Sent>,
}

impl Notifier {
    /// A notifier.
    pub fn new(ctx: &Context) -> anyhow::Result<Self> {
        Ok(Self { ctx: ctx.clone(), sent: Mutex::default() })
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts to one route, unless this process has, or the route is to be left alone for a while.
    async fn tell(&self, event: &Event, route: usize, to: &Notify, message: &Message) -> Result<(), Failure> {
        let key = (event.id, event.replay, route);
        if self.sent().has(key) {
            return Ok(());
        }
        if let Some(after) = self.sent().pause(route) {
            return Err(Failure::NotYet { after, reason: format!("`notify[{route}].slack`: Slack asked for a pause") });
        }
        let console = self.ctx.config.console.as_ref().and_then(|console| console.url.as_ref());
        let payload = message.payload(to.buttons.is_some(), console);
        let posted = slack::post(&self.ctx.trusted, route, &to.slack, &payload).await;
        match &posted {
            Ok(()) => self.sent().note(key),
            Err(Failure::NotYet { after, .. }) => self.sent().pause_for(route, *after),
            Err(_) => {}
        }
        posted
    }
}

impl Worker for Notifier {
    const NAME: WorkerName = WorkerName::Notifier;

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let Some(message) = Message::of(event) else { return Ok(Outcomes::none()) };
        let mut worst = None;
        for (route, to) in self.ctx.config.notify.iter().enumerate().filter(|(_, to)| wants(to, &message)) {
            if let Err(failure) = self.tell(event, route, to, &message).await {
                worst = Some(worse(worst, failure));
            }
        }
        worst.map_or(Ok(Outcomes::none()), Err)
    }
}

/// Whether the route asked for such a message. What belongs to no app or no environment is told either way.
fn wants(route: &Notify, message: &Message) -> bool {
    let of = |known: bool, empty: bool| empty || known;
    of(route.when.contains(&message.topic), route.when.is_empty())
        && of(message.app.as_ref().is_none_or(|app| route.apps.contains(app)), route.apps.is_empty())
        && of(
            message.environment.as_ref().is_none_or(|environment| route.environments.contains(environment)),
            route.environments.is_empty(),
        )
}

/// Of two routes' failures the one to report: one that can still go well before one that cannot, since the other
/// would take its chance away; and one that counts as an attempt before one that does not.
fn worse(first: Option<Failure>, second: Failure) -> Failure {
    let rank = |failure: &Failure| match failure {
        Failure::Transient(_) => 2,
        Failure::NotYet { .. } => 1,
        Failure::Permanent(_) => 0,
    };
    match first {
        Some(first) if rank(&first) >= rank(&second) => first,
        _ => second,
    }
}
