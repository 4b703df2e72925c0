//! What of an app's pushes and images is acted upon: its branches, files and tags, and what contradicts itself in them.

use proto::{Branch, CommitSha, ComponentName, EnvironmentName, Lane};

use super::{App, BranchPattern, Component, PathPattern, TagRule};

/// The rule over an image's tags, and its key in the configuration.
#[derive(Debug, Clone)]
pub struct NearestRule<'a> {
    /// Below the app's own: `tags`, `components.web.tags` or `environments.staging.tags`.
    pub key: String,
    /// The rule.
    pub rule: &'a TagRule,
}

impl App {
    /// Whether pushes to a branch are looked at.
    pub fn looks_at(&self, branch: &Branch) -> bool {
        self.branches.is_empty() || BranchPattern::let_in(&self.branches, branch.as_str())
    }

    /// The lane of a branch's commits.
    pub fn lane(&self, branch: &Branch) -> Lane {
        self.lane_by(|patterns| BranchPattern::let_in(patterns, branch.as_str()))
    }

    /// The lane an image tag belongs to: that of the branch whose name, as a tag, it is. A commit's own tag is no
    /// branch's, whatever a pattern lets in: every commit has one, of whichever branch.
    pub fn lane_of_tag(&self, tag: &str) -> Lane {
        if CommitSha::new(tag).is_ok() {
            return Lane::Check;
        }
        self.lane_by(|patterns| BranchPattern::let_tag_in(patterns, tag))
    }

    fn lane_by(&self, is_in: impl Fn(&[BranchPattern]) -> bool) -> Lane {
        match (is_in(&self.hotfix), is_in(&self.deploy)) {
            (true, _) => Lane::Hotfix,
            (_, true) => Lane::Deploy,
            _ => Lane::Check,
        }
    }

    /// The components that are built from a branch.
    pub fn components_of<'a>(&'a self, branch: &'a Branch) -> impl Iterator<Item = (&'a ComponentName, &'a Component)> {
        let is_in = |c: &Component| c.branches.is_empty() || BranchPattern::let_in(&c.branches, branch.as_str());
        self.components.iter().filter(move |(_, component)| is_in(component))
    }

    /// The components that are built from the branch whose name, as a tag, this is.
    pub fn components_of_tag<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = (&'a ComponentName, &'a Component)> {
        let is_in = |c: &Component| c.branches.is_empty() || BranchPattern::let_tag_in(&c.branches, tag);
        self.components.iter().filter(move |(_, component)| is_in(component))
    }

    /// The rule over the tags of a component's images that come to an environment: the environment's own, else the
    /// component's, else the app's. Without one the tags of deploy and hotfix branches are followed.
    pub fn tag_rule(&self, environment: &EnvironmentName, component: &ComponentName) -> Option<NearestRule<'_>> {
        let of_environment = self.environments.get(environment).and_then(|e| e.tags.as_ref());
        let of_component = self.components.get(component).and_then(|c| c.tags.as_ref());
        let nearest = |key: String, rule| NearestRule { key, rule };
        of_environment
            .map(|rule| nearest(format!("environments.{environment}.tags"), rule))
            .or_else(|| of_component.map(|rule| nearest(format!("components.{component}.tags"), rule)))
            .or_else(|| self.tags.as_ref().map(|rule| nearest("tags".to_owned(), rule)))
    }

    /// Every rule by which images of a component come to an environment, in either lane; none where branches' tags alone
    /// are followed.
    pub fn tag_rules(&self, component: &ComponentName) -> Vec<&TagRule> {
        let mut found: Vec<NearestRule<'_>> = Vec::new();
        let first = [Lane::Deploy, Lane::Hotfix].into_iter().flat_map(|lane| self.first_environments(lane));
        for nearest in first.filter_map(|(name, _)| self.tag_rule(name, component)) {
            if !found.iter().any(|known| known.key == nearest.key) {
                found.push(nearest);
            }
        }
        found.into_iter().map(|nearest| nearest.rule).collect()
    }
}

/// What contradicts itself, each beginning with the path of the key to mend.
pub(super) fn problems(at: &str, app: &App) -> Vec<String> {
    let mut found = Vec::new();
    let mut branches = |key: &str, patterns: &[BranchPattern]| {
        found.extend(only_leaves_out(&format!("{at}.{key}"), patterns.iter().map(BranchPattern::leaves_out)));
    };
    branches("branches", &app.branches);
    branches("deploy", &app.deploy);
    branches("hotfix", &app.hotfix);
    app.components.iter().for_each(|(name, c)| branches(&format!("components.{name}.branches"), &c.branches));
    let mut paths = |key: &str, patterns: &[PathPattern]| {
        found.extend(only_leaves_out(&format!("{at}.{key}"), patterns.iter().map(PathPattern::leaves_out)));
    };
    paths("paths", &app.paths);
    app.components.iter().for_each(|(name, c)| paths(&format!("components.{name}.paths"), &c.paths));
    found.extend(unseen_branches(at, app));
    found.extend(idle_branches(at, app));
    found.extend(tags(at, app));
    found
}

/// A list that only leaves out lets nothing in: its writer surely means all but these.
fn only_leaves_out(key: &str, mut patterns: impl ExactSizeIterator<Item = bool>) -> Option<String> {
    let bad = patterns.len() > 0 && patterns.all(|leaves_out| leaves_out);
    bad.then(|| format!("`{key}`: it leaves out and lets nothing in; write `\"**\"` before, for all but these"))
}

/// A branch that is to be deployed and is not looked at.
fn unseen_branches<'a>(at: &'a str, app: &'a App) -> impl Iterator<Item = String> + 'a {
    let plain = app.deploy.iter().chain(&app.hotfix).filter_map(BranchPattern::plain);
    let unseen = plain.filter(|branch| !app.branches.is_empty() && !BranchPattern::let_in(&app.branches, branch));
    unseen.map(move |branch| format!("`{at}.branches`: `{branch}` is to be deployed and is not among them"))
}

/// A branch a component is built from and that is in no lane. Without any lane, images come by their tags alone.
fn idle_branches<'a>(at: &'a str, app: &'a App) -> impl Iterator<Item = String> + 'a {
    let lanes = [&app.deploy, &app.hotfix];
    let of = move |(name, c): (&'a ComponentName, &'a Component)| {
        let plain = c.branches.iter().filter_map(BranchPattern::plain);
        plain.map(move |branch| (format!("{at}.components.{name}.branches"), branch))
    };
    let named = app.components.iter().flat_map(of);
    let idle = named.filter(move |(_, branch)| {
        lanes.iter().any(|lane| !lane.is_empty()) && !lanes.iter().any(|lane| BranchPattern::let_in(lane, branch))
    });
    idle.map(|(key, branch)| format!("`{key}`: `{branch}` is among neither the app's `deploy` nor its `hotfix`"))
}

fn tags(at: &str, app: &App) -> Vec<String> {
    let of_components = app.components.iter().map(|(name, c)| (format!("{at}.components.{name}.tags"), &c.tags));
    let of_environments = app.environments.iter().map(|(name, e)| (format!("{at}.environments.{name}.tags"), &e.tags));
    let all = [(format!("{at}.tags"), &app.tags)].into_iter().chain(of_components).chain(of_environments);
    let rules = all.filter_map(|(key, rule)| Some((key, rule.as_ref()?)));
    let contradicting = rules
        .flat_map(|(key, rule)| rule.problems().into_iter().map(move |(below, why)| format!("`{key}{below}`: {why}")));
    let mut found: Vec<_> = contradicting.collect();
    let followed = app.environments.iter().filter(|(_, e)| e.tags.is_some());
    for (name, after) in followed.filter_map(|(name, e)| Some((name, e.after.first()?))) {
        found.push(format!(
            "`{at}.environments.{name}.tags`: what is healthy in `{after}` comes here, whatever its tag; leave it out, or `after`"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Config, ConfigError};
    use super::*;

    const SHOP: &str = r#"
apps:
  shop:
    repository: acme/shop
    branches: ["**", "!gh-pages"]
    paths: [packages/**, "!**/*.md"]
    deploy: [main]
    hotfix: ["hotfix/*"]
    tags: { semver: ">=1.2, <2" }
    components:
      web: { image: ghcr.io/acme/web, paths: [packages/web] }
      docs: { image: ghcr.io/acme/docs, branches: [main], tags: { glob: "docs-*" } }
    gitops: { repository: https://github.com/acme/gitops.git }
    environments:
      dev: { path: dev, sync: { argocd: d }, tags: { regex: '^main-(?<n>\d+)$', order: numerical } }
      staging: { path: staging, sync: { argocd: s } }
      production: { path: production, after: staging, sync: { argocd: p } }
"#;

    fn parse(text: &str) -> Result<App, ConfigError> {
        Config::parse(text, "windlass.yaml".as_ref()).map(|config| config.apps.into_values().next().unwrap())
    }

    #[test]
    fn filters_are_read_and_asked() {
        let app = parse(SHOP).unwrap();
        let branch = |name: &str| Branch::new(name).unwrap();
        assert!(app.looks_at(&branch("topic")) && !app.looks_at(&branch("gh-pages")));
        assert_eq!(app.lane(&branch("hotfix/x")), Lane::Hotfix);
        assert_eq!(app.lane_of_tag("hotfix-x"), Lane::Hotfix);
        let names = |found: Vec<(&ComponentName, &Component)>| {
            found.into_iter().map(|(name, _)| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(app.components_of(&branch("main")).collect()), ["docs", "web"]);
        assert_eq!(names(app.components_of(&branch("hotfix/x")).collect()), ["web"]);
        assert_eq!(names(app.components_of_tag("hotfix-x").collect()), ["web"]);
    }

    #[test]
    fn a_commit_s_tag_is_no_branch_s() {
        for pattern in ["'*'", "'**'", "'?*'", "'{main,*}'"] {
            let app = parse(&SHOP.replace("deploy: [main]", &format!("deploy: [{pattern}]"))).unwrap();
            assert_eq!(app.lane_of_tag("main"), Lane::Deploy, "{pattern}");
            for commit in ["a".repeat(40), "0".repeat(64)] {
                assert_eq!(app.lane_of_tag(&commit), Lane::Check, "{pattern}");
            }
        }
    }

    #[test]
    fn the_nearest_rule_over_tags_counts() {
        let app = parse(SHOP).unwrap();
        let key = |environment: &str, component: &str| {
            app.tag_rule(&environment.parse().unwrap(), &component.parse().unwrap()).map(|nearest| nearest.key)
        };
        assert_eq!(key("staging", "web").as_deref(), Some("tags"));
        assert_eq!(key("staging", "docs").as_deref(), Some("components.docs.tags"));
        assert_eq!(key("dev", "docs").as_deref(), Some("environments.dev.tags"));
        let follows = |component: &str, tag: &str| {
            app.tag_rules(&component.parse().unwrap()).iter().any(|rule| rule.matches(tag))
        };
        assert!(follows("web", "v1.3.0") && follows("web", "main-7") && follows("docs", "docs-7"));
        assert!(!follows("web", "docs-7") && !follows("docs", "v1.3.0") && !follows("web", "main"));
        let plain = parse(&SHOP.replace("    tags: { semver: \">=1.2, <2\" }\n", "")).unwrap();
        assert_eq!(plain.tag_rules(&"web".parse().unwrap()).len(), 1);
        // Where `docs` is deployed by the fast path alone, its rule is one all the same.
        let both = SHOP.replace(
            "{ path: staging, sync: { argocd: s } }",
            "{ path: staging, sync: { argocd: s }, tags: { glob: s } }",
        );
        let fast = both.replace("    hotfix:", "    fast_path: { to: [production] }\n    hotfix:");
        let rules = |text: &str| parse(text).unwrap().tag_rules(&"docs".parse().unwrap()).len();
        assert_eq!((rules(&both), rules(&fast)), (2, 3));
    }

    #[test]
    fn what_contradicts_itself_or_cannot_be_read_is_told_by_its_key() {
        for (from, to, key, hint) in [
            (r#"["**", "!gh-pages"]"#, "['!gh-pages']", "apps.shop.branches", "before"),
            (r#"["**", "!gh-pages"]"#, "['release/*']", "apps.shop.branches", "`main`"),
            ("[main]\n    hotfix", "['!x']\n    hotfix", "apps.shop.deploy", "before"),
            (r#"["hotfix/*"]"#, "['hotfix/[']", "apps.shop.hotfix[0]", "unclosed"),
            (r#"[packages/**, "!**/*.md"]"#, "['!**/*.md']", "apps.shop.paths", "before"),
            (r#"[packages/**, "!**/*.md"]"#, "[a, /b]", "apps.shop.paths[1]", "root"),
            ("paths: [packages/web]", "paths: ['!x']", "apps.shop.components.web.paths", "before"),
            ("branches: [main]", "branches: ['!x']", "apps.shop.components.docs.branches", "before"),
            (r#"semver: ">=1.2, <2""#, "semver: '1.2'", "apps.shop.tags.semver", "^1.2"),
            (r#"semver: ">=1.2, <2""#, "order: numerical", "apps.shop.tags", "give it"),
            (r#"semver: ">=1.2, <2""#, "semver: '>=1', order: numerical", "apps.shop.tags.order", "own"),
            (r#"semver: ">=1.2, <2""#, "glob: a, regex: b", "apps.shop.tags.glob", "regex"),
            (r#"glob: "docs-*""#, "glob: '['", "apps.shop.components.docs.tags.glob", "unclosed"),
            (r"'^main-(?<n>\d+)$'", "'('", "apps.shop.environments.dev.tags.regex", "unclosed group"),
            ("order: numerical", "order: newest", "apps.shop.environments.dev.tags.order", "newest"),
            (
                "after: staging",
                "after: staging, tags: { glob: x }",
                "apps.shop.environments.production.tags",
                "`after`",
            ),
        ] {
            let text = SHOP.replace(from, to);
            assert_ne!(text, SHOP, "{from}");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`: ")) && error.contains(hint), "{key}: {error}");
        }
    }
}
