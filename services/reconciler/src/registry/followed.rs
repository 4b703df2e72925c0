//! Which tags of a component are followed, and of which it can be told that one is newer than another.

use std::{cmp::Ordering, collections::BTreeSet};

use proto::{Branch, ComponentName, Lane};
use runtime::config::{App, BranchPattern, TagRule};
use uuid::Uuid;

/// More tags that are followed at once than anybody works on.
const MOST: usize = 100;

/// What is followed of a component.
pub(crate) struct Followed<'a> {
    app: &'a App,
    component: &'a ComponentName,
    /// Where images are built elsewhere.
    rules: Vec<&'a TagRule>,
    /// The lanes whose branches' tags are followed, by some environment at least.
    by_branch: Vec<Lane>,
}

/// The tags to look at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) tags: BTreeSet<String>,
    /// How many more there are.
    pub(crate) left_out: usize,
}

impl<'a> Followed<'a> {
    pub(crate) fn new(app: &'a App, component: &'a ComponentName) -> Self {
        let by_branch = |lane: &Lane| app.first_environments(*lane).any(|(e, _)| app.tag_rule(e, component).is_none());
        let by_branch = [Lane::Deploy, Lane::Hotfix].into_iter().filter(by_branch).collect();
        Self { app, component, rules: app.tag_rules(component), by_branch }
    }

    /// Whether all tags must be listed to know which those are: a pattern stands for any.
    pub(crate) fn needs_list(&self) -> bool {
        !self.rules.is_empty() || self.patterns().any(|pattern| pattern.plain().is_none())
    }

    /// Whether some environment may follow both of these tags, and nothing there says which is newer: then it matters
    /// which is told of first.
    pub(crate) fn is_open_between(&self, one: &str, other: &str) -> bool {
        let is_open = |rule: &&TagRule| rule.matches(one) && rule.matches(other) && !rule.decides(one, other);
        !self.by_branch.is_empty() || self.rules.iter().any(is_open)
    }

    /// Whether an image that was told of under the other tag need not be told of under this one: whoever follows this one
    /// follows the other too. Images come under a commit's tag as well, which nobody follows.
    pub(crate) fn is_covered(&self, tag: &str, other: &str) -> bool {
        let as_rules_have_it = || self.rules.iter().all(|rule| !rule.matches(tag) || rule.matches(other));
        let (lane, others) = (self.app.lane_of_tag(tag), self.app.lane_of_tag(other));
        tag == other || (lane == others && self.is_of_branch(tag) == self.is_of_branch(other) && as_rules_have_it())
    }

    /// A text that is another once other tags are followed: what was not followed before is then new here, and was
    /// pushed nobody knows when.
    pub(crate) fn mark(&self) -> String {
        let patterns: Vec<_> = self.patterns().map(BranchPattern::as_str).collect();
        let all = format!("{patterns:?} {:?}", self.rules);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, all.as_bytes()).simple().to_string()[..12].to_owned()
    }

    /// The tags to look at, of those that are listed. Of tags that can be compared the latest alone counts, or all of
    /// which nothing says which is. Of the others those whose names come last are looked at, for names that grow are given to what is newer.
    pub(crate) fn choose(&self, listed: &[String]) -> Chosen {
        let plain = self.patterns().filter_map(|pattern| Branch::new(pattern.plain()?).ok());
        let mut tags: BTreeSet<_> = plain.map(|branch| branch.as_tag()).filter(|tag| self.is_of_branch(tag)).collect();
        let mut others: BTreeSet<&String> = listed.iter().filter(|tag| self.is_of_branch(tag)).collect();
        for rule in &self.rules {
            if rule.is_ordered() {
                let latest = rule.latest(listed);
                tags.extend(latest.iter().max_by(|one, other| by_name(one, other)).map(|tag| (*tag).clone()));
                others.extend(latest);
            } else {
                others.extend(listed.iter().filter(|tag| rule.matches(tag)));
            }
        }
        let mut others: Vec<_> = others.into_iter().filter(|tag| !tags.contains(*tag)).collect();
        others.sort_by(|one, other| by_name(one, other));
        let left_out = others.len().saturating_sub(MOST.saturating_sub(tags.len()));
        tags.extend(others.into_iter().skip(left_out).cloned());
        Chosen { tags, left_out }
    }

    fn patterns(&self) -> impl Iterator<Item = &'a BranchPattern> {
        let of = |lane| if lane == Lane::Deploy { &self.app.deploy } else { &self.app.hotfix };
        self.by_branch.iter().flat_map(move |lane| of(*lane))
    }

    fn is_of_branch(&self, tag: &str) -> bool {
        self.by_branch.contains(&self.app.lane_of_tag(tag))
            && self.app.components_of_tag(tag).any(|(component, _)| component == self.component)
    }
}

/// By name, and by number where names differ in one: `build-9` before `build-10`.
fn by_name(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    loop {
        let ((text_a, number_a, rest_a), (text_b, number_b, rest_b)) = (first_number(a), first_number(b));
        let by_number = number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b));
        match text_a.cmp(text_b).then(by_number) {
            Ordering::Equal if rest_a.is_empty() && rest_b.is_empty() => return one.cmp(other),
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            unequal => return unequal,
        }
    }
}

/// What stands before the first number, the number without the zeros before it, and the rest.
fn first_number(text: &str) -> (&str, &str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let (before, from) = text.split_at(text.find(is_digit).unwrap_or(text.len()));
    let (number, rest) = from.split_at(from.find(|c| !is_digit(c)).unwrap_or(from.len()));
    (before, number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use runtime::Config;

    use super::*;

    fn chosen(app: &str, listed: &[&str]) -> (bool, Vec<String>) {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, {app}, gitops: {{ repository: 'https://git.example/g' }}, \
             environments: {{ staging: {{ path: staging, sync: {{ argocd: s }} }} }} }} }}"
        );
        let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
        let component = ComponentName::new("web").unwrap();
        let followed = Followed::new(config.apps.values().next().unwrap(), &component);
        let listed: Vec<_> = listed.iter().map(ToString::to_string).collect();
        let tags = followed.choose(&listed).tags.into_iter().collect();
        (followed.needs_list(), tags)
    }

    const WEB: &str = "components: { web: { image: ghcr.io/acme/web } }";

    #[test]
    fn a_branch_that_is_named_needs_no_list() {
        let app = format!("deploy: [main, release/1], {WEB}");
        assert_eq!(chosen(&app, &[]), (false, vec!["main".into(), "release-1".into()]));
    }

    #[test]
    fn a_pattern_stands_for_what_is_listed() {
        let app = format!("deploy: [main], hotfix: ['hotfix/*', '!hotfix/old-*'], {WEB}");
        let listed = ["main", "hotfix-a", "hotfix-old-b", "0123456", "feature-x"];
        assert_eq!(chosen(&app, &listed), (true, vec!["hotfix-a".into(), "main".into()]));
        let elsewhere = "deploy: [main, dev], components: { web: { image: ghcr.io/acme/web, branches: [main] } }";
        assert_eq!(chosen(elsewhere, &[]).1, ["main"]);
    }

    #[test]
    fn of_tags_that_can_be_compared_the_highest_counts() {
        let app = format!("tags: {{ semver: '>=1.2, <2' }}, {WEB}");
        assert_eq!(chosen(&app, &["1.2.0", "1.10.0", "1.9.9", "2.0.0", "main"]), (true, vec!["1.10.0".into()]));
        let app = format!("tags: {{ glob: 'release-*' }}, {WEB}");
        let (_, tags) = chosen(&app, &["release-1", "release-2", "main"]);
        assert_eq!(tags, ["release-1", "release-2"]);
    }

    #[test]
    fn there_is_an_end_to_what_is_looked_at_and_what_is_named_last_is_within_it() {
        let listed: Vec<_> = (0..130).map(|n| format!("release-{n}")).collect();
        let listed: Vec<_> = listed.iter().map(String::as_str).collect();
        let app = format!("tags: {{ glob: 'release-*' }}, {WEB}");
        let (.., tags) = chosen(&app, &listed);
        assert_eq!(tags.len(), MOST);
        let has = |tag: &str| tags.iter().any(|chosen| chosen == tag);
        assert!(has("release-129") && has("release-30") && !has("release-29"), "{tags:?}");
        let app = format!("deploy: [main, 'release-*'], {WEB}");
        let (.., tags) = chosen(&app, &listed);
        assert!(tags.len() == MOST && tags.iter().any(|tag| tag == "main"), "a branch that is named is looked at");
    }

    #[test]
    fn names_are_ordered_as_people_count() {
        let mut names = ["b10", "b9", "b009", "a", "b10-2", "b10-10", "c", "b"];
        names.sort_by(|one, other| by_name(one, other));
        assert_eq!(names, ["a", "b", "b009", "b9", "b10", "b10-2", "b10-10", "c"]);
    }

    #[test]
    fn of_builds_that_nothing_orders_each_is_looked_at() {
        let app = format!("tags: {{ semver: '^1' }}, {WEB}");
        let (.., tags) = chosen(&app, &["1.2.2_9", "1.2.3_0ac1", "1.2.3_ff00"]);
        assert_eq!(tags, ["1.2.3_0ac1", "1.2.3_ff00"]);
        let (.., tags) = chosen(&app, &["1.2.3_9", "1.2.3_10", "1.2.3_8"]);
        assert_eq!(tags, ["1.2.3_10"]);
    }

    #[test]
    fn which_tags_are_looked_at_does_not_hang_on_the_order_of_the_list() {
        let app = format!("tags: {{ semver: '^1' }}, {WEB}");
        // Nothing says how builds of a name stand to those of a number; of these the second is the later.
        let mut listed = ["1.2.3_1.c", "1.2.3_2.c", "1.2.3_main", "1.2.2_9"];
        for _ in 0..2 {
            for _ in 0..listed.len() {
                let (.., tags) = chosen(&app, &listed);
                assert_eq!(tags, ["1.2.3_2.c", "1.2.3_main"], "of {listed:?}");
                listed.rotate_left(1);
            }
            listed.reverse();
        }
        let numbers = format!("tags: {{ regex: '-(?<n>[0-9]+)$', order: numerical }}, {WEB}");
        for listed in [["a-9", "a-10", "b-10"], ["b-10", "a-9", "a-10"], ["a-10", "b-10", "a-9"]] {
            assert_eq!(chosen(&numbers, &listed).1, ["a-10", "b-10"], "of {listed:?}");
        }
    }

    #[test]
    fn of_some_tags_nothing_says_which_is_newer() {
        let open = |tags: &str, one: &str, other: &str| {
            let text = format!(
                "apps: {{ shop: {{ repository: acme/shop, {WEB}, gitops: {{ repository: 'https://git.example/g' }}, \
                 environments: {{ staging: {{ path: s, sync: {{ argocd: s }}, tags: {tags} }}, production: {{ path: p, \
                 sync: {{ argocd: p }}, tags: {{ semver: '^2' }} }} }} }} }}"
            );
            let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
            let component = ComponentName::new("web").unwrap();
            Followed::new(config.apps.values().next().unwrap(), &component).is_open_between(one, other)
        };
        for (tags, one, other, is_open) in [
            ("{ semver: '^1' }", "1.2.0", "1.3.0", false),
            ("{ semver: '^1' }", "1.2.3_9", "1.2.3_10", false),
            ("{ semver: '^1' }", "1.2.3_0ac1", "1.2.3_ff00", true),
            // No environment follows both.
            ("{ semver: '^1' }", "1.2.3", "2.0.0", false),
            ("{ glob: 'release-*' }", "release-1", "2.0.0", false),
            ("{ glob: 'release-*' }", "release-1", "release-2", true),
        ] {
            assert_eq!(open(tags, one, other), is_open, "{tags}: {one} {other}");
        }
    }

    #[test]
    fn what_is_told_under_one_tag_is_told_under_another_that_the_same_follow() {
        let text = format!("apps: {{ shop: {{ repository: acme/shop, {FAST} }} }}");
        let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
        let component = ComponentName::new("web").unwrap();
        let followed = Followed::new(config.apps.values().next().unwrap(), &component);
        for (tag, other, is_covered) in [
            ("1.2.3", "1.2.3", true),
            ("1.2.3_9", "1.2.3", true),
            ("1.2.3", "2.0.0", false),
            ("1.2.3", "hotfix-a", false),
            ("hotfix-a", "hotfix-b", true),
            ("hotfix-a", "0123456789abcdef0123456789abcdef01234567", false),
            ("hotfix-a", "main", false),
        ] {
            assert_eq!(followed.is_covered(tag, other), is_covered, "{tag} {other}");
        }
    }

    const FAST: &str = "deploy: [main], hotfix: ['hotfix/*'], fast_path: { to: [production] }, components: { web: \
        { image: ghcr.io/acme/web } }, gitops: { repository: 'https://git.example/g' }, environments: { staging: { \
        path: s, sync: { argocd: s }, tags: { semver: '^1' } }, production: { path: p, after: staging, sync: { argocd: \
        p } } }";

    #[test]
    fn what_the_fast_path_alone_follows_is_looked_at() {
        let text = format!("apps: {{ shop: {{ repository: acme/shop, {FAST} }} }}");
        let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
        let component = ComponentName::new("web").unwrap();
        let followed = Followed::new(config.apps.values().next().unwrap(), &component);
        let listed = ["main", "hotfix-a", "1.2.0", "1.3.0"].map(ToOwned::to_owned);
        let tags: Vec<_> = followed.choose(&listed).tags.into_iter().collect();
        assert_eq!(tags, ["1.3.0", "hotfix-a"]);
        assert!(followed.is_open_between("1.3.0", "hotfix-a"));
    }
}
