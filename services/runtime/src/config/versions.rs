//! Ranges of versions, as they are written for Flux and for Cargo, over tags that are versions.

use std::{cmp::Ordering, collections::HashMap};

use semver::{Comparator, Op, Prerelease, Version, VersionReq};
use serde::Deserialize;

use super::value::as_string_schema;

/// A range of versions: `>=1.2 <2`, `^1.2 || ^2.1`, `1.x`. A prerelease is in it only where a lower bound of the same
/// alternative is one too: `>=1.2.0-0` lets all of them in.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct VersionRange {
    text: String,
    alternatives: Vec<VersionReq>,
}

impl TryFrom<String> for VersionRange {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is no range of versions: {why}; write `>=1.2, <2` or `^1.2 || ^2.1`");
        let one = |part: &str| {
            let comparators = comparators(part);
            // Cargo reads a bare version as `^`, npm and Flux as `=`.
            if let Some(bare) = comparators.iter().find(|c| is_bare(c)) {
                return Err(wrong(&format!("`{bare}` may mean one version or more, so write `={bare}` or `^{bare}`")));
            }
            VersionReq::parse(&comparators.join(", ")).map_err(|error| wrong(&error.to_string()))
        };
        let alternatives = text.split("||").map(one).collect::<Result<_, _>>()?;
        Ok(Self { text, alternatives })
    }
}

impl VersionRange {
    /// Whether the version is in it.
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|range| if version.pre.is_empty() { range.matches(version) } else { lets(range, version) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The version a tag is: a `v` may stand before it, and `_` for the `+` that tags cannot have (Helm's custom for OCI).
/// Anything short of three numbers is none: `1.2` is customarily moved from one version to the next.
pub(super) fn version_of(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    Version::parse(&text.replacen('_', "+", 1)).ok()
}

/// Which of two versions is the later: by precedence, and of builds of the same version by number. What stands behind
/// the `+` is taken part by part, between dots and hyphens; the first in which the two differ decides if it is a whole
/// number in both. Else nothing says which is later: a commit's id has no order.
pub(super) fn compare(one: &Version, other: &Version) -> Ordering {
    one.cmp_precedence(other).then_with(|| {
        let unequal = parts(one).into_iter().zip(parts(other)).find(|(one, other)| one != other);
        unequal.and_then(|(one, other)| as_numbers(one, other)).unwrap_or(Ordering::Equal)
    })
}

/// The places of those that no other is later than, as [`compare`] has it. Not each is compared with each: a registry may
/// list a hundred thousand.
pub(super) fn latest(versions: &[Version]) -> Vec<usize> {
    let Some(highest) = versions.iter().max_by(|one, other| one.cmp_precedence(other)) else { return Vec::new() };
    let is_highest = |(_, version): &(usize, &Version)| version.cmp_precedence(highest).is_eq();
    let mut builds: Vec<_> =
        versions.iter().enumerate().filter(is_highest).map(|(place, v)| (place, parts(v))).collect();
    let longest = builds.iter().map(|(_, parts)| parts.len()).max().unwrap_or(0);
    for at in 0..longest {
        // Of those that are alike up to here the highest number counts, and what is none.
        let mut highest = HashMap::new();
        for (parts, number) in builds.iter().filter_map(|(_, parts)| Some((parts, weight(parts.get(at)?)?))) {
            let known = highest.entry(parts[..at].to_vec()).or_insert(number);
            *known = number.max(*known);
        }
        let stays =
            |parts: &[&str]| parts.get(at).and_then(|part| weight(part)).is_none_or(|n| n == highest[&parts[..at]]);
        builds.retain(|(_, parts)| stays(parts));
    }
    builds.into_iter().map(|(place, _)| place).collect()
}

/// What stands behind a version's `+`, part by part.
fn parts(version: &Version) -> Vec<&str> {
    version.build.split(['.', '-']).collect()
}

/// A whole number's size: how many digits it has, and which.
pub(super) fn weight(text: &str) -> Option<(usize, &str)> {
    number(text).map(|digits| (digits.len(), digits))
}

/// How two whole numbers of any length stand to each other; `None` where either is none.
pub(super) fn as_numbers(one: &str, other: &str) -> Option<Ordering> {
    Some(weight(one)?.cmp(&weight(other)?))
}

/// The digits of a whole number without the zeros before it.
pub(super) fn number(text: &str) -> Option<&str> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.trim_start_matches('0'))
}

/// `>= 1.2 <2` to `>=1.2` and `<2`.
fn comparators(part: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in part.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        match found.last_mut().filter(|last| last.ends_with(['<', '>', '=', '^', '~'])) {
            Some(operator) => operator.push_str(word),
            None => found.push(word.to_owned()),
        }
    }
    found
}

fn is_bare(comparator: &str) -> bool {
    let numbers = comparator.split(['-', '+']).next().unwrap_or_default();
    numbers.starts_with(|c: char| c.is_ascii_digit()) && !numbers.contains(['*', 'x', 'X'])
}

/// The library lets in prereleases of a bound's own three numbers alone; whoever writes `>=1.2.0-0` means all.
fn lets(range: &VersionReq, prerelease: &Version) -> bool {
    let asks = |c: &Comparator| !c.pre.is_empty() && !matches!(c.op, Op::Less | Op::LessEq);
    range.comparators.iter().any(asks) && range.comparators.iter().all(|c| admits(c, prerelease))
}

fn admits(comparator: &Comparator, prerelease: &Version) -> bool {
    let release = Version::new(prerelease.major, prerelease.minor, prerelease.patch);
    if comparator.pre.is_empty() {
        return comparator.matches(&release);
    }
    let (minor, patch) = (comparator.minor.unwrap_or(0), comparator.patch.unwrap_or(0));
    let bound = Version { pre: comparator.pre.clone(), ..Version::new(comparator.major, minor, patch) };
    let order = prerelease.cmp_precedence(&bound);
    match comparator.op {
        Op::Exact => order == Ordering::Equal,
        Op::Greater => order == Ordering::Greater,
        Op::Less => order == Ordering::Less,
        Op::LessEq => order != Ordering::Greater,
        Op::GreaterEq => order != Ordering::Less,
        // `~` and `^` reach up to where they would without the prerelease.
        _ => order != Ordering::Less && Comparator { pre: Prerelease::EMPTY, ..comparator.clone() }.matches(&release),
    }
}

as_string_schema!(
    VersionRange,
    "a range of versions, such as `>=1.2, <2` or `^1.2 || ^2.1`; prereleases only where a lower bound is one: `>=1.2.0-0`"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Result<VersionRange, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn ranges_hold_what_their_writers_mean() {
        for (text, inside, outside) in [
            (
                ">=1.2, <2",
                &["1.2.0", "v1.9.9", "1.3.0_build5"][..],
                &["1.1.9", "2.0.0", "1.3.0-rc.1", "2.0.0-rc.1"][..],
            ),
            (">=1.2.0 <2.0.0", &["1.2.0", "1.99.0"], &["2.0.0"]),
            (">= 1.2 < 2", &["1.2.0"], &["2.0.0"]),
            ("^1.2 || ^3", &["1.2.0", "3.9.0"], &["2.0.0", "4.0.0"]),
            ("~1.2.3", &["1.2.4"], &["1.3.0", "1.2.2"]),
            ("1.x", &["1.0.0", "1.9.0"], &["2.0.0", "1.0.0-rc.1"]),
            ("*", &["0.0.1", "9.0.0"], &["9.0.0-rc.1"]),
            ("=1.2.3", &["1.2.3", "1.2.3_7"], &["1.2.4"]),
            (">=1.0.0-0", &["1.0.0-rc.1", "1.4.0-rc.1", "2.0.0"], &["0.9.0", "0.9.0-rc.1"]),
            (">=1.0.0-0, <2", &["1.9.0-rc.1"], &["2.0.0-rc.1", "2.0.0"]),
            (">=1.0.0, <2.0.0-0", &["1.9.0"], &["2.0.0", "1.9.0-rc.1", "2.0.0-rc.1"]),
            ("^1.2.0-beta.2", &["1.2.0-beta.3", "1.2.0", "1.3.0-alpha"], &["1.2.0-beta.1", "2.0.0-alpha"]),
            ("=1.2.0-rc.1", &["1.2.0-rc.1"], &["1.2.0-rc.2", "1.2.0"]),
        ] {
            let range = range(text).unwrap();
            let holds = |tag: &str| range.contains(&version_of(tag).unwrap());
            for tag in inside {
                assert!(holds(tag), "{text}: {tag}");
            }
            for tag in outside {
                assert!(!holds(tag), "{text}: {tag}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_told_and_how_to_write_one() {
        for (text, hint) in [
            ("1.2.3", "write `=1.2.3` or `^1.2.3`"),
            ("1.2 - 1.4", "write `=1.2` or `^1.2`"),
            ("", "no range"),
            (">=1 ||", "no range"),
            (">=one", "no range"),
            ("latest", "no range"),
        ] {
            let why = range(text).unwrap_err();
            assert!(why.contains(hint) && why.contains(">=1.2, <2"), "{text}: {why}");
        }
    }

    #[test]
    fn tags_are_versions_only_when_whole() {
        for (tag, version) in [
            ("1.2.3", Some("1.2.3")),
            ("v1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("v1.2.3_7", Some("1.2.3+7")),
            ("1.2", None),
            ("v1", None),
            ("latest", None),
            ("vv1.2.3", None),
            ("1.2.3_4_5", None),
            ("01.2.3", None),
        ] {
            assert_eq!(version_of(tag).map(|v| v.to_string()).as_deref(), version, "{tag}");
        }
    }

    prop_compose! {
        fn version()(major in 0_u64..4, minor in 0_u64..4, patch in 0_u64..4, pre in "|alpha|rc\\.[0-9]") -> Version {
            Version { pre: Prerelease::new(&pre).unwrap(), ..Version::new(major, minor, patch) }
        }
    }

    proptest! {
        #[test]
        fn bounds_are_bounds(low in version(), high in version(), version in version()) {
            let is_in = range(&format!(">={low}, <{high}")).unwrap().contains(&version);
            let between = version >= low && version < high;
            prop_assert!(!is_in || between || !version.pre.is_empty(), "{version} is outside");
            // Of releases exactly those between; of prereleases none that was not asked for.
            prop_assert!(!version.pre.is_empty() || is_in == between);
            prop_assert!(version.pre.is_empty() || !is_in || !low.pre.is_empty());
            prop_assert!(!is_in || version >= low);
        }

        #[test]
        fn the_latest_are_those_that_no_other_is_later_than(
            tags in prop::collection::vec("1\\.[01]\\.0(-rc\\.[12])?(_[0-2a]{1,2}([.-][01a]{1,2}){0,2})?", 0..12)
        ) {
            let versions: Vec<_> = tags.iter().filter_map(|tag| version_of(tag)).collect();
            let is_later = |place: usize| versions.iter().any(|other| compare(other, &versions[place]).is_gt());
            let wanted: Vec<_> = (0..versions.len()).filter(|place| !is_later(*place)).collect();
            prop_assert_eq!(latest(&versions), wanted, "{:?}", tags);
        }
    }
}
