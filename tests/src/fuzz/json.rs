//! Bends JSON as JSON: values of other types, missing and doubled keys, pieces of another text, depths beyond all sense.

use rand::{RngExt, rngs::SmallRng, seq::IteratorRandom};
use serde_json::{Value, json};

use super::LARGEST;

/// The text with some value in it changed; `None` where it is no JSON.
pub(super) fn bend(text: &[u8], other: &[u8], random: &mut SmallRng) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    match random.random_range(0..40) {
        0 => return Some(deep(&value, random)),
        1 => return Some(doubled(&value, random)),
        _ => {}
    }
    let piece = || serde_json::from_slice::<Value>(other).ok();
    let place = inside(&mut value, random);
    match (random.random_range(0..10), &mut *place) {
        (0, _) => {
            if let Some(mut other) = piece() {
                *place = inside(&mut other, random).clone();
            }
        }
        (1 | 2, Value::Object(map)) => {
            if let Some(key) = map.keys().choose(random).cloned() {
                map.remove(&key);
            }
        }
        (1 | 2, Value::Array(list)) if !list.is_empty() => drop(list.remove(random.random_range(0..list.len()))),
        (3, Value::Array(list)) if !list.is_empty() => {
            let again = list[random.random_range(0..list.len())].clone();
            let times = if random.random_bool(0.1) { 500 } else { 2 };
            list.extend(std::iter::repeat_n(again, times));
        }
        (4, _) => *place = json!([place.take()]),
        (5, Value::String(text)) => *text = bent_text(text, random),
        _ => *place = another(random),
    }
    Some(value.to_string().into_bytes())
}

/// A value somewhere in it.
fn inside<'a>(value: &'a mut Value, random: &mut SmallRng) -> &'a mut Value {
    let parts = match &*value {
        Value::Object(map) => map.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    };
    if parts == 0 || random.random_range(0..6) == 0 {
        return value;
    }
    let at = random.random_range(0..parts);
    match value {
        Value::Object(map) => {
            let key = map.keys().nth(at).cloned().unwrap_or_default();
            inside(&mut map[&key], random)
        }
        Value::Array(list) => inside(&mut list[at], random),
        other => other,
    }
}

fn another(random: &mut SmallRng) -> Value {
    let texts = [
        "",
        "/",
        ":",
        "@",
        "\0",
        "refs/heads/main",
        "sha256:",
        "pkg:oci/x",
        "../../etc",
        "ü",
        " ",
        "null",
        "1",
        "a:b@c",
    ];
    match random.random_range(0..12) {
        0 => Value::Null,
        1 => random.random_bool(0.5).into(),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(u64::MAX),
        5 => json!(random.random::<f64>()),
        6 => json!([]),
        7 => json!({}),
        8 => json!("ü".repeat(random.random_range(0..5_000))),
        9 => json!([[[{}]], { "a": { "b": [] } }]),
        _ => texts[random.random_range(0..texts.len())].into(),
    }
}

fn bent_text(text: &str, random: &mut SmallRng) -> String {
    let at = text.floor_char_boundary(random.random_range(0..=text.len()));
    let (start, end) = text.split_at(at);
    let odd = ["", "\0", "\u{202e}", "/", ":", "@", "..", "\n", "%2f", "ü", "~", "*", " ", "{", "}"];
    match random.random_range(0..5) {
        0 => start.to_owned(),
        1 => end.to_owned(),
        2 => format!("{text}{text}"),
        3 => text.to_uppercase(),
        _ => format!("{start}{}{end}", odd[random.random_range(0..odd.len())]),
    }
}

/// A value somewhere replaced by lists or objects as deep as an input can hold. As text: no model is that deep.
fn deep(value: &Value, random: &mut SmallRng) -> Vec<u8> {
    let (open, close) = if random.random_bool(0.5) { ("[", "]") } else { ("{\"a\":", "}") };
    let most = (LARGEST / 2).saturating_sub(value.to_string().len()) / (open.len() + close.len());
    let depth = if random.random_bool(0.5) { most } else { random.random_range(100..200).min(most) };
    let nested = open.repeat(depth) + "1" + &close.repeat(depth);
    let mut value = value.clone();
    *inside(&mut value, random) = json!("the depth goes here");
    value.to_string().replacen("\"the depth goes here\"", &nested, 1).into_bytes()
}

/// The first key of an object said twice.
fn doubled(value: &Value, random: &mut SmallRng) -> Vec<u8> {
    let mut value = value.clone();
    let place = inside(&mut value, random);
    let Some((key, first)) = place.as_object().and_then(|map| map.iter().choose(random)) else {
        return value.to_string().into_bytes();
    };
    let said = format!("{}:{first},", Value::from(key.as_str()));
    let rest = place.to_string();
    let twice = format!("{{{said}{}", rest.strip_prefix('{').unwrap_or(&rest));
    *place = json!("the doubled goes here");
    value.to_string().replacen("\"the doubled goes here\"", &twice, 1).into_bytes()
}
