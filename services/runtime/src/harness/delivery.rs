//! One delivery from decoding to settling.
//!
//! decode, or park → claim → run with deadline, panics caught, heartbeat → keep the outcomes and mark the claim done
//! → publish the outcomes → acknowledge. While the ledger or the bus is away a delivery waits here, spending no
//! attempt; since no more are taken than run at once, the whole worker waits with it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bus::{BusError, Delivery, Failures};
use futures_util::FutureExt;
use ledger::ClaimKey;
use proto::{Event, EventIgnored, Message, topology};
use rand::RngExt;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, info_span, warn};

use super::{
    Failure, Outcome, Outcomes, Worker,
    claim::{self, Asked, Held},
    insist::{Away, insist},
};
use crate::{ops::RunLabels, service::Context};

/// The longest reason that is kept of a failure, in bytes.
const REASON_BYTES: usize = 8 * 1024;
/// How often a delivery whose run is claimed elsewhere asks again, at most and at least.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A worker, and what its deliveries need.
pub(super) struct Harness<W> {
    worker: W,
    pub(super) context: Context,
    /// Cancelled when the grace period is over: runs are dropped, and their deliveries handed back.
    pub(super) hand_back: CancellationToken,
}

/// How a run ended.
enum Ended {
    Returned(Result<Outcomes, Failure>),
    Panicked(String),
    OverDeadline,
    ClaimLost,
    HandedBack,
}

/// The service stops before the delivery could be settled; dropping it hands it back.
struct Stopping;

impl<W: Worker> Harness<W> {
    pub(super) fn new(worker: W, context: Context) -> Self {
        Self { worker, context, hand_back: CancellationToken::new() }
    }

    /// Sees one delivery to its end.
    pub(super) async fn settle(self: Arc<Self>, delivery: Delivery) {
        let event = match Event::from_message(&delivery.message) {
            Ok(event) => event,
            Err(why) => {
                let id = delivery.message.attribute("id").to_owned();
                warn!(worker = %W::NAME, event = id, error = %why, "{} cannot read event {id}", W::NAME);
                self.count("unreadable");
                let why = format!("the message is no event this build can read: {why}");
                return self.moved(delivery.park(&why)).await;
            }
        };
        let span = info_span!("delivery", worker = %W::NAME, event = %event.id, kind = %event.kind(),
            app = event.app().map(tracing::field::display), correlation = %event.correlation);
        let _stopped = self.handle(delivery, event).instrument(span).await;
    }

    async fn handle(&self, delivery: Delivery, event: Event) -> Result<(), Stopping> {
        if !W::NAME.queue().claimed {
            let ended = self.run(&event, std::future::pending()).await;
            return self.conclude(delivery, &event, None, ended).await;
        }
        let key = ClaimKey { worker: W::NAME, event: event.id, replay: event.replay };
        let lease = self.context.config.harness.lease;
        match self.insist("the ledger", || claim::ask(&self.context.ledger, key, lease)).await? {
            Asked::Granted(held) => {
                let ended = self.run(&event, held.lost()).await;
                self.conclude(delivery, &event, Some(&held), ended).await
            }
            Asked::Done(outcomes) => {
                debug!("was done before; its outcomes are published again");
                self.count("repeated");
                self.publish_and_ack(delivery, &outcomes).await
            }
            Asked::Elsewhere(left) => {
                self.count("elsewhere");
                self.moved(delivery.retry(left.clamp(ASK_AGAIN.0, ASK_AGAIN.1), Failures::AsBefore)).await;
                Ok(())
            }
        }
    }

    async fn run(&self, event: &Event, lost: impl Future<Output = ()>) -> Ended {
        let _running = self.context.metrics.running(W::NAME);
        let work = AssertUnwindSafe(self.worker.handle(event)).catch_unwind();
        tokio::select! {
            returned = work => match returned {
                Ok(result) => Ended::Returned(result),
                Err(panic) => Ended::Panicked(panic_text(panic.as_ref())),
            },
            () = tokio::time::sleep(W::NAME.queue().deadline) => Ended::OverDeadline,
            () = lost => Ended::ClaimLost,
            () = self.hand_back.cancelled() => Ended::HandedBack,
        }
    }

    async fn conclude(
        &self,
        delivery: Delivery,
        event: &Event,
        held: Option<&Held<'_>>,
        ended: Ended,
    ) -> Result<(), Stopping> {
        match ended {
            Ended::Returned(Ok(outcomes)) => self.done(delivery, event, held, &outcomes).await,
            Ended::Returned(Err(Failure::NotYet { after, reason })) => {
                info!(reason, "waits {after:?}: {reason}");
                self.release(held, &reason, false).await?;
                self.count("not_yet");
                // A wait is looked at for days; hiccups that each went by must not add up to its end.
                self.moved(delivery.retry(after, Failures::Over)).await;
                Ok(())
            }
            Ended::Returned(Err(Failure::Transient(error))) => self.failed(delivery, held, &chain(&error), false).await,
            Ended::Returned(Err(Failure::Permanent(error))) => self.failed(delivery, held, &chain(&error), true).await,
            Ended::Panicked(text) => self.failed(delivery, held, &format!("the worker panicked: {text}"), false).await,
            Ended::OverDeadline => {
                let text = format!("not done within {:?}", W::NAME.queue().deadline);
                self.failed(delivery, held, &text, false).await
            }
            Ended::ClaimLost => {
                warn!("another run took the claim over; this one is dropped");
                self.count("claim_lost");
                self.moved(delivery.retry(ASK_AGAIN.1, Failures::AsBefore)).await;
                Ok(())
            }
            Ended::HandedBack => {
                self.count("handed_back");
                if let Some(held) = held {
                    let _best_effort = held.release("the service stopped", false).await;
                }
                Err(Stopping)
            }
        }
    }

    async fn done(
        &self,
        delivery: Delivery,
        event: &Event,
        held: Option<&Held<'_>>,
        outcomes: &Outcomes,
    ) -> Result<(), Stopping> {
        let messages = messages::<W>(event, outcomes);
        if let Some(held) = held
            && !self.insist("the ledger", || held.complete(&messages, outcomes.kept())).await?
        {
            let why = "another run ended while this one did, with this claim or from the same state; that one counts";
            warn!("{why}");
            // Where the claim is still ours, what comes next may have it.
            self.release(Some(held), why, false).await?;
            self.count("claim_lost");
            self.moved(delivery.retry(ASK_AGAIN.0, Failures::AsBefore)).await;
            return Ok(());
        }
        for outcome in outcomes.iter() {
            if let Outcome::Ignored { reason } = outcome {
                info!(reason, "ignored: {reason}");
            }
        }
        self.count("done");
        self.publish_and_ack(delivery, &messages).await
    }

    async fn publish_and_ack(&self, delivery: Delivery, messages: &[Message]) -> Result<(), Stopping> {
        // What the bus will never take must not hold a place for ever: waiting would not help.
        let publish = async || match self.context.bus.publish(messages).await {
            Err(BusError::Refused(why)) => Ok(Some(why)),
            published => published.map(|()| None),
        };
        let refused = if messages.is_empty() { None } else { self.insist("the bus", publish).await? };
        if let Some(why) = refused {
            error!(error = why, "its outcomes cannot be published: {why}");
            self.count("parked");
            self.moved(delivery.park(&format!("it was done, but its outcomes cannot be published: {why}"))).await;
        } else {
            report(delivery.ack().await);
        }
        Ok(())
    }

    async fn failed(
        &self,
        delivery: Delivery,
        held: Option<&Held<'_>>,
        reason: &str,
        permanent: bool,
    ) -> Result<(), Stopping> {
        let attempt = delivery.failures + 1;
        let dead = permanent || attempt >= W::NAME.queue().attempts;
        let reason = bounded(reason);
        self.release(held, reason, dead).await?;
        if dead {
            error!(attempt, permanent, error = reason, "failed for good, after {attempt} attempts: {reason}");
            sentry::capture_message(&format!("{}: {reason}", W::NAME), sentry::Level::Error);
            self.count("parked");
            self.moved(delivery.park(reason)).await;
        } else {
            let wait = backoff(delivery.failures);
            warn!(attempt, error = reason, "failed, tries again in {wait:?}: {reason}");
            self.count("retried");
            self.moved(delivery.retry(wait, Failures::OneMore)).await;
        }
        Ok(())
    }

    async fn release(&self, held: Option<&Held<'_>>, reason: &str, parked: bool) -> Result<(), Stopping> {
        match held {
            Some(held) => self.insist("the ledger", || held.release(reason, parked)).await,
            None => Ok(()),
        }
    }

    async fn insist<T, E: Away, F: Future<Output = Result<T, E>>>(
        &self,
        what: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, Stopping> {
        insist(what, &self.hand_back, attempt).await.ok_or(Stopping)
    }

    /// Waits until a delivery is moved on, which what is large may take long for. When the grace period ends first, it
    /// is handed back.
    async fn moved(&self, moving: impl Future<Output = Result<(), BusError>>) {
        tokio::select! {
            biased;
            moved = moving => report(moved),
            () = self.hand_back.cancelled() => warn!("stops before the delivery is moved on; it comes again"),
        }
    }

    fn count(&self, outcome: &'static str) {
        self.context.metrics.deliveries.get_or_create(&RunLabels::new(W::NAME, outcome)).inc();
    }
}

/// A delivery that could not be settled comes again, and is recognised; so this is worth a line and no more.
fn report(settled: Result<(), BusError>) {
    if let Err(error) = settled {
        warn!(%error, "the delivery may come again: {error}");
    }
}

fn messages<W: Worker>(cause: &Event, outcomes: &Outcomes) -> Vec<Message> {
    let now = jiff::Timestamp::now();
    let source = format!("/workers/{}", W::NAME);
    let to_event = |outcome: &Outcome| match outcome {
        Outcome::Event { subject, data } => cause.outcome(source.clone(), subject.clone(), now, (**data).clone()),
        Outcome::Ignored { reason } => {
            let data = EventIgnored { app: cause.app().cloned(), worker: W::NAME, reason: reason.clone() };
            cause.outcome(source.clone(), W::NAME.to_string(), now, data)
        }
    };
    let in_chain = |event: Event| Event { correlation: outcomes.chain().unwrap_or(event.correlation), ..event };
    outcomes.iter().map(|outcome| in_chain(to_event(outcome)).to_message()).collect()
}

/// The ladder's steps, less up to a fifth, so that what failed together does not come back together.
fn backoff(failures: u32) -> Duration {
    let steps = topology::RETRY_STEPS;
    let step = steps[usize::try_from(failures).unwrap_or(usize::MAX).min(steps.len() - 1)];
    step.mul_f64(rand::rng().random_range(0.8..=1.0))
}

/// The error and its causes on one line, outermost first.
fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(REASON_BYTES)]
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
