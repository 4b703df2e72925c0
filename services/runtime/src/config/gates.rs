//! What users write of when a release may go to an environment: approvals, time windows, freezes.

use std::{borrow::Cow, collections::BTreeSet, fmt, time::Duration};

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use proto::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{duration, value, whole};

/// Who must let a release into an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// How many people.
    pub approvers: u32,
    /// Who may; anybody when empty.
    pub by: BTreeSet<String>,
    /// Whether the author of the source commit may not.
    pub not_author: bool,
    /// How long a request stands.
    pub expires: Option<Duration>,
}

impl Default for Approval {
    fn default() -> Self {
        Self { approvers: 1, by: BTreeSet::new(), not_author: true, expires: Some(Duration::from_hours(24)) }
    }
}

/// What may be written of it.
const FORMS: &str = "`required`, or keys below it: `approvers`, `by`, `not_author`, `expires`";

/// Who must let a release in, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// How many people must grant it; 1 unless said.
    #[serde(default, deserialize_with = "whole::some")]
    approvers: Option<u32>,
    /// Who may; anybody when empty.
    #[serde(default)]
    by: BTreeSet<String>,
    /// Whether the author of the source commit may not; true unless said.
    #[serde(default)]
    not_author: Option<bool>,
    /// How long a request stands, or `never` for as long as it takes; `24h` unless said.
    #[serde(default)]
    expires: Option<String>,
}

impl Rules {
    fn checked(self) -> Result<Approval, String> {
        let usual = Approval::default();
        let expires = match self.expires.as_deref() {
            None => usual.expires,
            Some("never") => None,
            Some(text) => Some(duration::parse(text).map_err(|why| format!("`expires`: {why}, or `never`"))?),
        };
        let approvers = self.approvers.unwrap_or(usual.approvers);
        if approvers == 0 {
            return Err("`approvers: 0` would ask nobody; leave `approval` away".to_owned());
        }
        if !self.by.is_empty() && self.by.len() < usize::try_from(approvers).unwrap_or(usize::MAX) {
            return Err("`by` names fewer people than `approvers` asks for; name more, or ask for fewer".to_owned());
        }
        Ok(Approval { approvers, by: self.by, not_author: self.not_author.unwrap_or(usual.not_author), expires })
    }
}

impl<'de> Deserialize<'de> for Approval {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Approval;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }
    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Approval, E> {
        match word {
            "required" => Ok(Approval::default()),
            _ => Err(E::custom(format!("`{word}` is none of its values; leave it away, or write {FORMS}"))),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Approval, A::Error> {
        Rules::deserialize(MapAccessDeserializer::new(map))?.checked().map_err(A::Error::custom)
    }
}

impl JsonSchema for Approval {
    fn schema_name() -> Cow<'static, str> {
        "Approval".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rules = generator.subschema_for::<Rules>();
        let word = "one person, who is not the author, within a day";
        json_schema!({ "anyOf": [{ "const": "required", "description": word }, rules] })
    }
}

/// A time of the week at which releases come to an environment.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days it begins on; every day when empty.
    #[serde(default)]
    pub days: BTreeSet<Day>,
    /// When it begins: `09:00`.
    #[serde(deserialize_with = "value::time")]
    #[schemars(with = "String")]
    pub from: Time,
    /// When it ends: `16:30`; on the next day where that is not after `from`.
    #[serde(deserialize_with = "value::time")]
    #[schemars(with = "String")]
    pub to: Time,
    /// The time zone's IANA name, such as `Europe/Berlin`; `UTC` unless said.
    #[serde(default)]
    pub zone: Zone,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    fn is(self, weekday: Weekday) -> bool {
        let order = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
        order.iter().position(|day| *day == self) == usize::try_from(weekday.to_monday_zero_offset()).ok()
    }
}

impl Window {
    /// When it is open next: `now` while it is; `None` when it never is.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.0.clone()).date();
        // From yesterday, whose window may last until today, to the same day in a week.
        let days = (-1..=7).filter_map(|n| today.checked_add(n.days()).ok());
        let begins_on = |day: &Date| self.days.is_empty() || self.days.iter().any(|d| d.is(day.weekday()));
        let spans = days.filter(begins_on).filter_map(|day| {
            let last = if self.to > self.from { day } else { day.tomorrow().ok()? };
            let (from, end) = (day.to_datetime(self.from), self.zone.at(last.to_datetime(self.to))?);
            let begin = self.zone.at(from)?;
            // In the night that leaves an hour out, what begins in that hour would begin after it ends.
            Some((if begin < end { begin } else { self.zone.before(from)? }, end))
        });
        spans.filter(|(_, end)| *end > now).map(|(begin, _)| begin.max(now)).min()
    }
}

/// A time at which no release comes to an environment.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// When it begins: `2026-12-20`, or `2026-12-20T18:00`.
    pub from: Moment,
    /// When it ends: the last day, or `2027-01-04T08:00`.
    pub until: Moment,
    /// The time zone's IANA name; `UTC` unless said.
    #[serde(default)]
    pub zone: Zone,
    /// Why, for those who wait.
    pub reason: String,
}

impl Freeze {
    /// When it ends, if it is on.
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        let begin = self.zone.at(self.from.first())?;
        let end = self.zone.at(self.until.after()?)?;
        (begin <= now && now < end).then_some(end)
    }

    /// Whether it ends before it begins.
    pub(super) fn never(&self) -> bool {
        self.until.after().is_some_and(|end| end <= self.from.first())
    }
}

/// A day, or a time of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The whole day.
    Day(Date),
    /// A time.
    Time(DateTime),
}

impl Moment {
    fn first(self) -> DateTime {
        match self {
            Self::Day(day) => day.to_datetime(Time::midnight()),
            Self::Time(time) => time,
        }
    }

    fn after(self) -> Option<DateTime> {
        match self {
            Self::Day(day) => Some(day.tomorrow().ok()?.to_datetime(Time::midnight())),
            Self::Time(time) => Some(time),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Time(time) => write!(f, "{}", time.strftime("%FT%R")),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (is_day, is_time) = (value::is_only(&text, "-"), value::is_only(&text, "-:T "));
        let read = if text.contains(['T', ' ']) {
            text.parse().ok().filter(|_| is_time).map(Self::Time)
        } else {
            text.parse().ok().filter(|_| is_day).map(Self::Day)
        };
        read.ok_or_else(|| {
            let hint = "write `2026-12-20` or `2026-12-20T18:00`; `zone` says where";
            D::Error::custom(format!("`{text}` is no day or time; {hint}"))
        })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["2026-12-20", "2026-12-20T18:00"] })
    }
}

/// A time zone; UTC unless said.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    fn at(&self, civil: DateTime) -> Option<Timestamp> {
        Some(civil.to_zoned(self.0.clone()).ok()?.timestamp())
    }

    /// The same of a time that the clock leaves out, as if it had been put forward only after that.
    fn before(&self, civil: DateTime) -> Option<Timestamp> {
        self.0.to_ambiguous_timestamp(civil).earlier().ok()
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        TimeZone::get(&name).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{name}` is no time zone this machine knows; write its IANA name, as `Europe/Berlin`, and see that the \
                 package `tzdata` is installed"
            ))
        })
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "Zone".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["Europe/Berlin", "UTC"] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(text: &str) -> Window {
        serde_json::from_value(serde_json::json!({
            "days": text.split(' ').next().unwrap().split(',').filter(|d| !d.is_empty()).collect::<Vec<_>>(),
            "from": text.split(' ').nth(1).unwrap(), "to": text.split(' ').nth(2).unwrap(),
            "zone": text.split(' ').nth(3).unwrap_or("UTC"),
        }))
        .unwrap()
    }

    #[test]
    fn a_window_says_when_it_is_open_next() {
        // 2026-11-26 is a Thursday.
        for (it, now, next) in [
            ("mon,tue,wed,thu,fri 09:00 16:30", "2026-11-26T10:00:00Z", "2026-11-26T10:00:00Z"),
            ("mon,tue,wed,thu,fri 09:00 16:30", "2026-11-26T08:59:59Z", "2026-11-26T09:00:00Z"),
            ("mon,tue,wed,thu,fri 09:00 16:30", "2026-11-27T16:30:00Z", "2026-11-30T09:00:00Z"),
            (" 22:00 04:00", "2026-11-26T03:59:00Z", "2026-11-26T03:59:00Z"),
            (" 22:00 04:00", "2026-11-26T04:00:00Z", "2026-11-26T22:00:00Z"),
            ("thu 22:00 04:00", "2026-11-27T01:00:00Z", "2026-11-27T01:00:00Z"),
            ("wed 10:00 11:00", "2026-11-26T10:30:00Z", "2026-12-02T10:00:00Z"),
            ("thu 10:00 11:00", "2026-11-26T11:00:00Z", "2026-12-03T10:00:00Z"),
            ("thu 09:00 10:00 Europe/Berlin", "2026-11-26T08:30:00Z", "2026-11-26T08:30:00Z"),
            // Summer time ends in the night before: the same hour by the clock is another one by the sun.
            ("mon 09:00 10:00 Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-26T08:00:00Z"),
            ("mon 09:00 10:00 Europe/Berlin", "2026-10-18T12:00:00Z", "2026-10-19T07:00:00Z"),
            // The night of 2026-03-29 has no time from 02:00 to 03:00.
            ("sat 22:00 04:00 Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"),
            ("sat 22:00 04:00 Europe/Berlin", "2026-03-29T02:00:00Z", "2026-04-04T20:00:00Z"),
            ("sun 01:30 02:30 Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z"),
            ("sun 02:15 02:45 Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:15:00Z"),
            ("sun 02:30 03:15 Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z"),
            ("sun 02:30 03:15 Europe/Berlin", "2026-03-29T01:14:00Z", "2026-03-29T01:14:00Z"),
            ("sun 02:30 03:15 Europe/Berlin", "2026-03-29T01:15:00Z", "2026-04-05T00:30:00Z"),
            // That of 2026-10-25 has it twice; what begins then does so the first time.
            ("sun 02:30 03:30 Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
            ("sun 02:30 03:30 Europe/Berlin", "2026-10-25T02:29:00Z", "2026-10-25T02:29:00Z"),
            ("sun 02:30 02:15 Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(window(it).opens(at(now)), Some(at(next)), "{it} at {now}");
        }
    }

    #[test]
    fn a_freeze_lasts_through_its_last_day() {
        let freeze = |from: &str, until: &str| -> Freeze {
            let json =
                serde_json::json!({ "from": from, "until": until, "zone": "Europe/Berlin", "reason": "holidays" });
            serde_json::from_value(json).unwrap()
        };
        let whole = freeze("2026-12-20", "2027-01-04");
        assert_eq!(whole.ends(at("2026-12-19T22:59:59Z")), None);
        assert_eq!(whole.ends(at("2026-12-19T23:00:00Z")), Some(at("2027-01-04T23:00:00Z")));
        assert_eq!(whole.ends(at("2027-01-04T23:00:00Z")), None);
        assert_eq!(freeze("2026-12-20", "2027-01-04T08:00").ends(at("2027-01-04T07:00:00Z")), None);
    }

    #[test]
    fn times_are_the_zones_own_and_nothing_else_is_taken_for_one() {
        let freeze = |from: &str| {
            serde_json::from_value::<Freeze>(serde_json::json!({ "from": from, "until": "2027-01-04", "reason": "x" }))
        };
        for right in ["2026-12-20", "2026-12-20T18:00", "2026-12-20 18:00", "2026-12-20T18:00:30"] {
            assert!(freeze(right).is_ok(), "{right}");
        }
        // An offset would be read over, and the freeze begin at another time than it says.
        for wrong in
            ["2026-12-20T18:00+05:00", "2026-12-20T18:00Z", "2026-12-20T18:00[Asia/Tokyo]", "20261220", "T", ""]
        {
            assert!(freeze(wrong).unwrap_err().to_string().contains("is no day or time"), "{wrong}");
        }
        let window = |from: &str| serde_json::from_value::<Window>(serde_json::json!({ "from": from, "to": "16:00" }));
        assert!(window("09:00").is_ok() && window("09:00:30").is_ok());
        for wrong in ["09:00+05:00", "2026-01-01T09:00", "0900", "9:00", "24:00"] {
            assert!(window(wrong).unwrap_err().to_string().contains("is no time of a day"), "{wrong}");
        }
    }

    #[test]
    fn approvals_are_a_word_or_rules() {
        let read = |json: serde_json::Value| serde_json::from_value::<Approval>(json).map_err(|e| e.to_string());
        assert_eq!(read(serde_json::json!("required")).unwrap(), Approval::default());
        let two = read(serde_json::json!({ "approvers": 2, "expires": "never", "not_author": false })).unwrap();
        assert_eq!((two.approvers, two.expires, two.not_author), (2, None, false));
        for (wrong, word) in [
            (serde_json::json!("maybe"), "required"),
            (serde_json::json!({ "approvers": 0 }), "approvers: 0"),
            (serde_json::json!({ "approvers": 2, "by": ["ada"] }), "fewer people"),
            (serde_json::json!({ "expires": "soon" }), "not a duration"),
        ] {
            let why = read(wrong.clone()).unwrap_err();
            assert!(why.contains(word), "{wrong}: {why}");
        }
    }
}
