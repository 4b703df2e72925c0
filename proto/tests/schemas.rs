//! The JSON Schemas and the AsyncAPI page are what the types say.
#![allow(clippy::unwrap_used)]

mod golden;

use golden::Golden;
use proto::{EventType, schema};

#[test]
fn schemas_have_not_drifted() {
    let mut golden = Golden::folder("schemas");
    let schemas = schema::payloads();
    let kinds: Vec<_> = schemas.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, EventType::ALL[1..], "every type but the raw webhook has a schema");
    for (kind, schema) in schemas {
        golden.check(format!("{kind}.schema.json"), &schema);
    }
    golden.check("asyncapi.json".to_owned(), &schema::asyncapi());
    golden.nothing_else();
}

#[test]
fn the_asyncapi_page_refers_to_nothing_that_is_not_there() {
    let page = schema::asyncapi();
    let mut references = Vec::new();
    collect(&page, &mut references);
    assert!(!references.is_empty());
    let kinds: Vec<_> = schema::payloads().iter().map(|(kind, _)| format!("{kind}.schema.json")).collect();
    for reference in references {
        match reference.strip_prefix("#/components/messages/") {
            Some(message) => assert!(page["components"]["messages"].get(message).is_some(), "{reference}"),
            None => assert!(kinds.contains(&reference), "{reference}"),
        }
    }
}

fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            into.extend(map.get("$ref").and_then(|reference| reference.as_str()).map(str::to_owned));
            for value in map.values() {
                collect(value, into);
            }
        }
        serde_json::Value::Array(list) => {
            for value in list {
                collect(value, into);
            }
        }
        _ => {}
    }
}
