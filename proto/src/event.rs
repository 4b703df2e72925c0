//! An event and its two forms: [`Event`], which code works with, and [`Message`], which buses and ledgers carry.

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    AppName, DecodeError, EventId, JSON, Message, Timestamp,
    orders::{
        ApprovalAnswered, ApprovalGranted, ApprovalRejected, ApprovalRequested, FixSettled, HoldChanged,
        QuarantineReleased, ReleaseWaiting, RollbackRequested,
    },
    payload::{
        DeliveryParked, EventIgnored, HealthReported, ImageBuilt, ImageFailed, ImagePushed, ManifestBumped,
        PullRequestReceived, PushReceived, ScanFinished, SyncFinished, TestsFinished, WebhookReceived,
    },
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique; the same thing happening twice carries the same id twice.
    pub id: EventId,
    /// Who says so: `/webhooks/<source>`, `/workers/<worker>` or `/reconciler`.
    pub source: String,
    /// What it is about, within its type and app; part of an outcome's derived id.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// The webhook that began the chain; on the wire the event's own id unless it says another.
    pub correlation: EventId,
    /// The event this one is an outcome of.
    pub cause: Option<EventId>,
    /// W3C Trace Context, as it came or was begun.
    pub traceparent: Option<String>,
    /// How often an operator has replayed the chain up to here; 0 the first time, and on the wire unless it says more.
    /// Outcomes inherit it.
    pub replay: u32,
    /// What happened.
    pub data: Data,
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal),+ $(,)?) => {
        /// What can happen, as past facts. The text form is the CloudEvents `type` and begins the routing key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum EventType {
            /// The raw bytes of an authenticated webhook.
            #[serde(rename = "webhook.received")]
            WebhookReceived,
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl EventType {
            /// Every type, in the order of the chain.
            pub const ALL: &'static [Self] = &[Self::WebhookReceived, $(Self::$variant),+];

            /// The CloudEvents `type`.
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::WebhookReceived => "webhook.received",
                    $(Self::$variant => $name,)+
                }
            }
        }

        /// What an event says, by type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Data {
            /// The raw bytes of an authenticated webhook.
            WebhookReceived(WebhookReceived),
            $($(#[$doc])* $variant($payload),)+
        }

        impl Data {
            /// The type this data belongs to.
            pub fn kind(&self) -> EventType {
                match self {
                    Self::WebhookReceived(_) => EventType::WebhookReceived,
                    $(Self::$variant(_) => EventType::$variant,)+
                }
            }

            fn to_body(&self) -> Bytes {
                match self {
                    Self::WebhookReceived(webhook) => webhook.body.clone(),
                    $(Self::$variant(data) => json_body(data),)+
                }
            }

            fn from_message(kind: EventType, message: &Message) -> Result<Self, DecodeError> {
                let body = |why| DecodeError::Body { kind, why };
                match kind {
                    EventType::WebhookReceived => WebhookReceived::from_message(message).map(Self::WebhookReceived),
                    $(EventType::$variant => serde_json::from_slice(&message.body).map(Self::$variant).map_err(body),)+
                }
            }

            /// The payload as JSON, for people and pages. A raw webhook shows its headers, not its body.
            pub fn to_json(&self) -> serde_json::Value {
                match self {
                    Self::WebhookReceived(webhook) => webhook.describe(),
                    $(Self::$variant(data) => serde_json::to_value(data).unwrap_or_default(),)+
                }
            }
        }

        $(impl From<$payload> for Data {
            fn from(data: $payload) -> Self {
                Self::$variant(data)
            }
        })+

        pub(crate) fn payload_schemas() -> Vec<(EventType, schemars::Schema)> {
            vec![$((EventType::$variant, schemars::schema_for!($payload))),+]
        }
    };
}

events! {
    /// A branch moved to a new commit.
    PushReceived(PushReceived) = "push.received",
    /// A pull request was opened, changed or closed.
    PullRequestReceived(PullRequestReceived) = "pull_request.received",
    /// A commit's test steps ended, red or green.
    TestsFinished(TestsFinished) = "tests.finished",
    /// A commit's scans ended, with the verdict over their findings.
    ScanFinished(ScanFinished) = "scan.finished",
    /// An image of a commit is in the registry, and we built it.
    ImageBuilt(ImageBuilt) = "image.built",
    /// An image of a commit could not be built from what is in the commit.
    ImageFailed(ImageFailed) = "image.failed",
    /// A registry says that an image was pushed.
    ImagePushed(ImagePushed) = "image.pushed",
    /// The GitOps repository asks for another release in an environment.
    ManifestBumped(ManifestBumped) = "manifest.bumped",
    /// The environment was brought to that revision, or could not be.
    SyncFinished(SyncFinished) = "sync.finished",
    /// The verdict over a deployment, with its evidence.
    HealthReported(HealthReported) = "health.reported",
    /// A release may not go to an environment yet; it says for what it waits.
    ReleaseWaiting(ReleaseWaiting) = "release.waiting",
    /// A release waits for people to let it into an environment.
    ApprovalRequested(ApprovalRequested) = "approval.requested",
    /// A person lets a release into an environment.
    ApprovalGranted(ApprovalGranted) = "approval.granted",
    /// A person keeps a release out of an environment.
    ApprovalRejected(ApprovalRejected) = "approval.rejected",
    /// What became of a person's answer.
    ApprovalAnswered(ApprovalAnswered) = "approval.answered",
    /// A person holds an environment as it is, or lets it go.
    HoldChanged(HoldChanged) = "hold.changed",
    /// A person wants an environment taken back to what was healthy there.
    RollbackRequested(RollbackRequested) = "rollback.requested",
    /// A person lets a quarantined digest be deployed again.
    QuarantineReleased(QuarantineReleased) = "quarantine.released",
    /// A fix that took the fast path is owed to the deploy branches no more.
    FixSettled(FixSettled) = "fix.settled",
    /// A worker looked at an event and rightly did nothing; it says why.
    EventIgnored(EventIgnored) = "event.ignored",
    /// A worker could not handle a delivery; it lies among the dead letters until somebody replays it.
    DeliveryParked(DeliveryParked) = "delivery.parked",
}

impl From<WebhookReceived> for Data {
    fn from(data: WebhookReceived) -> Self {
        Self::WebhookReceived(data)
    }
}

/// Our payloads are structs of strings, numbers and maps with string keys: serialising them cannot fail.
fn json_body<T: Serialize>(data: &T) -> Bytes {
    #[expect(clippy::expect_used, reason = "the invariant above; the golden samples run it for every type")]
    serde_json::to_vec(data).expect("a payload is serialisable").into()
}

impl Event {
    /// A new event that begins a chain: its correlation is its own id.
    pub fn first(id: EventId, source: String, subject: String, time: Timestamp, data: impl Into<Data>) -> Self {
        let data = data.into();
        Self { id, source, subject, time, correlation: id, cause: None, traceparent: None, replay: 0, data }
    }

    /// An outcome of this event: id derived from it, correlation, trace and replay inherited.
    #[must_use]
    pub fn outcome(&self, source: String, subject: String, time: Timestamp, data: impl Into<Data>) -> Self {
        let data = data.into();
        Self {
            id: EventId::of_outcome(self.id, data.kind(), data.app(), &subject),
            source,
            subject,
            time,
            correlation: self.correlation,
            cause: Some(self.id),
            traceparent: self.traceparent.clone(),
            replay: self.replay,
            data,
        }
    }

    /// The event's type.
    pub fn kind(&self) -> EventType {
        self.data.kind()
    }

    /// The app it belongs to, if to any.
    pub fn app(&self) -> Option<&AppName> {
        self.data.app()
    }

    /// The wire form.
    pub fn to_message(&self) -> Message {
        let mut attributes = BTreeMap::from([
            ("specversion".to_owned(), "1.0".to_owned()),
            ("id".to_owned(), self.id.to_string()),
            ("source".to_owned(), self.source.clone()),
            ("type".to_owned(), self.kind().as_str().to_owned()),
            ("subject".to_owned(), self.subject.clone()),
            ("time".to_owned(), self.time.to_string()),
        ]);
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), value);
            }
        };
        // What it is unless said is not said: each attribute costs a broker about a hundredth of a webhook's way.
        set("correlationid", (self.correlation != self.id).then(|| self.correlation.to_string()));
        set("replay", (self.replay != 0).then(|| self.replay.to_string()));
        set("causationid", self.cause.map(|id| id.to_string()));
        set("traceparent", self.traceparent.clone());
        set("app", self.app().map(ToString::to_string));
        let mut content_type = JSON.to_owned();
        if let Data::WebhookReceived(webhook) = &self.data {
            content_type.clone_from(&webhook.content_type);
            attributes.extend(webhook.attributes());
        }
        Message { attributes, content_type, body: self.data.to_body() }
    }

    /// Reads the wire form.
    pub fn from_message(message: &Message) -> Result<Self, DecodeError> {
        let kind: EventType = read(message, "type")?;
        let id: EventId = read(message, "id")?;
        Ok(Self {
            id,
            source: text(message, "source")?.to_owned(),
            subject: message.attribute("subject").to_owned(),
            time: read(message, "time")?,
            correlation: read_or(message, "correlationid", id)?,
            cause: read_optional(message, "causationid")?,
            traceparent: message.attributes.get("traceparent").cloned(),
            replay: read_or(message, "replay", 0)?,
            data: Data::from_message(kind, message)?,
        })
    }
}

pub(crate) fn text<'a>(message: &'a Message, name: &'static str) -> Result<&'a str, DecodeError> {
    message.attributes.get(name).map(String::as_str).ok_or(DecodeError::Missing(name))
}

pub(crate) fn read<T: FromStr<Err: fmt::Display>>(message: &Message, name: &'static str) -> Result<T, DecodeError> {
    let value = text(message, name)?;
    value.parse().map_err(|why: T::Err| DecodeError::Attribute { name, value: value.to_owned(), why: why.to_string() })
}

fn read_optional<T: FromStr<Err: fmt::Display>>(
    message: &Message,
    name: &'static str,
) -> Result<Option<T>, DecodeError> {
    message.attributes.contains_key(name).then(|| read(message, name)).transpose()
}

fn read_or<T: FromStr<Err: fmt::Display>>(message: &Message, name: &'static str, other: T) -> Result<T, DecodeError> {
    read_optional(message, name).map(|value| value.unwrap_or(other))
}

impl Data {
    /// The app this belongs to, if to any.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Self::WebhookReceived(_) => None,
            Self::PushReceived(d) => Some(&d.change.app),
            Self::PullRequestReceived(d) => Some(&d.change.app),
            Self::TestsFinished(d) => Some(&d.change.app),
            Self::ScanFinished(d) => Some(&d.change.app),
            Self::ImageBuilt(d) => Some(&d.change.app),
            Self::ImageFailed(d) => Some(&d.change.app),
            Self::ImagePushed(d) => Some(&d.app),
            Self::ManifestBumped(d) => Some(&d.deployment.app),
            Self::SyncFinished(d) => Some(&d.deployment.app),
            Self::HealthReported(d) => Some(&d.deployment.app),
            Self::ReleaseWaiting(d) => Some(&d.app),
            Self::ApprovalRequested(d) => Some(&d.app),
            Self::ApprovalGranted(d) => Some(&d.app),
            Self::ApprovalRejected(d) => Some(&d.app),
            Self::ApprovalAnswered(d) => Some(&d.app),
            Self::HoldChanged(d) => Some(&d.app),
            Self::RollbackRequested(d) => Some(&d.app),
            Self::QuarantineReleased(d) => Some(&d.app),
            Self::FixSettled(d) => Some(&d.app),
            Self::EventIgnored(d) => d.app.as_ref(),
            Self::DeliveryParked(d) => d.app.as_ref(),
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|t| t.as_str() == s)
            .ok_or_else(|| format!("unknown event type; known: {}", known()))
    }
}
