//! Fuzz targets: deliveries as strangers may publish them, and bodies that say they are compressed.
#![allow(clippy::unwrap_used)]

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldArray, FieldTable, ShortString},
};
use serde_json::{Value, json};
use testkit::fuzz::{Fuzz, Input};

use super::wire::{self, Beside};
use crate::codec;

/// JSON as AMQP has it: numbers and times in one of their many widths, whatever else as itself.
fn amqp(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(is) => AMQPValue::Boolean(*is),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(n), ..) if n % 3 == 0 => AMQPValue::LongLongInt(n),
            (Some(n), ..) => {
                i8::try_from(n).map_or_else(|_| AMQPValue::Timestamp(n.unsigned_abs()), AMQPValue::ShortShortInt)
            }
            (_, Some(n), _) => AMQPValue::Timestamp(n),
            (.., n) => AMQPValue::Double(n.unwrap_or(f64::NAN)),
        },
        Value::String(text) => match ShortString::try_new(text.clone()) {
            Ok(short) if text.len() % 2 == 0 => AMQPValue::ShortString(short),
            _ => AMQPValue::LongString(text.as_str().into()),
        },
        Value::Array(list) => AMQPValue::FieldArray(FieldArray::from(list.iter().map(amqp).collect::<Vec<_>>())),
        Value::Object(_) => AMQPValue::FieldTable(table(value)),
    }
}

fn table(value: &Value) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        if let Ok(name) = ShortString::try_new(name.clone()) {
            table.insert(name, amqp(value));
        }
    }
    table
}

fn delivery(value: &Value) -> Delivery {
    let short = |name: &str| value[name].as_str().and_then(|text| ShortString::try_new(text).ok());
    let body = value["body"].as_str().unwrap_or_default().as_bytes().to_vec();
    let (exchange, key) = (short("exchange").unwrap_or_default(), short("key").unwrap_or_default());
    let mut delivery = Delivery::mock(1, exchange, key, false, body);
    let mut properties = BasicProperties::default();
    if value["headers"].is_object() {
        properties = properties.with_headers(table(&value["headers"]));
    }
    if let Some(content_type) = short("content_type") {
        properties = properties.with_content_type(content_type);
    }
    if let Some(encoding) = short("content_encoding") {
        properties = properties.with_content_encoding(encoding);
    }
    if let Some(id) = short("message_id") {
        properties = properties.with_message_id(id);
    }
    if let Some(kind) = short("type") {
        properties = properties.with_type(kind);
    }
    delivery.properties = properties;
    delivery
}

fn seed(more: &Value) -> String {
    let mut value = json!({
        "exchange": "windlass.events", "key": "push.received.shop", "content_type": "application/json", "body": "{}",
        "message_id": "x", "type": "push.received",
        "headers": {
            "cloudEvents_id": "d0d502d2-4952-5710-a9e5-bd7ed94c38c9", "cloudEvents_type": "push.received",
            "cloudEvents:source": "/webhooks/github", "cloudEvents_time": 1_700_000_000, "cloudEvents_replay": 3,
        },
    });
    for (name, more) in more.as_object().unwrap() {
        value["headers"][name] = more.clone();
    }
    value.to_string()
}

#[test]
fn deliveries() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // What is read is a message, whoever wrote it; and what is written is read again as it was.
    let target = |input: &Input| {
        let Ok(value) = serde_json::from_slice::<Value>(&input.bytes) else { return "no JSON".to_owned() };
        runtime.block_on(async {
            let (message, failures) = wire::read(&mut delivery(&value)).await;
            let letter = wire::read_letter(&mut delivery(&value), value["key"].as_str().unwrap_or_default()).await;
            assert_eq!(letter.message, message);
            let Ok(written) = wire::write(&message, Beside::Failures(failures)).await else {
                return "unwritable".to_owned();
            };
            let mut again =
                Delivery::mock(2, ShortString::default(), ShortString::default(), true, written.body.into());
            again.properties = written.properties;
            assert_eq!(wire::read(&mut again).await, (message.clone(), failures), "as it was written");
            let names: Vec<_> = message.attributes.keys().filter(|name| name.len() < 20).map(String::as_str).collect();
            format!("{} and {:?}: {}", names.join(" "), letter.worker, letter.attempts > 0)
        })
    };
    let death = json!({ "x-death": [{ "queue": "windlass.builder", "reason": "expired", "count": 2 }] });
    let parked = json!({
        "x-windlass-worker": "builder", "x-windlass-reason": "x", "x-windlass-attempts": 9, "x-windlass-failures": 9,
        "x-windlass-parked-at": "2026-11-23T10:00:00Z",
    });
    let words = ["cloudEvents_", "cloudEvents:", "cloudEvents_datacontenttype", "x-death", "zstd", "windlass.unrouted"];
    let seeds = [seed(&json!({})), seed(&death), seed(&parked)];
    Fuzz::new("deliveries").seeds(seeds).words(&words).run(target);
}

#[test]
fn bombs() {
    // What unpacks is no larger than a body may be; whatever does not is left as it came.
    let target = |input: &Input| match codec::decompress(&input.bytes) {
        Some(plain) => {
            assert!(plain.len() <= codec::MAX_BODY, "{}", plain.len());
            format!("{} bits", plain.len().max(1).ilog2() / 4)
        }
        None => "nothing".to_owned(),
    };
    let text = b"{\"ref\":\"refs/heads/main\"}".repeat(5_000);
    let zeros = vec![0; 1 << 20];
    let seeds = [codec::compress(&text), codec::compress(&zeros), Some(text[..200].to_vec())];
    Fuzz::new("bombs").count(1_000).seeds(seeds.into_iter().flatten()).words(&["\u{28}\u{2f}"]).run(target);
}
