//! What an authentic body holds that must not be kept: words by which whoever reads the history could speak as its sender,
//! or to it. They are blotted out before it is made durable; all else stays, to the byte.
//!
//! It is found without reading what the body means: names in a form, and keys at any depth of a JSON text in it. So a body
//! that nobody can read is kept as well, and without them.

use bytes::Bytes;
use url::form_urlencoded;

/// What stands there instead, as wherever a secret is not printed.
const BLOT: &str = "***";
/// The field of a form that holds JSON.
const PAYLOAD: &str = "payload";

/// A form without the values of these names, in it or in the JSON of its field `payload`.
pub(crate) fn form(body: Bytes, names: &[&str]) -> Bytes {
    let Ok(text) = std::str::from_utf8(&body) else { return body };
    let mut is_blotted = false;
    let fields: Vec<_> = text
        .split('&')
        .map(|field| {
            let blotted = field_without(field, names);
            is_blotted |= blotted.is_some();
            blotted.unwrap_or_else(|| field.to_owned())
        })
        .collect();
    if is_blotted { fields.join("&").into() } else { body }
}

/// One field without them; `None` where there are none in it.
fn field_without(field: &str, names: &[&str]) -> Option<String> {
    let (name, value) = form_urlencoded::parse(field.as_bytes()).next()?;
    let kept = if names.contains(&&*name) {
        BLOT.to_owned()
    } else if name == PAYLOAD {
        json(&value, names)?
    } else {
        return None;
    };
    let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    Some(format!("{}={}", coded(&name), coded(&kept)))
}

/// A JSON text without the texts that stand under these keys; `None` where there are none.
fn json(text: &str, names: &[&str]) -> Option<String> {
    let (mut kept, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(begin) = text[at..].find('"').map(|offset| at + offset) {
        let end = string_end(text, begin);
        at = end;
        let Some(value) = value_of_key(text, end).filter(|_| is_one_of(&text[begin..end], names)) else { continue };
        if text[value..].starts_with('"') {
            kept.push_str(&text[copied..value]);
            kept.push_str("\"***\"");
            at = string_end(text, value);
            copied = at;
        }
    }
    (copied > 0).then(|| kept + &text[copied..])
}

/// Behind the string that begins there; at the end of a text that breaks off in it.
fn string_end(text: &str, begin: usize) -> usize {
    let mut is_escaped = false;
    for (offset, b) in text.bytes().enumerate().skip(begin + 1) {
        match b {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return offset + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the value begins, if what ends here is a key.
fn value_of_key(text: &str, end: usize) -> Option<usize> {
    let begins = |rest: &str| text.len() - rest.trim_start().len();
    let rest = text[begins(&text[end..])..].strip_prefix(':')?;
    Some(begins(rest))
}

/// Whether a key, in its quotes, is one of these, however it is written.
fn is_one_of(key: &str, names: &[&str]) -> bool {
    serde_json::from_str::<String>(key).is_ok_and(|key| names.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NAMES: &[&str] = &["token", "response_url"];

    fn blotted(body: &str) -> String {
        String::from_utf8(form(Bytes::copy_from_slice(body.as_bytes()), NAMES).to_vec()).unwrap()
    }

    #[test]
    fn what_holds_none_of_them_stays_to_the_byte() {
        for body in [
            "",
            "&",
            "payload",
            "payload=%7b%22a%22%3a+%22token%22%7d",
            "payload=%7B%22other_token%22%3A%22x%22%7D&x=%zz",
            "payload=%7B%22token%22%3Anull%7D",
            "text=token",
        ] {
            assert_eq!(blotted(body), body);
        }
        let odd = Bytes::from_static(b"token=\xff");
        assert_eq!(form(odd.clone(), NAMES), odd, "no form, so no secret of a form is in it");
    }

    #[test]
    fn names_and_keys_are_found_however_they_are_written() {
        assert_eq!(blotted("a=1&token=hunter2&b=%20"), "a=1&token=***&b=%20");
        assert_eq!(blotted("%74oken=hunter2"), "token=***");
        for (json, kept) in [
            (r#"{"token":"hunter2","a":1}"#, r#"{"token":"***","a":1}"#),
            (
                r#"{"a":[{"deep":{"response_url" : "https://h/hunter2"}}]}"#,
                r#"{"a":[{"deep":{"response_url" : "***"}}]}"#,
            ),
            (r#"{"\u0074oken":"hunter2"}"#, r#"{"\u0074oken":"***"}"#),
            (r#"{"token":"hun\"ter2\\","token":"hunter2"}"#, r#"{"token":"***","token":"***"}"#),
            (r#"{"says":"\"token\":\"x\"","token":""}"#, r#"{"says":"\"token\":\"x\"","token":"***"}"#),
            // One that breaks off.
            (r#"{"token":"hunter2"#, r#"{"token":"***""#),
        ] {
            let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            assert_eq!(blotted(&format!("payload={}", coded(json))), format!("payload={}", coded(kept)), "{json}");
        }
    }

    #[test]
    fn depth_is_no_way_around_it() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        let kept = json(&deep(r#"{"token":"hunter2"}"#), NAMES).unwrap();
        assert_eq!(kept, deep(r#"{"token":"***"}"#));
    }
}
