//! JSON Schemas and the AsyncAPI page, made from the types so that they cannot say anything else.

use serde_json::{Value, json};

use crate::{EventType, event::payload_schemas, topology};

/// The JSON Schema (2020-12) of each JSON payload, by type. `webhook.received` has none: its body is its sender's.
pub fn payloads() -> Vec<(EventType, Value)> {
    payload_schemas().into_iter().map(|(kind, schema)| (kind, schema.to_value())).collect()
}

/// The topology as an AsyncAPI 3.0 document: one channel a queue, with the messages it is bound to.
pub fn asyncapi() -> Value {
    let message = |kind: &EventType| {
        let payload = match kind {
            EventType::WebhookReceived => {
                json!({ "description": "the sender's bytes, as they were signed; in Slack's, `***` stands for what would let their reader act" })
            }
            _ => json!({ "$ref": format!("{kind}.schema.json") }),
        };
        (kind.to_string(), json!({ "name": kind, "contentType": crate::JSON, "payload": payload }))
    };
    let messages: serde_json::Map<_, _> = EventType::ALL.iter().map(message).collect();
    let channel = |queue: &topology::Queue| {
        let heard = EventType::ALL.iter().filter(|kind| queue.takes(**kind));
        let refs: serde_json::Map<_, _> =
            heard.map(|k| (k.to_string(), json!({ "$ref": format!("#/components/messages/{k}") }))).collect();
        let bindings = json!({ "amqp": {
            "is": "queue",
            "queue": { "name": queue.name(), "durable": true, "exclusive": false, "autoDelete": false },
        }});
        let channel = json!({
            "address": queue.name(),
            "description": format!("bound to {} by {}", topology::EVENTS_EXCHANGE, queue.patterns().join(", ")),
            "messages": refs,
            "bindings": bindings,
        });
        (queue.worker.to_string(), channel)
    };
    let channels: serde_json::Map<_, _> = topology::QUEUES.iter().map(channel).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Windlass events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "CloudEvents 1.0 in binary mode. Attributes travel as AMQP headers with the prefix `cloudEvents_`.",
        },
        "channels": channels,
        "components": { "messages": messages },
    })
}
