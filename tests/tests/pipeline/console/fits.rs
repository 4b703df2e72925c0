//! Whether a value is what a JSON Schema says, as far as the console's description says anything: what is not described is
//! a mistake of the description.

use serde_json::Value;

/// Says where it is not, if it is not. References lead into the document.
pub(crate) fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let at = |place: &str| {
        let place = place.to_owned();
        move |why: String| format!("{place}: {why}")
    };
    if let Some(to) = schema["$ref"].as_str() {
        let named = document.pointer(&to[1..]).ok_or_else(|| format!("{to} is nowhere"))?;
        fits(document, named, value).map_err(at(to))?;
    }
    for choices in ["anyOf", "oneOf"] {
        let Some(choices) = schema[choices].as_array() else { continue };
        let tried: Vec<_> = choices.iter().map(|choice| fits(document, choice, value)).collect();
        if tried.iter().all(Result::is_err) {
            return Err(format!("none of the choices: {tried:?}"));
        }
    }
    let is_other = schema.get("const").is_some_and(|wanted| wanted != value)
        || schema["enum"].as_array().is_some_and(|any| !any.contains(value));
    if is_other || !is_of(&schema["type"], value) {
        return Err(format!("{value} is not {schema}"));
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(document, &schema["items"], item).map_err(at(&n.to_string()))?;
    }
    let (Some(keys), Some(_)) = (value.as_object(), schema.get("type")) else { return Ok(()) };
    for wanted in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        keys.get(wanted).ok_or_else(|| format!("`{wanted}` is missing"))?;
    }
    for (key, value) in keys {
        let of_key = schema["properties"].get(key).or(schema.get("additionalProperties"));
        let any = schema.get("properties").is_none();
        match of_key {
            Some(schema) => fits(document, schema, value).map_err(at(key))?,
            None if any => {}
            None => return Err(format!("nothing is said of `{key}`")),
        }
    }
    Ok(())
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    };
    match kinds {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}

#[test]
fn what_is_not_described_does_not_fit() {
    let document = serde_json::json!({ "a": { "type": "object", "required": ["n"], "properties": {
        "n": { "type": ["integer", "null"] }, "of": { "type": "array", "items": { "enum": ["x", "y"] } },
    } } });
    let fits = |value| fits(&document, &serde_json::json!({ "$ref": "#/a" }), &value).is_ok();
    for good in [serde_json::json!({ "n": 1 }), serde_json::json!({ "n": null, "of": ["x", "y"] })] {
        assert!(fits(good.clone()), "{good}");
    }
    for bad in [
        serde_json::json!({}),
        serde_json::json!({ "n": 1.5 }),
        serde_json::json!({ "n": 1, "of": ["z"] }),
        serde_json::json!({ "n": 1, "more": true }),
        serde_json::json!([]),
    ] {
        assert!(!fits(bad.clone()), "{bad}");
    }
}
