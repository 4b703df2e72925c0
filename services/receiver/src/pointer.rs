//! One value out of a JSON body by its pointer (RFC 6901), while all else is passed over: unfolded whole, a body of
//! 25 MB takes a gigabyte.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The text or number that stands there; `None` where nothing does, it is empty or something else, or the body is no
/// JSON. Of a name that an object has twice, the last counts.
pub(crate) fn plain_at(json: &[u8], pointer: &str) -> Option<String> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let found = At(pointer).deserialize(&mut parser).ok()?;
    parser.end().ok()?;
    found.filter(|text| !text.is_empty())
}

/// What stands at the rest of a pointer, below the value that is read.
struct At<'a>(&'a str);

impl<'a> At<'a> {
    /// The next name on the way, as it stands in the body, and the rest behind it.
    fn step(&self) -> Option<(String, &'a str)> {
        let path = self.0.strip_prefix('/')?;
        let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        Some((name.replace("~1", "/").replace("~0", "~"), rest))
    }

    fn here(&self, value: &impl ToString) -> Option<String> {
        self.0.is_empty().then(|| value.to_string())
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (step, mut found) = (self.step(), None);
        let name = step.as_ref().map(|(name, _)| name.as_str());
        while let Some(is_it) = map.next_key_seed(Is(name))? {
            match &step {
                Some((_, rest)) if is_it => found = map.next_value_seed(At(rest))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let place = self.step().and_then(|(name, rest)| Some((index(&name)?, rest)));
        let mut found = None;
        for n in 0_usize.. {
            match place {
                Some((wanted, rest)) if wanted == n => match seq.next_element_seed(At(rest))? {
                    Some(there) => found = there,
                    None => break,
                },
                _ if seq.next_element::<IgnoredAny>()?.is_none() => break,
                _ => {}
            }
        }
        Ok(found)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.here(&text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.here(&number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.here(&number))
    }

    /// No id: of two large whole numbers it may be the same.
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Without sign, and without zeros before it (RFC 6901, 4).
fn index(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if digits { name.parse().ok() } else { None }
}

/// Whether an object's key is this one, without keeping it.
struct Is<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(self.0 == Some(key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_finds_what_a_whole_tree_would() {
        let body = json!({
            "message": { "messageId": "17", "data": [1, { "a/b": "slash", "m~n": "tilde" }], "publish": null },
            "": { "": "nameless" }, "id": 18_446_744_073_709_551_615_u64, "before": -3, "half": 0.5, "empty": "",
            "list": ["zero", "one", ["deep", "deeper"]], "true": true, "\u{fc}": "umlaut",
        });
        let json = body.to_string();
        for pointer in [
            "",
            "/",
            "//",
            "/message/messageId",
            "/message/messageId/x",
            "/message/data/1/a~1b",
            "/message/data/1/m~0n",
            "/message/data/0",
            "/message/data/-",
            "/message/data/01",
            "/message/data/+1",
            "/message/data/7",
            "/message",
            "/message/publish",
            "/id",
            "/before",
            "/half",
            "/empty",
            "/list/0",
            "/list/2/1",
            "/list/2",
            "/true",
            "/none",
            "/\u{fc}",
            "message",
        ] {
            let expected = match body.pointer(pointer) {
                Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
                Some(Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
                _ => None,
            };
            assert_eq!(plain_at(json.as_bytes(), pointer), expected, "{pointer:?}");
        }
        assert_eq!(plain_at(br#"{"a":"1","a":"2"}"#, "/a").unwrap(), "2");
        assert_eq!(plain_at(br#"{"\u0061":"by its escape"}"#, "/a").unwrap(), "by its escape");
        for broken in ["", "{", r#"{"a":"1""#, r#"{"a":"1"} x"#, r#"{"a":"1",}"#, "\u{feff}{}"] {
            assert_eq!(plain_at(broken.as_bytes(), "/a"), None, "{broken}");
        }
    }

    #[test]
    fn what_stands_beside_it_is_not_unfolded() {
        // As a tree it would be too deep to be read at all.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"beside":{deep},"id":"17","more":[{deep},{{"x":{deep}}}]}}"#);
        assert!(serde_json::from_str::<Value>(&body).is_err());
        assert_eq!(plain_at(body.as_bytes(), "/id").unwrap(), "17");
        assert_eq!(plain_at(body.as_bytes(), "/more/1/x"), None);
    }
}
