//! Values with a rule of their own: networks, days, choices, paths that stay where they should.

use std::{collections::BTreeMap, fmt, marker::PhantomData, net::IpAddr};

use ipnet::IpNet;
use jiff::civil::{Date, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqAccessDeserializer},
    },
};

use super::words;

/// A day as people write it: `2027-01-31`.
pub(super) fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    let text = String::deserialize(from)?;
    let read = text.parse().ok().filter(|_| is_only(&text, "-"));
    read.ok_or_else(|| D::Error::custom(format!("`{text}` is no day; write `2027-01-31`")))
}

/// A time of a day as people write it: `09:00`.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
    let text = String::deserialize(from)?;
    let read = text.parse().ok().filter(|_| is_only(&text, ":"));
    read.ok_or_else(|| D::Error::custom(format!("`{text}` is no time of a day; write `09:00`")))
}

/// Whether a text is of digits with these between them. The parser of times takes more, such as an offset or a zone, and
/// leaves it out of account.
pub(super) fn is_only(text: &str, between: &str) -> bool {
    text.contains(|c| between.contains(c)) && text.chars().all(|c| c.is_ascii_digit() || between.contains(c))
}

/// A part that may be switched off: its keys, or `off`.
pub(super) fn or_off<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    struct OrOff<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OrOff<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`off`, or keys of its own")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            if text == "off" { Ok(None) } else { Err(E::custom("write `off`, or keys of its own")) }
        }
        // YAML 1.1 reads `off` so.
        fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<Self::Value, E> {
            if on { Err(E::custom("write `off`, or keys of its own")) } else { Ok(None) }
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    from.deserialize_any(OrOff(PhantomData))
}

/// The schema of what [`or_off`] reads.
pub(super) fn schema_or_off<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let keys = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [keys, { "const": "off" }] })
}

/// A choice with keys of its own, all of which may be left out: its word alone, or its keys below its word.
pub(super) fn word_or_keys<'de, D: Deserializer<'de>, T: Deserialize<'de> + JsonSchema>(
    from: D,
) -> Result<Option<T>, D::Error> {
    struct WordOrKeys<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + JsonSchema> Visitor<'de> for WordOrKeys<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "one of these: {}", words::values_of(&T::schema_name()))
        }
        fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
            let keys = MapDeserializer::new(std::iter::once((word, BTreeMap::<&str, &str>::new())));
            T::deserialize(MapAccessDeserializer::new(keys))
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            by_key(map)
        }
    }
    from.deserialize_any(WordOrKeys(PhantomData)).map(Some)
}

/// A choice some of which have a value or keys of their own: its word alone, or its key. What has none of its own must
/// not be given any, and the other way round, in words of serde's: the parser would end the process instead.
pub(super) fn choice<'de, D: Deserializer<'de>, T: Deserialize<'de> + JsonSchema>(from: D) -> Result<T, D::Error> {
    struct Choice<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + JsonSchema> Visitor<'de> for Choice<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "one of these: {}", words::values_of(&T::schema_name()))
        }
        fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
            T::deserialize(word.into_deserializer())
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            by_key(map)
        }
    }
    from.deserialize_any(Choice(PhantomData))
}

/// The same where none need be made.
pub(super) fn some_choice<'de, D: Deserializer<'de>, T: Deserialize<'de> + JsonSchema>(
    from: D,
) -> Result<Option<T>, D::Error> {
    struct Made<T>(T);
    impl<'de, T: Deserialize<'de> + JsonSchema> Deserialize<'de> for Made<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            choice(from).map(Self)
        }
    }
    Ok(Option::<Made<T>>::deserialize(from)?.map(|made| made.0))
}

/// What the one key says; a second would say something else.
fn by_key<'de, A: MapAccess<'de>, T: Deserialize<'de>>(mut map: A) -> Result<T, A::Error> {
    let made = T::deserialize(MapAccessDeserializer::new(&mut map))?;
    match map.next_key::<String>()? {
        None => Ok(made),
        Some(other) => Err(A::Error::custom(format!("it takes one key; take `{other}` out, or the other"))),
    }
}

/// Adds to a choice's schema the other names that its values are taken by: each with the first.
pub(super) fn other_words(schema: &mut Schema, words: &[(&str, &str)]) {
    let Some(values) = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut) else { return };
    for (other, word) in words {
        let other = json_schema!({ "type": "string", "const": other, "description": format!("The same as `{word}`.") });
        values.push(other.to_value());
    }
}

/// One value, or a list of them.
pub(super) fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name, or a list of names")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            T::deserialize(text.into_deserializer()).map(|one| vec![one])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }
    from.deserialize_any(OneOrMany(PhantomData))
}

/// The schema of what [`one_or_many`] reads.
pub(super) fn schema_one_or_many<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// A path below some root: relative, no `..`, no empty part, not starting with `-`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RelativePath(String);

impl TryFrom<String> for RelativePath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bad_part = |part: &str| part.is_empty() || part == ".." || part == "." || part == ".git";
        let trimmed = text.trim_end_matches('/').trim_start_matches("./");
        let bad = trimmed.starts_with('-') || trimmed.contains(['\0', '\\', '\n']) || trimmed.split('/').any(bad_part);
        if bad && text != "." {
            return Err(format!(
                "`{text}` is not a path below the repository's root (no `..`, not absolute, not empty); write `apps/staging`"
            ));
        }
        Ok(Self(if text == "." { String::new() } else { trimmed.to_owned() }))
    }
}

impl RelativePath {
    /// A constant of ours.
    pub(super) fn plain(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The path, `/` between its parts; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for RelativePath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Whether a path, as [`RelativePath`] has them, lies below another; all lie below the root, whose path is empty.
pub fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// A network of addresses, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressRange(IpNet);

impl TryFrom<String> for AddressRange {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse::<IpNet>().ok().or_else(one);
        let network = network.ok_or_else(|| format!("`{text}` is no network; write `10.0.0.0/8`, or one address"))?;
        // Somebody who writes 10.1.2.3/8 means either less or something else.
        if network.addr() != network.network() {
            return Err(format!("`{text}` has more of an address than its prefix; write `{}`", network.trunc()));
        }
        Ok(Self(network))
    }
}

impl AddressRange {
    /// The network.
    pub fn network(self) -> IpNet {
        self.0
    }
}

/// The JSON Schema of a value that is written as a text.
macro_rules! as_string_schema {
    ($name:ident, $description:literal) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description })
            }
        }
    };
}
pub(super) use as_string_schema;

as_string_schema!(AddressRange, "a network, such as `10.0.0.0/8`, or one address");
as_string_schema!(RelativePath, "a path below the repository's root");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for bad in ["..", "a/../b", "/etc", "", "-x", "a//b", ".git/hooks", "a\\b"] {
            assert!(RelativePath::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for (good, plain) in [("a/b", "a/b"), ("./a", "a"), ("a/", "a"), (".", "")] {
            assert_eq!(RelativePath::try_from(good.to_owned()).unwrap().as_str(), plain);
        }
    }

    #[test]
    fn a_network_is_written_as_what_it_is() {
        for (text, network) in [("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"), ("fd00::/8", "fd00::/8")] {
            assert_eq!(AddressRange::try_from(text.to_owned()).unwrap().network().to_string(), network);
        }
        for (bad, hint) in
            [("10.1.2.3/8", "write `10.0.0.0/8`"), ("10/8", "or one address"), ("localhost", "no network")]
        {
            let why = AddressRange::try_from(bad.to_owned()).unwrap_err();
            assert!(why.contains(hint), "{why}");
        }
    }
}
