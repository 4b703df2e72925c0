//! Which tags of a component are followed, and of which it can be told that one is newer than another.

use std::{cmp::Ordering, collections::BTreeSet};

use proto::{Branch, ComponentName};
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
    /// Whether branches' tags are followed, by some environment at least.
    by_branch: bool,
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
        let by_branch =
            app.first_environments(proto::Lane::Deploy).any(|(name, _)| app.tag_rule(name, component).is_none());
        Self { app, component, rules: app.tag_rules(component), by_branch }
    }

    /// Whether all tags must be listed to know which those are: a pattern stands for any.
    pub(crate) fn needs_list(&self) -> bool {
        !self.rules.is_empty() || (self.by_branch && self.patterns().any(|pattern| pattern.plain().is_none()))
    }

    /// Whether a manifest's tag tells an older image from a newer, so that it does not matter which is told of first.
    pub(crate) fn is_ordered(&self) -> bool {
        !self.by_branch && self.rules.iter().all(|rule| rule.is_ordered())
    }

    /// A text that is another once other tags are followed: what was not followed before is then new here, and was
    /// pushed nobody knows when.
    pub(crate) fn mark(&self) -> String {
        let patterns: Vec<_> = self.patterns().filter(|_| self.by_branch).map(BranchPattern::as_str).collect();
        let all = format!("{patterns:?} {:?}", self.rules);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, all.as_bytes()).simple().to_string()[..12].to_owned()
    }

    /// The tags to look at, of those that are listed. Of tags that can be compared the highest alone counts.
    pub(crate) fn choose(&self, listed: &[String]) -> Chosen {
        let mut tags: BTreeSet<String> = BTreeSet::new();
        if self.by_branch {
            let plain = self.patterns().filter_map(|pattern| Branch::new(pattern.plain()?).ok());
            let plain = plain.map(|branch| branch.as_tag()).filter(|tag| self.is_of_branch(tag));
            tags.extend(plain.chain(listed.iter().filter(|tag| self.is_of_branch(tag)).cloned()));
        }
        for rule in &self.rules {
            let fitting = listed.iter().filter(|tag| rule.matches(tag));
            if rule.is_ordered() {
                tags.extend(fitting.max_by(|one, other| rule.compare(one, other).unwrap_or(Ordering::Equal)).cloned());
            } else {
                tags.extend(fitting.cloned());
            }
        }
        let left_out = tags.len().saturating_sub(MOST);
        Chosen { tags: tags.into_iter().take(MOST).collect(), left_out }
    }

    fn patterns(&self) -> impl Iterator<Item = &'a BranchPattern> {
        self.app.deploy.iter().chain(&self.app.hotfix)
    }

    fn is_of_branch(&self, tag: &str) -> bool {
        self.app.lane_of_tag(tag).is_deployed()
            && self.app.components_of_tag(tag).any(|(component, _)| component == self.component)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use runtime::Config;

    use super::*;

    fn chosen(app: &str, listed: &[&str]) -> (bool, bool, Vec<String>) {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, {app}, gitops: {{ repository: 'https://git.example/g' }}, \
             environments: {{ staging: {{ path: staging, sync: {{ argocd: s }} }} }} }} }}"
        );
        let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
        let component = ComponentName::new("web").unwrap();
        let followed = Followed::new(config.apps.values().next().unwrap(), &component);
        let listed: Vec<_> = listed.iter().map(ToString::to_string).collect();
        let tags = followed.choose(&listed).tags.into_iter().collect();
        (followed.needs_list(), followed.is_ordered(), tags)
    }

    const WEB: &str = "components: { web: { image: ghcr.io/acme/web } }";

    #[test]
    fn a_branch_that_is_named_needs_no_list() {
        let app = format!("deploy: [main, release/1], {WEB}");
        assert_eq!(chosen(&app, &[]), (false, false, vec!["main".into(), "release-1".into()]));
    }

    #[test]
    fn a_pattern_stands_for_what_is_listed() {
        let app = format!("deploy: [main], hotfix: ['hotfix/*', '!hotfix/old-*'], {WEB}");
        let listed = ["main", "hotfix-a", "hotfix-old-b", "0123456", "feature-x"];
        assert_eq!(chosen(&app, &listed), (true, false, vec!["hotfix-a".into(), "main".into()]));
        let elsewhere = "deploy: [main, dev], components: { web: { image: ghcr.io/acme/web, branches: [main] } }";
        assert_eq!(chosen(elsewhere, &[]).2, ["main"]);
    }

    #[test]
    fn of_tags_that_can_be_compared_the_highest_counts() {
        let app = format!("tags: {{ semver: '>=1.2, <2' }}, {WEB}");
        assert_eq!(chosen(&app, &["1.2.0", "1.10.0", "1.9.9", "2.0.0", "main"]), (true, true, vec!["1.10.0".into()]));
        let app = format!("tags: {{ glob: 'release-*' }}, {WEB}");
        let (_, ordered, tags) = chosen(&app, &["release-1", "release-2", "main"]);
        assert_eq!((ordered, tags), (false, vec!["release-1".to_owned(), "release-2".to_owned()]));
    }

    #[test]
    fn there_is_an_end_to_what_is_looked_at() {
        let listed: Vec<_> = (0..130).map(|n| format!("release-{n}")).collect();
        let listed: Vec<_> = listed.iter().map(String::as_str).collect();
        let app = format!("tags: {{ glob: 'release-*' }}, {WEB}");
        assert_eq!(chosen(&app, &listed).2.len(), MOST);
    }
}
