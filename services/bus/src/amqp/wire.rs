//! A message as AMQP 0-9-1 has it: the CloudEvents AMQP binding's binary mode, with headers of our own beside it.
//!
//! Writing starts from nothing but the message, so what a broker left on an earlier delivery (`x-death`) never
//! travels on: with it, the broker would take a second trip over the retry ladder for a cycle and drop the message.
//! Reading never fails: a stranger's message becomes a delivery with as much as can be read of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};
use proto::{Message, WorkerName, topology::UNROUTED};

use crate::{BusError, DeadLetter, codec};

/// Before each attribute's name (CloudEvents AMQP binding 1.0.2, section 3.1.3), and its older form, which is read.
const PREFIX: &str = "cloudEvents_";
const OLD_PREFIX: &str = "cloudEvents:";
/// Carries a content type too long for its property.
const CONTENT_TYPE: &str = "cloudEvents_datacontenttype";
const FAILURES: &str = "x-windlass-failures";
const WORKER: &str = "x-windlass-worker";
const REASON: &str = "x-windlass-reason";
const ATTEMPTS: &str = "x-windlass-attempts";
const PARKED_AT: &str = "x-windlass-parked-at";

const ZSTD: &str = "zstd";
/// Persistent.
const DURABLE: u8 = 2;
/// Bytes of a property or a name (AMQP's short string).
const SHORT: usize = 255;
/// Bytes all headers may have: they share one frame of 128 KiB with the properties.
const HEADERS: usize = 96 << 10;
/// Bodies above this are squeezed and unpacked on a thread that may block.
const HEAVY: usize = 1 << 20;

/// A message ready to be sent.
#[derive(Clone)]
pub(super) struct Envelope {
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// What our own headers say beside the message.
pub(super) enum Beside<'a> {
    Nothing,
    Failures(u32),
    Dead { worker: Option<WorkerName>, reason: &'a str, attempts: u32 },
}

/// Writes a message.
pub(super) async fn write(message: &Message, beside: Beside<'_>) -> Result<Envelope, BusError> {
    let mut headers = BTreeMap::new();
    for (name, value) in &message.attributes {
        let name = ShortString::try_new(format!("{PREFIX}{name}"))
            .map_err(|_| refused(message, &format!("the name of its attribute `{name}` is too long")))?;
        headers.insert(name, text(value));
    }
    if message.content_type.len() > SHORT {
        headers.insert(CONTENT_TYPE.into(), text(&message.content_type));
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + length(value) + 6).sum();
    // What came from the broker has shown that it fits, and must not be stuck between its queue and the ladder.
    if size > HEADERS && matches!(beside, Beside::Nothing) {
        return Err(refused(message, &format!("its attributes have {size} bytes, more than {HEADERS}")));
    }
    headers.extend(beside.headers());
    let (body, encoding) = squeeze(&message.body).await;
    Ok(Envelope { properties: properties(message, headers.into(), encoding), body })
}

fn properties(message: &Message, headers: FieldTable, encoding: Option<&'static str>) -> BasicProperties {
    let short = |value: &str| (!value.is_empty()).then(|| ShortString::try_new(value).ok()).flatten();
    let mut properties = BasicProperties::default().with_delivery_mode(DURABLE).with_headers(headers);
    if let Some(content_type) = short(&message.content_type) {
        properties = properties.with_content_type(content_type);
    }
    if let Some(id) = short(message.attribute("id")) {
        properties = properties.with_message_id(id);
    }
    if let Some(kind) = short(message.attribute("type")) {
        properties = properties.with_type(kind);
    }
    if let Ok(time) = message.attribute("time").parse::<Timestamp>()
        && let Ok(seconds) = u64::try_from(time.as_second())
    {
        properties = properties.with_timestamp(seconds);
    }
    if let Some(encoding) = encoding {
        properties = properties.with_content_encoding(encoding.into());
    }
    properties
}

impl Beside<'_> {
    fn headers(&self) -> Vec<(ShortString, AMQPValue)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Failures(failures) => vec![(FAILURES.into(), AMQPValue::LongLongInt((*failures).into()))],
            Self::Dead { worker, reason, attempts } => {
                let mut headers = vec![
                    (REASON.into(), text(codec::bounded(reason))),
                    (ATTEMPTS.into(), AMQPValue::LongLongInt((*attempts).into())),
                    (PARKED_AT.into(), text(&Timestamp::now().to_string())),
                ];
                headers.extend(worker.map(|worker| (WORKER.into(), text(worker.as_str()))));
                headers
            }
        }
    }
}

/// Reads a delivery: the message, and how often it has failed.
pub(super) async fn read(delivery: &mut Delivery) -> (Message, u32) {
    let body = std::mem::take(&mut delivery.data);
    let body = unpack(body, delivery.properties.content_encoding().as_ref()).await;
    let headers = headers(delivery);
    let message = Message { attributes: attributes(delivery), content_type: content_type(delivery), body };
    let failures = headers.and_then(|h| number(h.inner().get(FAILURES)?)).unwrap_or(0);
    (message, failures)
}

/// Reads a dead letter, or what no queue took.
pub(super) async fn read_letter(delivery: &mut Delivery, queue: &str) -> DeadLetter {
    let (message, _) = read(delivery).await;
    let headers = headers(delivery);
    let get = |name: &str| headers.and_then(|headers| headers.inner().get(name));
    let worker = get(WORKER).and_then(string).or_else(|| broker_said(headers, "queue")).unwrap_or_default();
    let reason = get(REASON).and_then(string).unwrap_or_else(|| match broker_said(headers, "reason") {
        _ if queue == UNROUTED => format!("no queue takes `{}`", delivery.routing_key),
        Some(reason) => format!("the broker gave it up: {reason}"),
        None => format!("it came to the dead letters without a reason, from exchange `{}`", delivery.exchange),
    });
    DeadLetter {
        message,
        worker: worker.strip_prefix("windlass.").unwrap_or(&worker).parse().ok(),
        reason,
        attempts: get(ATTEMPTS).and_then(number).unwrap_or(0),
        parked_at: get(PARKED_AT).and_then(string).and_then(|at| at.parse().ok()).unwrap_or_else(Timestamp::now),
    }
}

/// A field of the newest entry the broker itself made when it dead-lettered the message.
fn broker_said(headers: Option<&FieldTable>, field: &str) -> Option<String> {
    let AMQPValue::FieldArray(deaths) = headers?.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(newest) = deaths.as_slice().first()? else { return None };
    string(newest.inner().get(field)?)
}

fn headers(delivery: &Delivery) -> Option<&FieldTable> {
    delivery.properties.headers().as_ref()
}

fn attributes(delivery: &Delivery) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers(delivery).into_iter().flatten() {
        let name = name.as_str();
        let named = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix(OLD_PREFIX));
        if let (Some(name), Some(value)) = (named, string(value))
            && name != "datacontenttype"
        {
            attributes.insert(name.to_owned(), value);
        }
    }
    if attributes.is_empty() {
        // No CloudEvent: what AMQP's own properties say is better than nothing.
        let own = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
        let id = own(delivery.properties.message_id()).map(|id| ("id".to_owned(), id));
        let kind = own(delivery.properties.kind()).map(|kind| ("type".to_owned(), kind));
        attributes.extend(id.into_iter().chain(kind));
    }
    attributes
}

fn content_type(delivery: &Delivery) -> String {
    let long = || headers(delivery).and_then(|headers| string(headers.inner().get(CONTENT_TYPE)?));
    let short = delivery.properties.content_type().as_ref().map(ToString::to_string);
    short.or_else(long).unwrap_or_default()
}

async fn squeeze(body: &Bytes) -> (Bytes, Option<&'static str>) {
    let squeezed = if body.len() > HEAVY {
        let body = body.clone();
        tokio::task::spawn_blocking(move || codec::compress(&body)).await.ok().flatten()
    } else {
        codec::compress(body)
    };
    squeezed.map_or_else(|| (body.clone(), None), |squeezed| (squeezed.into(), Some(ZSTD)))
}

/// The body as it was published; one that cannot be unpacked stays as it came, for its worker to park.
async fn unpack(body: Vec<u8>, encoding: Option<&ShortString>) -> Bytes {
    if encoding.is_none_or(|encoding| encoding.as_str() != ZSTD) {
        return body.into();
    }
    let body = Bytes::from(body);
    let packed = body.clone();
    let plain = tokio::task::spawn_blocking(move || codec::decompress(&packed)).await;
    plain.ok().flatten().map_or(body, Bytes::from)
}

fn refused(message: &Message, why: &str) -> BusError {
    BusError::Refused(format!("event {}: {why}", message.attribute("id")))
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn length(value: &AMQPValue) -> usize {
    if let AMQPValue::LongString(text) = value { text.len() } else { 0 }
}

/// A value as CloudEvents' type system writes it; `None` for what has no text.
fn string(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::Timestamp(seconds) => Timestamp::from_second(i64::try_from(*seconds).ok()?).ok()?.to_string(),
        other => whole(other)?.to_string(),
    })
}

fn number(value: &AMQPValue) -> Option<u32> {
    whole(value).and_then(|number| u32::try_from(number).ok())
}

fn whole(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(n) => (*n).into(),
        AMQPValue::ShortShortUInt(n) => (*n).into(),
        AMQPValue::ShortInt(n) => (*n).into(),
        AMQPValue::ShortUInt(n) => (*n).into(),
        AMQPValue::LongInt(n) => (*n).into(),
        AMQPValue::LongUInt(n) => (*n).into(),
        AMQPValue::LongLongInt(n) => *n,
        _ => return None,
    })
}
