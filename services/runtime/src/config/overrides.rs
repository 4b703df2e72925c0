//! What is set over the file: by `WINDLASS__…` variables, and by the command line over those.

use std::ffi::OsString;

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::{
    words::{NO_KEY, NOTHING},
    yaml,
};

/// What the names of variables begin with, whatever their case; between the keys of a path stands the same `__`.
const PREFIX: &str = "windlass__";
/// Lists of words, which may be written with commas between them.
const LISTS: [&str; 2] = ["workers", "network.allow"];
/// How what has no path of its own is reached.
const BRACES: &str = "write what has dots or colons in its name in braces, as in \
                      `--set 'registries={ghcr.io: {poll: 5m}}'`, or into the file";

/// One key that is set over the file.
#[derive(Debug, Clone)]
pub(super) struct Override {
    /// The variable, or `--set` with the key.
    shown: String,
    key: String,
    value: Value,
}

/// What these variables set. Values of others are not looked at.
pub(super) fn of_environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<Override>, (String, String)> {
    let named = variables.filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let key = name.to_lowercase().strip_prefix(PREFIX)?.replace("__", ".");
        Some((name, key, value))
    });
    let mut found = named
        .map(|(name, key, value)| match value.into_string() {
            Ok(value) => Override::new(name, key, &value),
            Err(_) => Err((name, "it is not UTF-8; write it anew".to_owned())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The whole before its parts, in whatever order the system has them.
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

/// What the command line sets, in its order.
pub(super) fn of_arguments(arguments: &[(String, String)]) -> Result<Vec<Override>, (String, String)> {
    arguments.iter().map(|(key, value)| Override::new(format!("--set {key}"), key.clone(), value)).collect()
}

impl Override {
    /// The error is whose it is, and what is wrong.
    fn new(shown: String, key: String, value: &str) -> Result<Self, (String, String)> {
        if !key.split('.').all(is_step) {
            return Err((
                shown,
                format!("`{key}` is no path of keys; write `receiver.listen`, or `notify[0].slack`; {BRACES}"),
            ));
        }
        Ok(Self { value: read(&key, value), shown, key })
    }

    /// Whether an error at this path, in these words, is about what it sets.
    pub(super) fn is_about(&self, path: &str, why: &str) -> bool {
        let below = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let list = self.key.rfind('[').map(|end| &self.key[..end]);
        let is_behind = why.starts_with(NOTHING) && list.is_some_and(|list| below(path, list));
        below(path, &self.key) || is_behind || why.starts_with(NO_KEY) && below(&self.key, path)
    }

    /// What it is called by.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// How what the words ask for is done here.
    pub(super) fn hint(&self, why: &str) -> String {
        if why.starts_with(NO_KEY) {
            return format!("; {BRACES}");
        }
        match self.key.rsplit_once('[') {
            Some((list, _)) if why.starts_with(NOTHING) => {
                format!("; where this lies behind the end of the list, set all of it: `{list}=[…, …]`")
            }
            _ if why.ends_with("write a list") => ", in brackets: `[one, two]`".to_owned(),
            _ => String::new(),
        }
    }
}

/// A key's name, perhaps with places in lists behind it: `secrets[0]`.
fn is_step(part: &str) -> bool {
    let (name, places) = part.split_once('[').map_or((part, None), |(name, places)| (name, Some(places)));
    let is_place = |place: &str| place.strip_suffix(']').is_some_and(|place| place.parse::<i32>().is_ok());
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    is_name && places.is_none_or(|places| places.split('[').all(is_place))
}

/// A value: YAML in brackets or braces, else one as the file has it without quotes.
fn read(key: &str, text: &str) -> Value {
    let within = |open, close| text.starts_with(open) && text.ends_with(close);
    if within('[', ']') || within('{', '}') {
        // What only looks like it is a text: `{app} to {environment}`.
        if let Some(value) = yaml::read(&format!("it: {text}")).ok().and_then(|mut it| it.values.remove("it")) {
            return value;
        }
    }
    let kind = match text {
        _ if LISTS.contains(&key) => {
            let words = text.split(',').map(|word| Value::new(None, word.trim()));
            ValueKind::Array(words.collect())
        }
        "" => ValueKind::String(String::new()),
        _ => yaml::plain(text),
    };
    Value::new(None, kind)
}

impl Source for Override {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(Map::from([(self.key.clone(), self.value.clone())]))
    }
}
