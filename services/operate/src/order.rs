//! Orders of people: let in, keep out, hold, take back, release, settle. An order is an event like any other, so it is
//! recorded with who and why, and survives whatever is away just then.

use bus::Bus;
use ledger::Ledger;
use proto::{
    AppName, ApprovalGranted, ApprovalRejected, Data, EnvironmentName, Event, EventId, FixSettled, HoldChanged,
    QuarantineReleased, RollbackRequested, Timestamp,
};
use runtime::Config;

use crate::{Beginning, OperateError, Result, find, word};

pub use crate::word::Word;

/// An order that is sure of what it names, and not published yet.
#[derive(Debug, Clone)]
pub struct Order {
    subject: String,
    data: Data,
    /// What it answers.
    asked: Option<Event>,
    /// Since when there is what it is about.
    after: Option<Timestamp>,
}

/// Keeps everything automatic away from an environment, or lets it in again.
pub fn hold(config: &Config, app: AppName, environment: EnvironmentName, held: bool, word: Word) -> Result<Order> {
    find::environment(config, &app, &environment)?;
    let Word { by, reason } = word;
    Ok(Order::new(environment.to_string(), HoldChanged { app, environment, held, by, reason }))
}

/// Takes an environment back to what was healthy there: to what is named, or to the last.
pub fn rollback(
    config: &Config,
    app: AppName,
    environment: EnvironmentName,
    to: Option<String>,
    word: Word,
) -> Result<Order> {
    find::environment(config, &app, &environment)?;
    let Word { by, reason } = word;
    Ok(Order::new(environment.to_string(), RollbackRequested { app, environment, to, by, reason }))
}

/// Lets what waits under an id into its environment, or keeps it out. Whether the answer counts, the chain decides.
pub async fn answer(
    ledger: &Ledger,
    wanted: &Beginning,
    granted: bool,
    by: String,
    comment: Option<String>,
) -> Result<Order> {
    let comment = comment.map(|comment| word::comment(&comment)).transpose()?;
    let find::Asked { app, environment, waiting } = find::waiting(ledger, wanted).await?;
    let approval = waiting.approval();
    let subject = format!("{approval} by {by}");
    let data = if granted {
        Data::from(ApprovalGranted { approval, app, environment, by, comment })
    } else {
        Data::from(ApprovalRejected { approval, app, environment, by, comment })
    };
    // An answer belongs to the chain of what waits.
    let recorded = ledger.event(approval).await?;
    let asked = recorded.and_then(|recorded| Event::from_message(&recorded.message).ok());
    Ok(Order { subject, data, asked, after: None })
}

/// Lets a quarantined digest be deployed again.
pub async fn release(ledger: &Ledger, app: AppName, wanted: &Beginning, word: Word) -> Result<Order> {
    let (digest, barred) = find::barred(ledger, &app, wanted).await?;
    let Word { by, reason } = word;
    let order = Order::new(digest.to_string(), QuarantineReleased { app, digest, by, reason });
    Ok(Order { after: Some(barred.at), ..order })
}

/// Says that a fix of the fast path need not come back into a deploy branch.
pub async fn settle(ledger: &Ledger, app: AppName, wanted: &Beginning, word: Word) -> Result<Order> {
    let owed = find::owed(ledger, &app, wanted).await?;
    let (commit, note, Word { by, reason }) = (owed.commit, owed.note, word);
    Ok(Order::new(commit.to_string(), FixSettled { app, commit, note, by, reason }))
}

impl Order {
    fn new(subject: String, data: impl Into<Data>) -> Self {
        Self { subject, data: data.into(), asked: None, after: None }
    }

    /// The id of an order that is given under a key: the very same order of the same person under the same key is one.
    pub fn id(&self, key: &str) -> EventId {
        EventId::of_order(self.data.kind(), &self.data.to_json().to_string(), key)
    }

    /// The order as an event from this source, with this id. An answer that did not count, because of a rule that has
    /// been mended since, say, can so be given once more.
    pub fn into_event(self, source: &str, id: EventId) -> Event {
        let (source, now) = (source.to_owned(), Timestamp::now());
        // Whoever orders knows what has happened, even by a clock that is behind.
        let now = self.after.map_or(now, |after| after.max(now));
        match self.asked {
            Some(asked) => Event { id, ..asked.outcome(source, self.subject, now, self.data) },
            None => Event::first(id, source, self.subject, now, self.data),
        }
    }
}

/// Publishes an order; returns once it is durable.
pub async fn publish(bus: &Bus, order: &Event) -> Result<()> {
    let failed = |source| OperateError::Unpublished { what: "publishing the order; nothing was ordered", source };
    bus.publish(&[order.to_message()]).await.map_err(failed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proto::ReleaseWaiting;

    use super::*;

    fn granted(asked: Option<Event>, after: Option<Timestamp>) -> Order {
        let (app, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
        let data =
            ApprovalGranted { approval: EventId::fresh(), app, environment, by: "ada".to_owned(), comment: None };
        Order { asked, after, ..Order::new("an approval by ada".to_owned(), data) }
    }

    #[test]
    fn an_answer_is_given_once_more_by_another_id_and_belongs_to_what_it_answers() {
        let waits = ReleaseWaiting {
            app: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            release: proto::Release::new(),
            reason: proto::BumpReason::Promotion,
            lane: proto::Lane::Deploy,
            waits_for: "1 approval".to_owned(),
            pull_request: None,
            tell: false,
        };
        let asked = Event::first(EventId::fresh(), "/x".to_owned(), "production".to_owned(), Timestamp::now(), waits);
        for id in [EventId::fresh(), EventId::fresh()] {
            let answer = granted(Some(asked.clone()), None).into_event("/windlass", id);
            assert_eq!((answer.id, answer.cause, answer.correlation), (id, Some(asked.id), asked.correlation));
        }
    }

    #[test]
    fn an_order_comes_after_what_it_is_about_whatever_the_clock_says() {
        let ahead: Timestamp = "2200-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(granted(None, Some(ahead)).into_event("/windlass", EventId::fresh()).time, ahead);
        let behind = Timestamp::UNIX_EPOCH;
        assert!(granted(None, Some(behind)).into_event("/windlass", EventId::fresh()).time > behind);
    }
}
