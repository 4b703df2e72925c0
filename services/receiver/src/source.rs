//! What each kind of sender may send, and how it identifies what it sends. Headers only: no body is read here.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::http::header::{self, HeaderMap};
use proto::{EventId, SourceName};
use runtime::config::{Source as Configured, SourceKind};

use crate::{
    answer::Refusal,
    proof::{Authentic, Unverified},
    secrets::{Key, Secrets},
};

/// GitHub's event types that somebody here hears. The others are answered 200 and not kept: an organisation's webhook
/// sends dozens of types.
const GITHUB_EVENTS: &[&str] = &["push", "pull_request", "package", "registry_package"];
const GITHUB_TYPES: &[&str] = &["application/json", "application/x-www-form-urlencoded"];
const DISTRIBUTION_TYPES: &[&str] = &[
    "application/vnd.docker.distribution.events.v1+json",
    "application/vnd.docker.distribution.events.v2+json",
    "application/json",
];
/// GitHub's headers that go along, by name and by their name in an event. Never `X-Hub-Signature…`, which is a proof.
const KEPT: &[(&str, &str)] = &[
    ("x-github-event", "xgithubevent"),
    ("x-github-delivery", "xgithubdelivery"),
    ("x-github-hook-id", "xgithubhookid"),
    ("x-github-hook-installation-target-type", "xgithubhookinstallationtargettype"),
    ("x-github-hook-installation-target-id", "xgithubhookinstallationtargetid"),
];
/// The longest value of a header that goes along, in bytes; GitHub's longest has 36.
const LONGEST_VALUE: usize = 128;

/// A configured sender.
pub(crate) struct Source {
    pub(crate) name: SourceName,
    pub(crate) kind: SourceKind,
    secrets: Secrets,
}

/// What an authentic request's headers say it is.
pub(crate) struct Described {
    /// The event's subject.
    pub(crate) subject: String,
    /// What goes along with the bytes.
    pub(crate) headers: BTreeMap<String, String>,
    /// Why it is not kept, if it is not.
    pub(crate) ignored: Option<String>,
}

impl Source {
    pub(crate) fn new(name: &SourceName, configured: &Configured) -> Self {
        Self { name: name.clone(), kind: configured.kind, secrets: Secrets::new(&configured.secrets) }
    }

    /// The request's content type, if the source may send it.
    pub(crate) fn content_type(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let allowed = match self.kind {
            SourceKind::Github => GITHUB_TYPES,
            SourceKind::Distribution => DISTRIBUTION_TYPES,
        };
        let value = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        if allowed.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
            Ok(value.to_owned())
        } else {
            Err(Refusal::WrongMediaType(allowed.join(", ")))
        }
    }

    /// Begins a verification with every secret that is valid now.
    pub(crate) fn unverified(&self, headers: &HeaderMap) -> Result<Unverified, Refusal> {
        let keys: Arc<[Key]> = self.secrets.keys();
        if keys.is_empty() {
            return Err(Refusal::NoSecret);
        }
        match self.kind {
            SourceKind::Github => Unverified::signed(headers, &keys),
            SourceKind::Distribution => Unverified::borne(headers, &keys),
        }
    }

    /// What the headers of an authentic request say. Asked after verification, so that only those who know a secret
    /// are told what is wrong with a header.
    pub(crate) fn describe(&self, headers: &HeaderMap, _proven: &Authentic) -> Result<Described, Refusal> {
        match self.kind {
            SourceKind::Github => describe_github(headers),
            SourceKind::Distribution => {
                Ok(Described { subject: "notification".to_owned(), headers: BTreeMap::new(), ignored: None })
            }
        }
    }

    /// The webhook's id: the digest of the bytes that were proven.
    ///
    /// - GitHub: the delivery's GUID lies outside the signature, so a captured body could be sent again under another.
    /// - Distribution: the body holds its events' ids and times, so no two are alike, and a sender that tries again
    ///   repeats the bytes.
    pub(crate) fn id(&self, body: &Authentic) -> EventId {
        EventId::of_webhook(&self.name, &body.digest())
    }
}

fn describe_github(headers: &HeaderMap) -> Result<Described, Refusal> {
    let is_name = |value: &&str| value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let event = text(headers, "x-github-event").filter(is_name).ok_or(Refusal::BadHeader("X-GitHub-Event"))?;
    text(headers, "x-github-delivery").ok_or(Refusal::BadHeader("X-GitHub-Delivery"))?;
    let kept = KEPT.iter().filter_map(|(name, kept)| Some(((*kept).to_owned(), text(headers, name)?.to_owned())));
    let ignored = match event {
        "ping" => Some("a ping: the webhook is set up rightly, and authentic".to_owned()),
        _ if GITHUB_EVENTS.contains(&event) => None,
        _ => Some(format!("nobody here hears `{event}`; of use are {}", GITHUB_EVENTS.join(", "))),
    };
    Ok(Described { subject: event.to_owned(), headers: kept.collect(), ignored })
}

/// The header's value, if it is printable ASCII of a sane length.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty() && value.len() <= LONGEST_VALUE).then_some(value)
}
