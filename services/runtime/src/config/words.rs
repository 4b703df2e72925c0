//! The parser's words, put so that they say what stands there and what to write.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::names::meant;

/// How it begins to be told that a key is unknown.
pub(super) const NO_KEY: &str = "there is no key `";

/// How it begins to be told that a key has no value.
pub(super) const NOTHING: &str = "nothing stands there";

/// The words without the key, which is named already, and without a text that is not what belongs there: it may be a
/// secret that somebody wrote where a reference to it belongs.
pub(super) fn readable(why: &str) -> String {
    let why = why.rsplit_once(" for key `").map_or(why, |(why, _key)| why);
    let put = [unfit_choice, unknown_key, missing_key, doubled_key, unfit_value].iter().find_map(|put| put(why));
    put.unwrap_or_else(|| why.to_owned())
}

/// What a choice may be, as the schema has it: its words, and the keys of which it takes one.
pub(super) fn values_of(name: &str) -> String {
    let schema = super::schema();
    let mut values = BTreeSet::new();
    collect(&schema["$defs"][name], &mut values);
    quoted(values.iter().map(String::as_str))
}

fn unfit_choice(why: &str) -> Option<String> {
    if let Some((of, given)) = why.split_once(" does not have variant constructor ") {
        return Some(none_of(given, &values_of(of.strip_prefix("enum ")?)));
    }
    if let Some((of, _)) = why.strip_prefix("value of enum ").and_then(|rest| rest.split_once(" should be ")) {
        return Some(format!("it takes one value; these are: {}", values_of(of)));
    }
    let (given, known) = why.strip_prefix("unknown variant `")?.split_once("`, expected ")?;
    Some(none_of(given, &quoted(between_quotes(known))))
}

/// What is no word is none that was mistyped, and may be anything: it is not repeated.
fn none_of(given: &str, values: &str) -> String {
    let is_word = !given.is_empty() && given.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if !is_word {
        return format!("what stands there is none of its values; these are: {values}");
    }
    format!("`{given}` is none of its values{}; these are: {values}", meant(given, between_quotes(values)))
}

fn unknown_key(why: &str) -> Option<String> {
    let (given, known) = why.strip_prefix("unknown field `")?.split_once("`, ")?;
    let hint = meant(given, between_quotes(known));
    Some(format!("{NO_KEY}{given}` here{hint}; these are: {}", quoted(between_quotes(known))))
}

fn missing_key(why: &str) -> Option<String> {
    let path = why.strip_prefix("missing configuration field ")?;
    let key = path.trim_matches('"').rsplit(['.', ']']).next()?;
    Some(format!("`{key}` is missing below it; add it"))
}

/// By two of its names: the parser of YAML tells of the same name twice.
fn doubled_key(why: &str) -> Option<String> {
    let key = why.strip_prefix("duplicate field `")?.strip_suffix('`')?;
    Some(format!("it has `{key}` twice, under two names; take one of them out"))
}

fn unfit_value(why: &str) -> Option<String> {
    let rest = why.strip_prefix("invalid type: ").or_else(|| why.strip_prefix("invalid value: "))?;
    let (given, expected) = rest.rsplit_once(", expected ")?;
    if let Some(number) = number(expected) {
        return Some(match given {
            "unit value" => format!("{NOTHING}; write {number}, or take the key out"),
            _ => format!("what stands there is no such number; write {number}"),
        });
    }
    let belongs = belongs(expected);
    Some(match kind(given) {
        "nothing" => format!("{NOTHING}; write {belongs}, or take the key out"),
        kind => format!("{kind} stands there; write {belongs}"),
    })
}

/// What was found, and never what is in it.
fn kind(given: &str) -> &str {
    match given {
        "unit value" => "nothing",
        "sequence" => "a list",
        "map" => "something with keys of its own",
        "unit variant" => "its word alone",
        _ if given.starts_with("string ") => "a text",
        _ if given.starts_with("boolean ") => given.trim_start_matches("boolean "),
        _ if given.contains("integer ") || given.starts_with("floating point ") => "a number",
        _ => "something else",
    }
}

fn belongs(expected: &str) -> String {
    match expected {
        "a sequence" | "an array" => "a list".to_owned(),
        "a map" => "keys below it".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "unit" => "its word alone".to_owned(),
        "enum" => "one key below it".to_owned(),
        _ if expected.starts_with("struct variant ") => "keys below it".to_owned(),
        "newtype variant" | "struct variant" | "tuple variant" => "it as a key, and its value below it".to_owned(),
        _ => match expected.strip_prefix("struct ") {
            Some(name) => format!("keys below it: {}", keys_of(name)),
            None => expected.to_owned(),
        },
    }
}

/// Whole numbers in people's words; `None` for what is none.
fn number(expected: &str) -> Option<&'static str> {
    let signed = expected.starts_with("an signed");
    Some(match expected {
        "u16" | "an unsigned 16 bit integer" => "a whole number from 0 to 65535",
        "u32" | "an unsigned 32 bit integer" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 on",
        _ if expected.starts_with("an unsigned") => "a whole number from 0 on",
        "i32" | "i64" | "an integer" => "a whole number",
        _ if signed => "a whole number that is not as large",
        _ => return None,
    })
}

/// The keys of a part, as the schema has them.
fn keys_of(name: &str) -> String {
    let schema = super::schema();
    let part = if name == "Config" { &schema } else { &schema["$defs"][name] };
    quoted(part["properties"].as_object().into_iter().flat_map(|keys| keys.keys()).map(String::as_str))
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

fn between_quotes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
