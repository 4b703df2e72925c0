//! Whole numbers as they are written. The layers' library would round `1.5` to 2 and take `yes` for 1, and a limit that
//! is another than what is written is none that anybody chose.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, Visitor},
};

/// One.
pub(super) fn number<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Whole::deserialize(from).map(|Whole(number)| number)
}

/// The same where none need be written.
pub(super) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(from)?.map(|Whole(number)| number))
}

/// A list of them, where one need not be written.
pub(super) fn some_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    let list = Option::<Vec<Whole<T>>>::deserialize(from)?;
    Ok(list.map(|list| list.into_iter().map(|Whole(number)| number).collect()))
}

struct Whole<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written(PhantomData))
    }
}

/// What is written is handed to the number as it is: what is none of its kind it refuses in its own words.
struct Written<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Written<T> {
    type Value = Whole<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(Whole)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(Whole)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(Whole)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Whole)
    }

    /// In quotes, or from a variable.
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.trim().parse::<i64>() {
            Ok(number) => self.visit_i64(number),
            Err(_) => T::deserialize(text.into_deserializer()).map(Whole),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::{Config, schema};

    /// Every whole number there is, by the part and its key as the schema names them, and where it is written.
    const NUMBERS: &[(&str, &str)] = &[
        ("Receiver.max_body_bytes", "receiver: { max_body_bytes: _ }"),
        ("Receiver.max_connections", "receiver: { max_connections: _ }"),
        ("Spool.max_bytes", "receiver: { spool: { max_bytes: _ } }"),
        ("Source.max_body_bytes", "sources: { it: { kind: quay, secrets: [env:S], max_body_bytes: _ } }"),
        ("Rate.per_second", "sources: { it: { kind: quay, secrets: [env:S], rate: { per_second: _ } } }"),
        ("Rate.burst", "sources: { it: { kind: quay, secrets: [env:S], rate: { per_second: 5, burst: _ } } }"),
        (
            "GithubHook.id",
            "sources: { it: { kind: github, secrets: [env:S], reconcile: { token: env:T, hooks: [{ repository: a/b, id: _ }] } } }",
        ),
        ("Scan.exit_codes", "apps: { a: { repository: a/b, scan: [{ tool: trivy, exit_codes: [0, _] }] } }"),
        ("HealthCheck.status", "health: [{ url: 'https://x.example/', status: _ }]"),
        ("HealthCheck.passes", "health: [{ url: 'https://x.example/', passes: _ }]"),
        ("Rules.approvers", "approval: { approvers: _ }"),
    ];

    fn written(at: &str, number: &str) -> String {
        let keys = at.replace('_', number);
        // `_` stands in the names of keys too.
        let keys = if at.matches('_').count() == 1 { keys } else { number_last(at, number) };
        if at.starts_with("health") || at.starts_with("approval") {
            let environments = format!("environments: {{ staging: {{ path: s, sync: {{ argocd: s }}, {keys} }} }}");
            return format!(
                "apps: {{ a: {{ repository: a/b, gitops: {{ repository: 'https://g.example/g.git' }}, {environments} }} }}"
            );
        }
        keys
    }

    fn number_last(at: &str, number: &str) -> String {
        let (before, after) = at.rsplit_once('_').unwrap();
        format!("{before}{number}{after}")
    }

    fn told(text: &str) -> Option<String> {
        Config::parse(text, "windlass.yaml".as_ref()).err().map(|error| error.to_string())
    }

    #[test]
    fn nothing_is_rounded_and_no_word_is_a_number() {
        for (name, at) in NUMBERS {
            let key = name.rsplit('.').next().unwrap();
            for wrong in ["1.5", "200.0", "'1.5'", "1e3", "true", "yes", "1_000", "9223372036854775808"] {
                let text = written(at, wrong);
                let why = told(&text).unwrap_or_else(|| panic!("{text} is taken"));
                assert!(why.contains(key) && why.contains("write a whole number"), "{text}: {why}");
            }
            // One that is too small or too large is told otherwise, and by its key.
            for right in ["200", "'200'", "0xC8"] {
                let why = told(&written(at, right)).unwrap_or_default();
                assert!(!why.contains("whole number"), "{right}: {why}");
            }
        }
    }

    #[test]
    fn every_whole_number_is_tried() {
        let mut found = BTreeSet::new();
        let schema = schema();
        let parts = schema["$defs"].as_object().unwrap();
        for (name, part) in parts.iter().map(|(name, part)| (name.as_str(), part)).chain([("Config", &schema)]) {
            for (key, value) in part["properties"].as_object().into_iter().flatten() {
                if is_integer(value) {
                    found.insert(format!("{name}.{key}"));
                }
            }
        }
        assert_eq!(found, NUMBERS.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>());
    }

    fn is_integer(schema: &Value) -> bool {
        let own = &schema["type"];
        let is = |kind: &str| own.as_array().is_some_and(|types| types.iter().any(|one| one == kind));
        // What may be a text as well is one, and is never counted with.
        let listed = is("integer") && !is("string");
        own == "integer" || listed || schema.get("items").is_some_and(is_integer)
    }
}
