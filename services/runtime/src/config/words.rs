//! The parser's words, put so that they say what to write.

use std::collections::BTreeSet;

use serde_json::Value;

/// The words without the key, which is named already, and without a text that is not what belongs there: it may be a
/// secret that somebody wrote where a reference to it belongs.
pub(super) fn readable(why: &str) -> String {
    let why = why.rsplit_once(" for key `").map_or(why, |(why, _key)| why);
    if let Some((of, given)) = why.split_once(" does not have variant constructor ") {
        let values = values_of(of.trim_start_matches("enum "));
        return format!("`{given}` is none of its values; {values}");
    }
    if let Some(of) = why.strip_prefix("value of enum ").and_then(|rest| rest.split_once(" should be represented")) {
        return format!("it takes one value, and one key where that has any; {}", values_of(of.0));
    }
    if let Some(path) = why.strip_prefix("missing configuration field ") {
        let key = path.trim_matches('"').rsplit(['.', ']']).next().unwrap_or_default();
        return format!("`{key}` is missing below it");
    }
    match (why.split_once(": string \""), why.rsplit_once("\", expected ")) {
        (Some((kind, _)), Some((_, expected))) => format!("{kind}: a text, expected {expected}"),
        _ => why.to_owned(),
    }
}

/// What a choice may be, as the schema has it.
fn values_of(name: &str) -> String {
    let schema = super::schema();
    let mut values = BTreeSet::new();
    collect(&schema["$defs"][name], &mut values);
    if values.is_empty() {
        return "`windlass config schema` prints them".to_owned();
    }
    let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    format!("these are: {}", values.join(", "))
}

/// The words a schema allows, and the keys of which it wants one.
fn collect(schema: &Value, values: &mut BTreeSet<String>) {
    let words = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    values.extend(words.filter_map(Value::as_str).map(ToOwned::to_owned));
    if let Some([key]) = schema["required"].as_array().map(Vec::as_slice) {
        values.extend(key.as_str().map(|key| format!("{key}: …")));
    }
    for choices in ["oneOf", "anyOf"] {
        schema[choices].as_array().into_iter().flatten().for_each(|choice| collect(choice, values));
    }
}
