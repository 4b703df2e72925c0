//! What users write of the bodies of a sender that has no dialect of its own: where things stand in them.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Where things stand in the bodies of a sender that has no dialect of its own.
///
/// Values are templates: JSON pointers (RFC 6901) in braces stand for what is there, as in
/// `"{/registry}/{/repository/name}"`; a template that is one bare pointer may go without braces. Pointers are looked
/// up in the element of `each`, or in the whole body; with `^` before them, as in `^/type`, in the whole body always.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// A pointer to the sender's own id of what it sends, a text or a whole number, in the whole body: what comes again
    /// under the same id has been done already. Without it, or where nothing is there, all that comes is new.
    pub id: Option<Lookup>,
    /// A pointer to a list; each of its elements is read by itself.
    pub each: Option<Lookup>,
    /// What must stand at pointers, or the body is none of ours: `{ /action: push }`. A list means any of these.
    pub when: BTreeMap<Lookup, Wanted>,
    /// For images: the image's name with its registry, without tag.
    pub image: Option<Template>,
    /// For images: the tag.
    pub tag: Option<Template>,
    /// For images: the digest.
    pub digest: Option<Template>,
    /// For pushes: the repository, as `apps.<app>.repository` names it.
    pub repository: Option<Template>,
    /// For pushes: the branch, with or without `refs/heads/`.
    pub branch: Option<Template>,
    /// For pushes: the new head.
    pub commit: Option<Template>,
    /// For pushes: the old head.
    pub before: Option<Template>,
}

impl Reading {
    /// What contradicts itself in it, by key.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let push = [&self.repository, &self.branch, &self.commit];
        let (some, all) = (push.iter().any(|key| key.is_some()), push.iter().all(|key| key.is_some()));
        if self.image.is_none() && !some {
            found.push(("read", "it says neither where an `image` stands, nor a `repository`".to_owned()));
        }
        if some && !all {
            found.push(("read", "a push needs `repository`, `branch` and `commit`".to_owned()));
        }
        if self.before.is_some() && !all {
            found.push((
                "read.before",
                "it belongs to a push; say where `repository`, `branch` and `commit` are".into(),
            ));
        }
        let named = self.tag.is_some() || self.digest.is_some();
        if self.image.is_some() != named {
            found.push(("read", "an `image` and its `tag` or `digest` belong together".to_owned()));
        }
        found
    }
}

/// A JSON pointer (RFC 6901), with `^` before it where it begins at the whole body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Lookup {
    whole: bool,
    pointer: String,
}

impl TryFrom<String> for Lookup {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (whole, pointer) = text.strip_prefix('^').map_or((false, text.as_str()), |pointer| (true, pointer));
        let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !(pointer.is_empty() || pointer.starts_with('/')) || !escapes {
            return Err(format!(
                "`{text}` is no JSON pointer; write `/repository/name`, or `^/type` for the whole body's"
            ));
        }
        Ok(Self { whole, pointer: pointer.to_owned() })
    }
}

impl Lookup {
    /// The pointer alone, from wherever it begins.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What stands there, in the element or in the whole body.
    pub fn find<'a>(&self, body: &'a Value, element: &'a Value) -> Option<&'a Value> {
        (if self.whole { body } else { element }).pointer(&self.pointer)
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.whole { "^" } else { "" }, self.pointer)
    }
}

/// What must stand somewhere: a value, or any of a list.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Wanted(Value);

impl Wanted {
    /// Whether this is what stands there.
    pub fn is(&self, found: Option<&Value>) -> bool {
        let Some(found) = found else { return self.0.is_null() };
        match &self.0 {
            Value::Array(any) => any.contains(found),
            one => one == found,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Text with JSON pointers in braces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Found(Lookup),
}

impl TryFrom<String> for Template {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with(['/', '^']) && !text.contains('{') {
            return Ok(Self(vec![Piece::Found(text.try_into()?)]));
        }
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (pointer, after) =
                after.split_once('}').ok_or_else(|| format!("in the template `{text}`: a `{{` is never closed"))?;
            pieces.extend((!before.is_empty()).then(|| Piece::Text(before.to_owned())));
            pieces.push(Piece::Found(pointer.to_owned().try_into()?));
            rest = after;
        }
        if text.is_empty() || rest.contains('}') {
            return Err(format!("`{text}` is no template; write `/repository/name`, or `ghcr.io/acme/{{/name}}`"));
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
        Ok(Self(pieces))
    }
}

impl Template {
    /// The text with everything put in; `None` when something is not there.
    ///
    /// # Errors
    /// In words: what stands somewhere is neither text, nor a number, nor a truth value.
    pub fn fill(&self, body: &Value, element: &Value) -> Result<Option<String>, String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Found(lookup) => match lookup.find(body, element) {
                    None | Some(Value::Null) => return Ok(None),
                    Some(Value::String(text)) => filled.push_str(text),
                    Some(value @ (Value::Bool(_) | Value::Number(_))) => filled.push_str(&value.to_string()),
                    Some(_) => return Err(format!("at `{lookup}` stands no plain value")),
                },
            }
        }
        Ok(Some(filled))
    }
}

super::value::as_string_schema!(Lookup, "a JSON pointer (RFC 6901); with `^` before it, into the whole body");
super::value::as_string_schema!(Template, "text with JSON pointers in braces, or one JSON pointer");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn templates_put_in_what_stands_there() {
        let body = json!({ "host": "ghcr.io", "items": [{ "name": "web", "size": 3, "deep": {}, "a/b": "x" }] });
        let element = &body["items"][0];
        let fill = |text: &str| template(text).unwrap().fill(&body, element);
        assert_eq!(fill("{^/host}/acme/{/name}").unwrap().as_deref(), Some("ghcr.io/acme/web"));
        assert_eq!(fill("/name").unwrap().as_deref(), Some("web"));
        assert_eq!(fill("v{/size}").unwrap().as_deref(), Some("v3"));
        assert_eq!(fill("/a~1b").unwrap().as_deref(), Some("x"));
        assert_eq!(fill("{^/host}/{/missing}").unwrap(), None);
        assert!(fill("/deep").unwrap_err().contains("/deep"));
        for wrong in ["", "{/a", "{a}", "a}", "/a~2"] {
            assert!(template(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wanted_is_a_value_or_any_of_a_list() {
        let wanted = |value| Wanted(value);
        assert!(wanted(json!("push")).is(Some(&json!("push"))));
        assert!(wanted(json!(["a", "b"])).is(Some(&json!("b"))));
        assert!(!wanted(json!(1)).is(Some(&json!("1"))) && !wanted(json!("push")).is(None));
    }
}
