//! `{revision}`, `{<component>.commit}`, `{<component>.digest}` and `{<component>.tag}` in the URLs and expectations of
//! checks: what of a deployment they stand for.
//!
//! The same rule is asked twice: when the configuration is read, by the app's components, and when a deployment is
//! checked, by what was released. A mistake that shows only then would be taken for a bad release.

use proto::ComponentName;
use serde_json::Value;
use url::Url;

/// Something of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployed<'a> {
    /// The commit of the GitOps repository.
    Revision,
    /// A component's source commit.
    Commit(&'a str),
    /// The digest of its image.
    Digest(&'a str),
    /// The tag of its image.
    Tag(&'a str),
}

/// A placeholder that names nothing of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{name}}}` stands for nothing; there are {known}")]
pub struct StandsForNothing {
    /// What stands between the braces.
    name: String,
    /// What may stand there.
    known: String,
}

impl<'a> Deployed<'a> {
    fn named<'c>(
        name: &'a str,
        components: impl Iterator<Item = &'c ComponentName> + Clone,
    ) -> Result<Self, StandsForNothing> {
        let known = |component: &str| components.clone().any(|known| known.as_str() == component);
        match name.split_once('.').filter(|(component, _)| known(component)) {
            None if name == "revision" => Ok(Self::Revision),
            Some((component, "commit")) => Ok(Self::Commit(component)),
            Some((component, "digest")) => Ok(Self::Digest(component)),
            Some((component, "tag")) => Ok(Self::Tag(component)),
            _ => Err(StandsForNothing { name: name.to_owned(), known: all(components) }),
        }
    }
}

fn all<'c>(components: impl Iterator<Item = &'c ComponentName>) -> String {
    let of = |component| ["commit", "digest", "tag"].map(|part| format!("`{{{component}.{part}}}`"));
    std::iter::once("`{revision}`".to_owned()).chain(components.flat_map(of)).collect::<Vec<_>>().join(", ")
}

/// The text with every placeholder filled in. Braces around anything but letters, digits, `-`, `_` and `.` are just
/// braces: expectations may hold JSON.
pub fn fill<'c, E: From<StandsForNothing>>(
    text: &str,
    components: &(impl Iterator<Item = &'c ComponentName> + Clone),
    value: &impl Fn(Deployed) -> Result<String, E>,
) -> Result<String, E> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, inner) = (&rest[..open], &rest[open + 1..]);
        filled.push_str(before);
        if let Some(close) = inner.find('}').filter(|&close| is_name(&inner[..close])) {
            filled.push_str(&value(Deployed::named(&inner[..close], components.clone())?)?);
            rest = &inner[close + 1..];
        } else {
            filled.push('{');
            rest = inner;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The value with the placeholders in its strings filled in, however deep they are.
pub fn fill_json<'c, E: From<StandsForNothing>>(
    json: &Value,
    components: &(impl Iterator<Item = &'c ComponentName> + Clone),
    value: &impl Fn(Deployed) -> Result<String, E>,
) -> Result<Value, E> {
    let below = |json: &Value| fill_json(json, components, value);
    Ok(match json {
        Value::String(text) => Value::String(fill(text, components, value)?),
        Value::Array(items) => Value::Array(items.iter().map(below).collect::<Result<_, _>>()?),
        Value::Object(map) => {
            let filled = map.iter().map(|(k, v)| Ok((k.clone(), below(v)?)));
            Value::Object(filled.collect::<Result<_, E>>()?)
        }
        other => other.clone(),
    })
}

/// The URL a check asks, of a text with every placeholder filled in; `None` where HTTP cannot ask it.
pub fn http_url(filled: &str) -> Option<Url> {
    Url::parse(filled).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
