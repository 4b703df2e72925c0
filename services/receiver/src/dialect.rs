//! What each kind of sender's requests look like: a row a kind. Headers only; what bodies mean is the normalizer's.

use std::time::Duration;

use runtime::config::{GITHUB_EVENTS, SourceKind};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const CLOUDEVENT: &str = "application/cloudevents+json";
/// The attributes of a `CloudEvent` in binary mode (`CloudEvents` HTTP binding 1.0.2, 3.1.3).
const CLOUDEVENT_HEADERS: &[&str] =
    &["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-datacontenttype"];
/// Slack shows an error to the person who clicked after three seconds (docs.slack.dev, "Handling user interaction").
const OF_SLACK: Duration = Duration::from_secs(2);
/// What of Slack's bodies lets whoever reads it act: the verification token, with which old apps take anybody for Slack;
/// addresses that take messages into the channel for half an hour; ids that open dialogs; and the tokens of workflows
/// (docs.slack.dev, "Handling user interaction", "`block_actions` payload", "Interactivity in workflows").
const SECRET_OF_SLACK: &[&str] =
    &["token", "response_url", "trigger_id", "bot_access_token", "interactivity_pointer", "secret"];
/// What tells one of them from another (`CloudEvents` 1.0.2, 3.1.1: `source` and `id` together).
const CLOUDEVENT_ID: &[&str] = &["ce-source", "ce-id"];

/// One kind of sender.
pub(crate) struct Row {
    /// Its bodies' media types.
    pub(crate) media: &'static [&'static str],
    /// The header that names the event, and whether a request without it is malformed.
    pub(crate) event: Option<Required>,
    /// Other headers that must be there.
    pub(crate) required: &'static [&'static str],
    /// Headers that go along. Never one that is a proof.
    pub(crate) kept: &'static [&'static str],
    /// Names in its bodies, which are forms, whose values must not be kept: they are needed no more once it is proven.
    pub(crate) secret: &'static [&'static str],
    /// What tells one webhook from another, where its sender did not sign an id of its own.
    pub(crate) identity: Identity,
    /// Whether it is answered 200 and nothing: what else it gets, it shows to the person who clicked as an error.
    pub(crate) silent: bool,
    /// How long the bus may take before the webhook goes to the spool, where that must be sooner than for others.
    pub(crate) patience: Duration,
}

/// A header that names the event.
pub(crate) struct Required(pub(crate) &'static str);

/// What tells one webhook from another: the first of these that it has. One that has none of them is one of its own,
/// for two that are the same to the byte can both be meant.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    /// What stands at this JSON pointer in its body: what else is in it may differ when it is sent again.
    pub(crate) own: Option<&'static str>,
    /// These headers together with the bytes of its body: the event's id is in one, and its proof covers none.
    pub(crate) headers: &'static [&'static str],
    /// The bytes of its body: it holds ids or times, and whoever sends it again repeats the bytes.
    pub(crate) bytes: bool,
}

impl Identity {
    const NOTHING: Self = Self { own: None, headers: &[], bytes: false };
    const BYTES: Self = Self { bytes: true, ..Self::NOTHING };
}

/// The row of a kind.
pub(crate) fn row(kind: SourceKind) -> Row {
    let plain = Row {
        media: &[JSON],
        event: None,
        required: &[],
        kept: &[],
        secret: &[],
        identity: Identity::BYTES,
        silent: false,
        patience: Duration::MAX,
    };
    match kind {
        SourceKind::Github => Row {
            media: &[JSON, FORM],
            event: Some(Required("X-GitHub-Event")),
            // The delivery's GUID lies outside the signature, so it tells nothing apart; it goes along for people.
            required: &["X-GitHub-Delivery"],
            kept: &[
                "x-github-event",
                "x-github-delivery",
                "x-github-hook-id",
                "x-github-hook-installation-target-type",
                "x-github-hook-installation-target-id",
            ],
            ..plain
        },
        SourceKind::Gitlab => Row {
            event: Some(Required("X-Gitlab-Event")),
            kept: &["x-gitlab-event", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid", "x-gitlab-instance"],
            // A branch may be put back to where it was; a retry repeats the key, which those before 17.4 do not send.
            identity: Identity { headers: &["idempotency-key"], ..Identity::NOTHING },
            ..plain
        },
        SourceKind::Gitea => Row {
            media: &[JSON, FORM],
            event: Some(Required("X-Gitea-Event")),
            kept: &["x-gitea-event", "x-gitea-event-type", "x-gitea-delivery"],
            ..plain
        },
        // Cloud's pushes hold no time, and its request's id is not signed: a push that is repeated to the byte counts as
        // the first one's repeat.
        SourceKind::Bitbucket => Row {
            event: Some(Required("X-Event-Key")),
            kept: &["x-event-key", "x-hook-uuid", "x-request-uuid", "x-request-id"],
            ..plain
        },
        SourceKind::Nexus => Row { kept: &["x-nexus-webhook-id", "x-nexus-webhook-delivery"], ..plain },
        SourceKind::Harbor => {
            let identity = Identity { headers: CLOUDEVENT_ID, ..Identity::BYTES };
            Row { media: &[JSON, CLOUDEVENT], kept: CLOUDEVENT_HEADERS, identity, ..plain }
        }
        SourceKind::CloudEvents => {
            let media = &[JSON, CLOUDEVENT, "application/cloudevents-batch+json"];
            let identity = Identity { headers: CLOUDEVENT_ID, ..Identity::BYTES };
            Row { media, kept: CLOUDEVENT_HEADERS, identity, ..plain }
        }
        SourceKind::Distribution => Row {
            media: &[
                "application/vnd.docker.distribution.events.v1+json",
                "application/vnd.docker.distribution.events.v2+json",
                JSON,
            ],
            ..plain
        },
        // Pub/Sub counts its attempts in the body. Unwrapped, the id is in a header if metadata is written, else nowhere;
        // a tag that is put back to where it was is then the same bytes.
        SourceKind::GoogleArtifactRegistry => Row {
            kept: &["x-goog-pubsub-message-id"],
            identity: Identity {
                own: Some("/message/messageId"),
                headers: &["x-goog-pubsub-message-id"],
                ..Identity::NOTHING
            },
            ..plain
        },
        // Neither id nor time: two pushes of one tag are the same bytes. Of what others send nobody knows; `read.id` may.
        SourceKind::Quay | SourceKind::Artifactory | SourceKind::Generic => {
            Row { identity: Identity::NOTHING, ..plain }
        }
        // Each click has an id and a time of its own in the body.
        SourceKind::Slack => Row {
            media: &[FORM],
            kept: &["x-slack-request-timestamp"],
            secret: SECRET_OF_SLACK,
            silent: true,
            patience: OF_SLACK,
            ..plain
        },
        // Its id is signed with the body, unless it was set up to prove itself otherwise.
        SourceKind::StandardWebhooks => Row {
            kept: &["webhook-id", "webhook-timestamp"],
            identity: Identity { headers: &["webhook-id"], ..Identity::NOTHING },
            ..plain
        },
        SourceKind::AzureDevops | SourceKind::DockerHub | SourceKind::Acr | SourceKind::AliyunAcr | SourceKind::Ecr => {
            plain
        }
    }
}

/// Why an event of this name is not kept, if it is not.
pub(crate) fn ignored(kind: SourceKind, event: &str) -> Option<String> {
    const PING: &str = "a ping: the webhook is set up rightly, and authentic";
    match (kind, event) {
        (SourceKind::Github, "ping") | (SourceKind::Bitbucket, "diagnostics:ping") => Some(PING.to_owned()),
        (SourceKind::Github, other) if !GITHUB_EVENTS.contains(&other) => {
            Some(format!("nobody here hears `{other}`; of use are {}", GITHUB_EVENTS.join(", ")))
        }
        _ => None,
    }
}

/// A header's name as an attribute's: without `-`.
pub(crate) fn attribute(header: &str) -> String {
    header.replace('-', "")
}
