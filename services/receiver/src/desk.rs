//! What happens to one request, step by step, from its head to its answer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderMap},
    },
    web,
};
use bus::{Bus, BusError};
use prometheus_client::registry::Registry;
use proto::{Event, EventId, Message, SourceName, Timestamp, WebhookReceived};
use runtime::Config;

use crate::{
    answer::{Answer, Refusal},
    body::Limits,
    metrics::Metrics,
    proof::{Authentic, Shown},
    refused::Refused,
    server::Connection,
    source::{Described, Source},
    spool::{NotKept, Spool},
    trace,
};

/// All that handling a request needs; one for all threads.
pub(crate) struct Desk {
    sources: BTreeMap<SourceName, Source>,
    limits: Limits,
    bus: Bus,
    spool: Option<Arc<Spool>>,
    publish_deadline: Duration,
    metrics: Metrics,
    refused: Refused,
}

/// `POST /webhooks/{source}`, and `POST /webhooks/{source}/{secret}` for senders that can prove themselves in no other
/// way. Whatever else is asked for is refused.
pub(crate) async fn receive(request: HttpRequest, mut payload: web::Payload, desk: web::Data<Desk>) -> HttpResponse {
    let begun = Instant::now();
    let (name, in_path) = Desk::parts(request.path());
    let source = desk.source(name);
    let result = match source {
        _ if name.is_some() && request.method() != Method::POST => Err(Refusal::WrongMethod),
        Some(source) => desk.admit(&request, &mut payload, source, in_path).await,
        None => Err(Refusal::UnknownSource),
    };
    let name = source.map(|source| source.name.as_str());
    let outcome = result.as_ref().map_or_else(Refusal::outcome, Answer::outcome);
    desk.metrics.answered(name, outcome, begun.elapsed());
    match result {
        Ok(answer) => answer.into(),
        Err(refusal) => {
            let peer = request.peer_addr().map(|address| address.ip().to_string());
            let why = refusal.why();
            if let Some(count) = desk.refused.count(source.map(|source| &source.name), why.unwrap_or(outcome), begun) {
                tracing::warn!(source = name, peer, outcome, why, count, "refused a webhook: {refusal}");
            } else {
                tracing::debug!(source = name, peer, outcome, why, "refused a webhook: {refusal}");
            }
            refusal.answer(payload)
        }
    }
}

impl Desk {
    pub(crate) fn new(
        config: &Config,
        bus: Bus,
        spool: Option<Arc<Spool>>,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        if let Some(spool) = &spool {
            spool.register(registry);
        }
        let source = |(name, configured)| Ok((SourceName::clone(name), Source::new(name, configured)?));
        Ok(Self {
            sources: config.sources.iter().map(source).collect::<anyhow::Result<_>>()?,
            limits: Limits::new(config.receiver.max_body_bytes, config.receiver.body_deadline),
            bus,
            spool,
            publish_deadline: config.receiver.publish_deadline,
            metrics: Metrics::new(registry),
            refused: Refused::default(),
        })
    }

    /// The source's name in a webhook's path, and what stands behind it.
    fn parts(path: &str) -> (Option<&str>, Option<&str>) {
        let Some(rest) = path.strip_prefix("/webhooks/") else { return (None, None) };
        match rest.split_once('/') {
            Some((name, secret)) => (Some(name), Some(secret)),
            None => (Some(rest), None),
        }
    }

    /// After the last answer.
    pub(crate) async fn close(&self) {
        if let Some(spool) = &self.spool {
            spool.close().await;
        }
    }

    fn source(&self, name: Option<&str>) -> Option<&Source> {
        self.sources.get(&SourceName::new(name?).ok()?)
    }

    async fn admit(
        &self,
        request: &HttpRequest,
        payload: &mut web::Payload,
        from: &Source,
        in_path: Option<&str>,
    ) -> Result<Answer, Refusal> {
        if request.conn_data::<Connection>().is_some_and(Connection::is_over) {
            return Err(Refusal::TooManyConnections);
        }
        let headers = request.headers();
        let content_type = from.content_type(headers)?;
        check_encoding(headers)?;
        let declared = number(headers, header::CONTENT_LENGTH);
        let max = from.max_body_bytes.unwrap_or(self.limits.max_bytes);
        Limits::check_declared(declared, max)?;

        let peer = request.peer_addr().map(|address| address.ip());
        let unverified = from.unverified(&Shown { headers, in_path, peer }).await?;
        let (body, _share) = self.limits.read(payload, declared, max, unverified).await?;
        from.count(&body)?;
        let described = from.describe(headers, &body)?;
        if let Some(reason) = described.ignored {
            return Ok(Answer::Ignored(reason));
        }
        let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
        let id = from.id(headers, &body);
        let mut event = webhook(from, id, content_type, described, body);
        event.traceparent = Some(trace::parent(given));
        self.make_durable(&event.to_message(), self.publish_deadline.min(from.patience())).await?;
        Ok(if from.is_silent() { Answer::Acknowledged } else { Answer::Accepted(event.id) })
    }

    /// On the bus; or in the spool, where the bus does not confirm, or something waits there to go first.
    async fn make_durable(&self, message: &Message, deadline: Duration) -> Result<(), Refusal> {
        let (id, source) = (message.attribute("id"), message.attribute("webhooksource"));
        match &self.spool {
            Some(spool) if spool.is_in_use() => {}
            spool => match self.publish(message, deadline).await {
                Ok(()) => {
                    tracing::debug!(event = id, source, "webhook {id} is durable");
                    return Ok(());
                }
                Err(BusError::Refused(why)) => {
                    let bytes = message.body.len();
                    tracing::error!(event = id, source, bytes, "webhook {id} is refused for good: {why}");
                    return Err(Refusal::TooLargeForBus);
                }
                Err(error) if spool.is_none() => {
                    tracing::warn!(event = id, source, "webhook {id} is not durable, its sender is told so: {error}");
                    return Err(Refusal::NotDurable);
                }
                Err(error) => tracing::debug!(event = id, source, "webhook {id} goes to the spool: {error}"),
            },
        }
        let Some(spool) = &self.spool else { return Err(Refusal::NotDurable) };
        spool.keep(message).await.map_err(|why| {
            tracing::warn!(event = id, source, "webhook {id} is not durable, its sender is told so: {why}");
            if matches!(why, NotKept::TooLarge(_)) { Refusal::TooLargeForBus } else { Refusal::NotDurable }
        })
    }

    async fn publish(&self, message: &Message, deadline: Duration) -> Result<(), BusError> {
        let published = self.bus.publish(std::slice::from_ref(message));
        let late = |_| BusError::Unavailable(format!("not confirmed after {deadline:?}"));
        tokio::time::timeout(deadline, published).await.map_err(late)?
    }
}

fn webhook(from: &Source, id: EventId, content_type: String, described: Described, body: Authentic) -> Event {
    let data = WebhookReceived {
        webhook_source: from.name.clone(),
        kind: from.kind.as_str().to_owned(),
        content_type,
        headers: described.headers,
        proof: Some(body.by.clone()),
        body: from.kept(body),
    };
    Event::first(id, format!("/webhooks/{}", from.name), described.subject, Timestamp::now(), data)
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).all(plain) { Ok(()) } else { Err(Refusal::Encoded) }
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
