//! One configured sender: what it may send, how it proves itself, and how often.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use actix_web::http::header::{self, HeaderMap};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::{InMemoryState, NotKeyed},
};
use proto::{EventId, SourceName};
use runtime::config::{Lookup, Rate, Source as Configured, SourceKind};

use crate::{
    answer::Refusal,
    blot,
    dialect::{self, Row},
    pointer,
    proof::{Authentic, Shown, Unverified, Verifier},
};

/// The longest value of a header that goes along, in bytes; an event's source is a URI.
const LONGEST_VALUE: usize = 512;

/// A configured sender.
pub(crate) struct Source {
    pub(crate) name: SourceName,
    pub(crate) kind: SourceKind,
    pub(crate) max_body_bytes: Option<usize>,
    row: Row,
    /// Where its own id of a webhook stands in the body.
    own_id: Option<String>,
    verifier: Verifier,
    rate: Option<RateLimiter<NotKeyed, InMemoryState, DefaultClock>>,
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
    pub(crate) fn new(name: &SourceName, configured: &Configured) -> Result<Self> {
        if configured.insecure {
            let key = format!("sources.{name}.insecure");
            tracing::warn!(source = %name, "`{key}`: whoever reaches this receiver can pass for `{name}`");
        }
        let row = dialect::row(configured.kind);
        let configured_id = configured.read.as_ref().and_then(|read| read.id.as_ref()).map(Lookup::pointer);
        Ok(Self {
            name: name.clone(),
            kind: configured.kind,
            max_body_bytes: configured.max_body_bytes,
            own_id: configured_id.or(row.identity.own).map(ToOwned::to_owned),
            row,
            verifier: Verifier::new(configured).with_context(|| format!("`sources.{name}.proof`"))?,
            rate: configured.rate.and_then(limiter),
        })
    }

    /// The request's content type, if the source may send it.
    pub(crate) fn content_type(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let value = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        if self.row.media.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
            Ok(value.to_owned())
        } else {
            Err(Refusal::WrongMediaType(self.row.media.join(", ")))
        }
    }

    /// Whether it is answered nothing but that it was taken.
    pub(crate) fn is_silent(&self) -> bool {
        self.row.silent
    }

    /// How long it waits for an answer, as far as that is less than others do.
    pub(crate) fn patience(&self) -> Duration {
        self.row.patience
    }

    /// Begins a verification.
    pub(crate) async fn unverified(&self, shown: &Shown<'_>) -> Result<Unverified, Refusal> {
        self.verifier.begin(shown).await
    }

    /// Counts an authentic request. Others do not count, so that nobody else can use up the source's share.
    pub(crate) fn count(&self, _proven: &Authentic) -> Result<(), Refusal> {
        let Some(rate) = &self.rate else { return Ok(()) };
        rate.check().map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Refusal::TooOften(wait.max(Duration::from_secs(1)))
        })
    }

    /// What the headers of an authentic request say. Asked after verification, so that only those who know a secret
    /// are told what is wrong with a header.
    pub(crate) fn describe(&self, headers: &HeaderMap, _proven: &Authentic) -> Result<Described, Refusal> {
        let missing = self.row.required.iter().find(|name| text(headers, name).is_none());
        if let Some(name) = missing {
            return Err(Refusal::BadHeader(name));
        }
        let event = match &self.row.event {
            Some(header) => text(headers, header.0).and_then(event_name).ok_or(Refusal::BadHeader(header.0))?,
            None => text(headers, "ce-type").and_then(event_name).unwrap_or_else(|| "notification".to_owned()),
        };
        let kept = self.row.kept.iter().filter_map(|name| Some((dialect::attribute(name), text(headers, name)?)));
        let headers = kept.map(|(name, value)| (name, value.to_owned())).collect();
        Ok(Described { ignored: dialect::ignored(self.kind, &event), subject: event, headers })
    }

    /// The webhook's id: what its sender signed as its own, else what its row says.
    pub(crate) fn id(&self, headers: &HeaderMap, body: &Authentic) -> EventId {
        let of = |identity: &[u8]| EventId::of_webhook(&self.name, identity);
        if let Some(id) = &body.signed_id {
            return of(id.as_bytes());
        }
        let own = self.own_id.as_deref().and_then(|pointer| pointer::plain_at(body.bytes(), pointer));
        if let Some(id) = own {
            return of(id.as_bytes());
        }
        let identity = self.row.identity;
        let said: Vec<_> = identity.headers.iter().filter_map(|name| headers.get(*name)).collect();
        if !said.is_empty() {
            // No header's value has a line feed in it.
            let said = said.into_iter().flat_map(|value| [b"\n", value.as_bytes()].concat());
            return of(&body.digest().into_iter().chain(said).collect::<Vec<_>>());
        }
        if identity.bytes { of(&body.digest()) } else { of(uuid::Uuid::new_v4().as_bytes()) }
    }

    /// What of a body is kept: all of it but what its row says must not be.
    pub(crate) fn kept(&self, body: Authentic) -> Bytes {
        if self.row.secret.is_empty() { body.into_bytes() } else { blot::form(body.into_bytes(), self.row.secret) }
    }
}

fn limiter(rate: Rate) -> Option<RateLimiter<NotKeyed, InMemoryState, DefaultClock>> {
    let quota = Quota::per_second(NonZeroU32::new(rate.per_second)?);
    let burst = rate.burst.and_then(NonZeroU32::new);
    Some(RateLimiter::direct(burst.map_or(quota, |burst| quota.allow_burst(burst))))
}

/// An event's name as a subject: `Push Hook` is `push_hook`.
fn event_name(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase().replace(' ', "_");
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_:.-".contains(&b);
    name.bytes().all(fits).then_some(name)
}

/// The header's value, if it is printable ASCII of a sane length.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty() && value.len() <= LONGEST_VALUE).then_some(value)
}
