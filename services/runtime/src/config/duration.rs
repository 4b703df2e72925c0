//! Durations as people write them: `90s`, `5m`, `1h 30m` (jiff's friendly format). For serde's `with`.

use std::time::Duration;

use jiff::SignedDuration;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

/// The longest that is taken: no clock runs out of what is added to it.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// The same where none need be given.
pub(super) fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Option::<String>::deserialize(from)?.map(|text| parse(&text)).transpose().map_err(D::Error::custom)
}

/// As the schema shows what it is unless said.
pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    let duration = SignedDuration::try_from(*duration).map_err(S::Error::custom)?;
    to.collect_str(&format_args!("{duration:#}"))
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "examples": ["90s", "5m", "1h 30m"] })
}

/// The same where none need be given.
pub(super) fn some_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "examples": ["90s", "5m", "1h 30m"] })
}

/// A duration as people write it, or why the text is none.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write `90s`, `5m` or `1h 30m`, and a day as `24h`");
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(span).map_err(|_| wrong())?;
    if duration > LONGEST {
        return Err(format!("`{text}` is longer than ten years; write `87600h` or less"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_duration_is_no_number_alone_not_negative_and_no_longer_than_clocks_bear() {
        assert_eq!(parse("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("87600h"), Ok(LONGEST));
        for (wrong, hint) in [
            ("30", "`90s`"),
            ("-5m", "`90s`"),
            ("7d", "`24h`"),
            ("", "`90s`"),
            ("87600h 1s", "`87600h` or less"),
            ("2562047788015215h", "`87600h` or less"),
            ("99999999999999999999h", "`90s`"),
        ] {
            let why = parse(wrong).unwrap_err();
            assert!(why.contains(&format!("`{wrong}`")) && why.contains(hint), "{why}");
        }
    }
}
