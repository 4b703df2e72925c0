//! Which tags are followed where images are built elsewhere, and which of two is the later: by version, by a number in
//! the tag, by the alphabet, or not at all, and then the push that came last counts. What Flux's image policies do.

use std::cmp::Ordering;

use globset::GlobMatcher;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    glob,
    value::as_string_schema,
    versions::{self, VersionRange, as_numbers, number, version_of, weight},
};

/// Which tags are followed. All that is given must fit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagRule {
    /// Tags that are versions in this range, the highest of which stays: `>=1.2, <2`. A `v` may stand before a version,
    /// and `_` for its `+`, behind which a number is a build's: the greater is the later. Prereleases only where a lower
    /// bound is one: `>=1.2.0-0`.
    #[serde(default)]
    pub semver: Option<VersionRange>,
    /// Tags of this form: `*` for anything, `?` for one character, `[a-z]` for one of these, `{a,b}` for either.
    #[serde(default)]
    pub glob: Option<TagGlob>,
    /// Tags this regular expression is found in; `^` and `$` tie it to the whole tag. The group it names, if it does, is
    /// what `semver` and `order` look at: `^main-[0-9a-f]+-(?<build>[0-9]+)$`.
    #[serde(default)]
    pub regex: Option<TagRegex>,
    /// How two tags are compared that are no versions, so that an older one does not replace a newer. Without it the one
    /// that was pushed last counts.
    #[serde(default)]
    pub order: Option<TagOrder>,
}

/// How tags are compared that are no versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagOrder {
    /// As whole numbers of any length, such as a build's number or a time; what is no number is not followed.
    Numerical,
    /// Byte by byte.
    Alphabetical,
}

/// A glob of tags.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TagGlob {
    text: String,
    matcher: GlobMatcher,
}

/// A regular expression over tags, which may name one group.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TagRegex {
    regex: Regex,
    group: Option<String>,
}

impl TryFrom<String> for TagGlob {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('!') {
            return Err(format!("`{text}` names no tags; write which are followed, such as `release-*`"));
        }
        Ok(Self { matcher: glob::compile(&text, false)?, text })
    }
}

impl TryFrom<String> for TagRegex {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let regex =
            Regex::new(&text).map_err(|error| format!("`{text}` is no regular expression: {}", last_line(&error)))?;
        let groups: Vec<_> = regex.capture_names().flatten().map(ToOwned::to_owned).collect();
        match groups.as_slice() {
            [] => Ok(Self { regex, group: None }),
            [one] => Ok(Self { group: Some(one.clone()), regex }),
            several => {
                let names = several.join("`, `");
                Err(format!("it names the groups `{names}`; name the one that tags are compared by, and no other"))
            }
        }
    }
}

/// The parser draws a picture over several lines; the last says what is wrong.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

impl TagRule {
    /// Whether a tag is followed.
    pub fn matches(&self, tag: &str) -> bool {
        self.refusal(tag).is_none()
    }

    /// Why a tag is not followed, if it is not: the key below the rule's own that it does not fit, and how.
    pub fn refusal(&self, tag: &str) -> Option<(&'static str, String)> {
        if let Some(glob) = self.glob.as_ref().filter(|glob| !glob.matcher.is_match(tag)) {
            return Some(("glob", format!("does not match `{}`", glob.text)));
        }
        let Some(looked_at) = self.looked_at(tag) else {
            let regex = self.regex.as_ref().map(|regex| regex.regex.as_str()).unwrap_or_default();
            return Some(("regex", format!("does not match `{regex}`")));
        };
        if let Some(range) = &self.semver {
            return refused_by(range, looked_at).map(|why| ("semver", why));
        }
        let needs_number = self.order == Some(TagOrder::Numerical) && number(looked_at).is_none();
        needs_number.then(|| ("order", format!("has no number to be compared by, but `{looked_at}`")))
    }

    /// How one tag stands to another; `None` when one of them is not followed, or when nothing says. `Equal` says no more
    /// than that neither is the later: of `1.2.3_9`, `1.2.3` and `1.2.3_10` the bare one is equal to both.
    pub fn compare(&self, one: &str, other: &str) -> Option<Ordering> {
        if !(self.matches(one) && self.matches(other)) {
            return None;
        }
        let (one, other) = (self.looked_at(one)?, self.looked_at(other)?);
        match self.order {
            _ if self.semver.is_some() => Some(versions::compare(&version_of(one)?, &version_of(other)?)),
            Some(TagOrder::Numerical) => as_numbers(one, other),
            Some(TagOrder::Alphabetical) => Some(one.cmp(other)),
            None => None,
        }
    }

    /// Whether it says which of two tags is the later.
    pub fn decides(&self, one: &str, other: &str) -> bool {
        self.compare(one, other).is_some_and(Ordering::is_ne)
    }

    /// Of these tags those that are followed and that no other is later than, in the order given: one, or several of
    /// which nothing says which is. Without an order all that are followed.
    pub fn latest<'t, T: AsRef<str>>(&self, tags: impl IntoIterator<Item = &'t T>) -> Vec<&'t T> {
        let followed = tags.into_iter().filter(|tag| self.matches(tag.as_ref()));
        let known = followed.filter_map(|tag| Some((tag, self.looked_at(tag.as_ref())?)));
        match self.order {
            _ if self.semver.is_some() => {
                let versions = known.filter_map(|(tag, text)| Some((tag, version_of(text)?)));
                let (tags, versions): (Vec<_>, Vec<_>) = versions.unzip();
                versions::latest(&versions).into_iter().map(|place| tags[place]).collect()
            }
            Some(TagOrder::Numerical) => greatest(known.filter_map(|(tag, text)| Some((tag, weight(text)?)))),
            Some(TagOrder::Alphabetical) => greatest(known),
            None => known.map(|(tag, _)| tag).collect(),
        }
    }

    /// Whether its tags can be compared.
    pub fn is_ordered(&self) -> bool {
        self.semver.is_some() || self.order.is_some()
    }

    /// What contradicts itself in it, by key below its own; the empty key for the rule itself.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        if self.semver.is_none() && self.glob.is_none() && self.regex.is_none() {
            found.push(("", "it says no tags; give it `semver`, `glob` or `regex`"));
        }
        if self.glob.is_some() && self.regex.is_some() {
            found.push((".glob", "`regex` is given too; one of them says which tags"));
        }
        if self.semver.is_some() && self.order.is_some() {
            found.push((".order", "versions have an order of their own; leave it out, or `semver`"));
        }
        found
    }

    /// The part that versions and orders look at; `None` where the regular expression does not match.
    fn looked_at<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let Some(TagRegex { regex, group }) = &self.regex else { return Some(tag) };
        let found = regex.captures(tag)?;
        match group {
            Some(name) => found.name(name).map(|group| group.as_str()),
            None => Some(tag),
        }
    }
}

/// All that no other weighs more than.
fn greatest<T, W: Ord>(weighed: impl Iterator<Item = (T, W)>) -> Vec<T> {
    let mut greatest: Option<(W, Vec<T>)> = None;
    for (tag, weight) in weighed {
        match &mut greatest {
            Some((most, _)) if weight < *most => {}
            Some((most, tags)) if weight == *most => tags.push(tag),
            more => *more = Some((weight, vec![tag])),
        }
    }
    greatest.map(|(_, tags)| tags).unwrap_or_default()
}

fn refused_by(range: &VersionRange, text: &str) -> Option<String> {
    let shown = range.as_str();
    match version_of(text) {
        None => Some(format!("is no whole version to be in `{shown}`")),
        Some(version) if range.contains(&version) => None,
        Some(version) if !version.pre.is_empty() => Some(format!("is a prerelease that `{shown}` does not ask for")),
        Some(_) => Some(format!("is not in `{shown}`")),
    }
}

as_string_schema!(TagGlob, "a glob of tags: `*` for anything, `?` for one character, `[a-z]`, `{a,b}`");
as_string_schema!(TagRegex, "a regular expression over tags (Rust's `regex`), which may name one group");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn rule(keys: Value) -> TagRule {
        serde_json::from_value(keys).unwrap()
    }

    #[test]
    fn a_tag_is_followed_when_all_that_is_given_fits() {
        let build = r"^main-[0-9a-f]{7}-(?<build>\d+)$";
        for (keys, inside, outside) in [
            (json!({ "semver": ">=1.2, <2" }), &["v1.2.0", "1.9.9"][..], &["2.0.0", "1.2", "latest", "1.3.0-rc.1"][..]),
            (json!({ "glob": "release-*" }), &["release-", "release-1"], &["Release-1", "x-release-1"]),
            (json!({ "glob": "{dev,stage}-?" }), &["dev-1", "stage-2"], &["dev-10", "prod-1"]),
            (json!({ "regex": "^v[0-9]+$" }), &["v1", "v12"], &["v1-rc", "dev1"]),
            // It is found in a tag, as in Flux, in Argo CD's image updater and in Keel.
            (json!({ "regex": "v[0-9]+" }), &["v1-rc", "dev1"], &["v"]),
            (json!({ "regex": build, "order": "numerical" }), &["main-0a1b2c3-17"], &["main-0a1b2c3-x", "17"]),
            (json!({ "regex": "^api-(?P<v>.*)$", "semver": "^1.2" }), &["api-v1.3.0"], &["v1.3.0", "api-2.0.0"]),
            (json!({ "glob": "*", "order": "numerical" }), &["17", "007"], &["17a", "latest", "-1"]),
        ] {
            let rule = rule(keys.clone());
            for tag in inside {
                assert!(rule.matches(tag), "{keys}: {tag}: {:?}", rule.refusal(tag));
            }
            for tag in outside {
                assert!(!rule.matches(tag), "{keys}: {tag}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_key() {
        for (keys, tag, key, words) in [
            (json!({ "semver": ">=1.2" }), "1.1.0", "semver", "is not in `>=1.2`"),
            (json!({ "semver": ">=1.2" }), "1.3.0-rc.1", "semver", "a prerelease that `>=1.2` does not ask for"),
            (json!({ "semver": ">=1.2" }), "main", "semver", "no whole version"),
            (json!({ "glob": "v*" }), "main", "glob", "`v*`"),
            (json!({ "regex": "^v" }), "main", "regex", "`^v`"),
            (json!({ "glob": "b*", "order": "numerical" }), "b7", "order", "no number"),
        ] {
            let (found, why) = rule(keys.clone()).refusal(tag).unwrap();
            assert!(found == key && why.contains(words), "{keys}: {found}: {why}");
        }
    }

    #[test]
    fn the_later_of_two_tags_is_what_users_of_image_policies_expect() {
        use Ordering::{Equal, Greater, Less};
        let by_build = json!({ "regex": r"^main-\w+-(?<build>\d+)$", "order": "numerical" });
        for (keys, one, other, order) in [
            (json!({ "semver": "*" }), "1.10.0", "1.9.0", Some(Greater)),
            (json!({ "semver": ">=1.0.0-0" }), "1.10.0-rc.2", "1.10.0", Some(Less)),
            (json!({ "semver": "*" }), "v1.2.3_9", "1.2.3_10", Some(Less)),
            (json!({ "semver": "*" }), "1.2.3_build.10", "1.2.3_build.9", Some(Greater)),
            (json!({ "semver": ">=1.0.0-0" }), "1.2.3-build.10", "1.2.3-build.9", Some(Greater)),
            (json!({ "semver": "*" }), "1.2.3_9", "1.2.2_10", Some(Greater)),
            (json!({ "semver": "*" }), "1.2.3_20260101.0ac1f", "1.2.3_20251231.ff00d", Some(Greater)),
            // Commits have no order, whatever their names begin with; nor is a build newer than none.
            (json!({ "semver": "*" }), "1.2.3_0ac1", "1.2.3_ff00", Some(Equal)),
            (json!({ "semver": "*" }), "1.2.3_1234567", "1.2.3_0ac1ff0", Some(Equal)),
            (json!({ "semver": "*" }), "1.2.3_9", "1.2.3", Some(Equal)),
            // What the range has no place for says nothing.
            (json!({ "semver": "^1" }), "1.2.3", "2.0.0", None),
            (json!({ "semver": "*" }), "1.2.3", "latest", None),
            (by_build.clone(), "main-b-9", "main-a-10", Some(Less)),
            (by_build, "main-b-20260101123045", "main-a-20251231235959", Some(Greater)),
            (json!({ "glob": "*", "order": "numerical" }), "010", "9", Some(Greater)),
            (json!({ "glob": "*", "order": "alphabetical" }), "2026-01-02", "2026-01-01", Some(Greater)),
            (json!({ "glob": "r-*" }), "r-1", "r-2", None),
        ] {
            assert_eq!(rule(keys.clone()).compare(one, other), order, "{keys}: {one} {other}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_read_are_told() {
        for (keys, words) in [
            (json!({ "regex": "(" }), "no regular expression: unclosed group"),
            (json!({ "regex": "(?<a>.)(?<b>.)" }), "the groups `a`, `b`"),
            (json!({ "glob": "[" }), "no glob"),
            (json!({ "glob": "!v*" }), "names no tags"),
            (json!({ "semver": "one" }), "no range of versions"),
            (json!({ "order": "newest" }), "newest"),
            (json!({ "tag": "x" }), "unknown field"),
        ] {
            let why = serde_json::from_value::<TagRule>(keys.clone()).unwrap_err().to_string();
            assert!(why.contains(words), "{keys}: {why}");
        }
    }

    proptest! {
        #[test]
        fn orders_are_orders(tags in prop::collection::vec("[0-9]{1,30}", 3), by in "numerical|alphabetical") {
            let rule = rule(json!({ "glob": "*", "order": by }));
            let order = |a: usize, b: usize| rule.compare(&tags[a], &tags[b]).unwrap();
            prop_assert_eq!(order(0, 1), order(1, 0).reverse());
            prop_assert_eq!(order(0, 0), Ordering::Equal);
            if order(0, 1).is_le() && order(1, 2).is_le() {
                prop_assert!(order(0, 2).is_le());
            }
        }

        #[test]
        fn later_is_later_whatever_lies_between(
            tags in prop::collection::vec("1\\.0\\.[01](-rc)?(_[0-9a]{1,3}([.-][0-9a]{1,2}){0,2})?", 3),
        ) {
            let rule = rule(json!({ "semver": ">=0.0.0-0" }));
            prop_assume!(tags.iter().all(|tag| rule.matches(tag)));
            let order = |a: usize, b: usize| rule.compare(&tags[a], &tags[b]).unwrap();
            prop_assert_eq!(order(0, 1), order(1, 0).reverse());
            prop_assert_eq!(order(0, 0), Ordering::Equal);
            // What is equal to both says nothing of them, so this holds of what is later alone.
            if order(0, 1).is_gt() && order(1, 2).is_gt() {
                prop_assert!(order(0, 2).is_gt());
            }
        }

        #[test]
        fn numbers_are_compared_as_numbers(one in any::<u64>(), other in any::<u64>()) {
            let rule = rule(json!({ "regex": "^b(?<n>.*)$", "order": "numerical" }));
            prop_assert_eq!(rule.compare(&format!("b{one:025}"), &format!("b{other}")), Some(one.cmp(&other)));
        }

        #[test]
        fn no_tag_is_more_than_a_rule_bears(tag in ".{0,60}") {
            let rule = rule(json!({ "regex": "(?<v>[^-]*)$", "semver": "*" }));
            let _ = (rule.refusal(&tag), rule.compare(&tag, "1.0.0"));
        }
    }
}
