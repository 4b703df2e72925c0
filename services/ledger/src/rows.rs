//! What goes into the ledger and comes out, whichever database keeps it.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::{AppName, Digest, EventId, EventType, Message, Timestamp, WorkerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a claim is on: one worker's run of one event, in one replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// Who runs.
    pub worker: WorkerName,
    /// What is run.
    pub event: EventId,
    /// The event's replay count.
    pub replay: u32,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is yours. `takeover`: somebody's lease ran out before, so the effect may have happened already.
    Granted {
        /// Whether an earlier owner vanished.
        takeover: bool,
    },
    /// It was done before, with these outcomes.
    Done {
        /// What was published then, and is to be published again.
        outcomes: Vec<Message>,
    },
    /// Somebody alive has it.
    Held {
        /// When their lease ends unless they extend it.
        until: Timestamp,
    },
}

/// What a run leaves for the next of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Under which name.
    pub name: String,
    /// One more than what it was made from; the first is 1. Of two that were made from the same, one is kept.
    pub version: u32,
    /// What; the ledger does not read it.
    pub state: String,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Claimed; the lease may have run out.
    Running,
    /// Done, with outcomes kept.
    Done,
    /// Failed and let go; another attempt comes.
    Failed,
    /// Failed for good; its delivery is among the dead letters.
    Parked,
}

/// One worker's run of an event.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Run {
    /// Who ran.
    pub worker: WorkerName,
    /// In which replay.
    pub replay: u32,
    /// Where it stands.
    pub state: RunState,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it was first claimed.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it was done or last failed.
    #[schemars(with = "Option<String>")]
    pub finished_at: Option<Timestamp>,
    /// The last failure.
    pub error: Option<String>,
    /// How many outcomes it has.
    pub outcomes: u32,
}

/// Which events to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this type.
    pub kind: Option<EventType>,
    /// Of this app.
    pub app: Option<AppName>,
    /// Of this chain.
    pub correlation: Option<EventId>,
    /// Whose cause is this event; no index serves it, so give a time as well.
    pub cause: Option<EventId>,
    /// Whose id begins so, in lower-case hex with hyphens.
    pub id_prefix: Option<String>,
    /// That happened at or after this.
    pub since: Option<Timestamp>,
    /// That happened before this.
    pub until: Option<Timestamp>,
    /// Whose place in the history is behind this one.
    pub after: Option<i64>,
    /// Whose place in the history is before this one.
    pub before: Option<i64>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// An event of the past: as it travelled, or as lists have it ([`Outline`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<M = Message> {
    /// Its place in the history; grows.
    pub seq: i64,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// The event.
    pub message: M,
}

impl Recorded {
    /// The same as lists have it, with all that it carries.
    pub fn outline(&self) -> Recorded<Outline> {
        Recorded { seq: self.seq, recorded_at: self.recorded_at, message: (&self.message).into() }
    }
}

/// A message as lists have it. A page of raw webhooks can carry gigabytes that nobody asked to see, so of what a message
/// carries a list reads no more than it may show; the whole is read for one message alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Its attributes, as they travelled.
    pub attributes: BTreeMap<String, String>,
    /// Of which type its body is.
    pub content_type: String,
    /// How many bytes its body has.
    pub bytes: u64,
    /// The body. Lists have none of an event that is a raw webhook, nor of more than [`Outline::MOST`] bytes.
    pub body: Option<Bytes>,
}

impl Outline {
    /// The most bytes of a body that lists read. What workers make is far below: of a test step they keep 8 KiB.
    pub const MOST: u32 = 64 * 1024;

    /// The attribute, or the empty string.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl From<&Message> for Outline {
    fn from(message: &Message) -> Self {
        let Message { attributes, content_type, body } = message.clone();
        Self { attributes, content_type, bytes: body.len() as u64, body: Some(body) }
    }
}

/// What proved a source's webhooks: a secret, or another way to prove oneself.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    /// The secret's reference, or the way's name. A very long one is cut, and known again by [`Proven::is_by`].
    pub by: String,
    /// How many it proved.
    pub count: u64,
    /// When the first of them came.
    pub first: Timestamp,
    /// When the last did.
    pub last: Timestamp,
}

/// Dead letters of one worker that nobody has replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLetters {
    /// Whose queue they came from; `None` when no queue took them.
    pub worker: Option<WorkerName>,
    /// How many there are.
    pub count: u64,
    /// When the oldest was given up.
    pub oldest: Timestamp,
}

/// A dead letter to keep: its message as it was published, or as lists have it ([`Outline`]).
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeadLetter<M = Message> {
    /// The message.
    pub message: M,
    /// Whose queue it came from; `None` when no queue took it.
    pub worker: Option<WorkerName>,
    /// The error and its causes.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub parked_at: Timestamp,
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDeadLetter<M = Message> {
    /// Its id here.
    pub id: Uuid,
    /// What died, of what.
    pub letter: NewDeadLetter<M>,
    /// When it was last replayed, if it was.
    pub replayed_at: Option<Timestamp>,
    /// Who did.
    pub replayed_by: Option<String>,
}

impl StoredDeadLetter {
    /// The same as lists have it, with all that it carries.
    pub fn outline(&self) -> StoredDeadLetter<Outline> {
        let Self { id, letter, replayed_at, replayed_by } = self.clone();
        let NewDeadLetter { message, worker, reason, attempts, parked_at } = letter;
        let letter = NewDeadLetter { message: Outline::from(&message), worker, reason, attempts, parked_at };
        StoredDeadLetter { id, letter, replayed_at, replayed_by }
    }
}

/// Which dead letters to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct DeadFilter {
    /// From this worker's queue.
    pub worker: Option<WorkerName>,
    /// Parked at or after this.
    pub since: Option<Timestamp>,
    /// Parked before this.
    pub until: Option<Timestamp>,
    /// Whose reason holds this text, case-insensitive.
    pub text: Option<String>,
    /// Whose id begins so, in lower-case hex with hyphens.
    pub id_prefix: Option<String>,
    /// Replayed ones as well.
    pub with_replayed: bool,
    /// Only what is listed behind the dead letter with this id; nothing where there is none.
    pub before: Option<Uuid>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// How far a place was swept for what never came.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    /// What is older need not be looked at again.
    pub watermark: Option<Timestamp>,
    /// When a sweep last went well.
    pub swept_at: Option<Timestamp>,
    /// What the last sweep left for this one; the ledger does not read it.
    pub left: Option<String>,
}

/// How a sweep ended. Absent is what stays as it was, but for the trouble.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SweepEnd {
    /// What is older need not be looked at again.
    pub watermark: Option<Timestamp>,
    /// What it leaves for the next one.
    pub left: Option<String>,
    /// What it could not do, in words for people; absent when there is nothing of the kind.
    pub trouble: Option<String>,
}

/// How it stands with the sweeps of a place.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepState {
    /// The place's name here.
    pub target: String,
    /// When a sweep last went well.
    pub swept_at: Option<Timestamp>,
    /// When one last ended, well or not.
    pub ended_at: Option<Timestamp>,
    /// What that one could not do.
    pub trouble: Option<String>,
    /// Whether one is under way.
    pub under_way: bool,
    /// Until when that one waits, as far as it said lately: the sender's limits are to be kept.
    pub waits_until: Option<Timestamp>,
}

/// A delivery that its sender was asked to send again.
#[derive(Debug, Clone, PartialEq)]
pub struct Redelivery {
    /// The sender's id of it.
    pub delivery: String,
    /// How often it was asked.
    pub times: u32,
    /// When it was last asked.
    pub asked_at: Timestamp,
    /// The attempt it was asked for by, as the sender numbers them, if that was noted.
    pub attempt: Option<i64>,
    /// When it was first attempted, if that was noted.
    pub first_at: Option<Timestamp>,
}

/// What is to be noted of a delivery that its sender was asked to send again.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedFor {
    /// The sender's id of it.
    pub delivery: String,
    /// By how much the count of its tries grows.
    pub times: u32,
    /// The attempt to ask for it by next time.
    pub attempt: Option<i64>,
    /// When it was first attempted.
    pub first_at: Option<Timestamp>,
}

/// What a tag stood for when it was last looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenTag {
    /// What it stood for.
    pub digest: Digest,
    /// How often that has changed since it was first seen.
    pub changes: u32,
    /// Since when it has stood for that, as far as was seen.
    pub seen_at: Timestamp,
}
