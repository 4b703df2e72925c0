//! One golden event a type: what is on the wire, and that this build reads it as it was meant.
#![allow(clippy::unwrap_used)]

mod golden;
mod sample;

use std::collections::BTreeSet;

use golden::Golden;
use proto::{Event, EventType, JSON, Message, schema};
use serde_json::{Value, json};

/// A message as a file people can read: JSON bodies as JSON, a raw webhook's as text.
fn to_file(message: &Message) -> Value {
    let body = match message.attribute("type") {
        "webhook.received" => Value::from(std::str::from_utf8(&message.body).unwrap()),
        _ => serde_json::from_slice(&message.body).unwrap(),
    };
    json!({ "attributes": message.attributes, "content_type": message.content_type, "body": body })
}

fn from_file(file: &Value) -> Message {
    let body = match &file["body"] {
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    Message {
        attributes: serde_json::from_value(file["attributes"].clone()).unwrap(),
        content_type: file["content_type"].as_str().unwrap().to_owned(),
        body: body.into(),
    }
}

#[test]
fn every_type_has_its_sample_and_is_read_back_as_it_was() {
    let mut golden = Golden::folder("samples");
    let samples = sample::all();
    let kinds: Vec<_> = samples.iter().map(Event::kind).collect();
    assert_eq!(kinds, EventType::ALL, "one sample a type, in order");
    for event in samples {
        let name = format!("{}.json", event.kind());
        let file = golden.check(name.clone(), &to_file(&event.to_message()));
        assert_eq!(Event::from_message(&from_file(&file)).unwrap(), event, "{name}");
        assert_eq!(Event::from_message(&event.to_message()).unwrap(), event, "{name}, to the wire and back");
    }
    golden.nothing_else();
}

#[test]
fn what_a_newer_build_adds_is_ignored() {
    for event in sample::all() {
        let mut file = to_file(&event.to_message());
        file["attributes"]["fromthefuture"] = "1".into();
        if let Value::Object(body) = &mut file["body"] {
            body.insert("from_the_future".to_owned(), json!({ "deep": [1, 2, 3] }));
        }
        assert_eq!(Event::from_message(&from_file(&file)).unwrap(), event);
    }
}

#[test]
fn attributes_are_named_as_cloudevents_wants_it_and_routing_follows_type_and_app() {
    for event in sample::all() {
        let message = event.to_message();
        for name in message.attributes.keys() {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(name.chars().all(allowed), "{name} of {}", event.kind());
        }
        for required in ["id", "source", "specversion", "type"] {
            assert!(!message.attribute(required).is_empty(), "{required} of {}", event.kind());
        }
        let app = event.app().map_or("_", |app| app.as_str());
        assert_eq!(message.routing_key(), format!("{}.{app}", event.kind()));
    }
}

#[test]
fn samples_show_every_field_their_schema_has() {
    let schemas = schema::payloads();
    for event in sample::all().into_iter().skip(1) {
        let schema = &schemas.iter().find(|(kind, _)| *kind == event.kind()).unwrap().1;
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&event.data.to_json()), keys(&schema["properties"]), "{}", event.kind());
    }
}

#[test]
fn a_message_that_is_no_event_says_what_is_wrong_with_it() {
    let good = sample::all().remove(1).to_message();
    let without = |name: &str| {
        let mut message = good.clone();
        message.attributes.remove(name).unwrap();
        Event::from_message(&message).unwrap_err().to_string()
    };
    for name in ["id", "type", "source", "time"] {
        assert_eq!(without(name), format!("attribute `{name}` is missing"));
    }
    let with = |name: &str, value: &str| {
        let mut message = good.clone();
        message.attributes.insert(name.to_owned(), value.to_owned());
        Event::from_message(&message).unwrap_err().to_string()
    };
    assert!(with("type", "push.recieved").contains("unknown event type; known: webhook.received"));
    assert!(with("id", "7").contains("attribute `id` = `7`"));
    let bad = Message { body: "{\"change\":7}".into(), content_type: JSON.to_owned(), ..good.clone() };
    let error = Event::from_message(&bad).unwrap_err().to_string();
    assert!(error.starts_with("body of `push.received`: ") && error.contains("line 1"), "{error}");
}
