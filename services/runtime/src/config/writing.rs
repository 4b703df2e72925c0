//! How each component's image is written in each environment, by the nearest key that says so, and what contradicts itself in
//! that.

use proto::{ComponentName, EnvironmentName};

use super::{App, Pin, Pointer, Values, Write, is_below};

/// How a component's image is written in an environment, and where the configuration says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// With the component's name where its place is held.
    pub write: Write,
    /// What of the image is written.
    pub pin: Pin,
    /// The key of `write` below the app's own, if any: `write`, `components.web.write` or `environments.staging.write`.
    key: Option<String>,
    /// The key of `pin`, likewise.
    pin_key: Option<String>,
}

impl App {
    /// How a component's image is written in an environment: as the environment says, else the component, else the app.
    pub fn writing(&self, environment: &EnvironmentName, component: &ComponentName) -> Writing {
        let (e, c) = (self.environments.get(environment), self.components.get(component));
        let (of_e, of_c) = (format!("environments.{environment}"), format!("components.{component}"));
        let write = nearest([
            (e.and_then(|e| e.write.as_ref()), format!("{of_e}.write")),
            (c.and_then(|c| c.write.as_ref()), format!("{of_c}.write")),
            (self.write.as_ref(), "write".to_owned()),
        ]);
        let pin = nearest([
            (e.and_then(|e| e.pin), format!("{of_e}.pin")),
            (c.and_then(|c| c.pin), format!("{of_c}.pin")),
            (self.pin, "pin".to_owned()),
        ]);
        let (write, key) = write.map_or_else(|| (Write::default(), None), |(w, key)| (w.of(component), Some(key)));
        let (pin, pin_key) = pin.map_or_else(|| (Pin::default(), None), |(pin, key)| (pin, Some(key)));
        Writing { write, pin, key, pin_key }
    }
}

fn nearest<T>(from: [(Option<T>, String); 3]) -> Option<(T, String)> {
    from.into_iter().find_map(|(value, key)| Some((value?, key)))
}

/// What contradicts itself, each beginning with the path of the key to mend.
pub(super) fn problems(at: &str, app: &App) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |problem: String| {
        if !found.contains(&problem) {
            found.push(problem);
        }
    };
    for environment in app.environments.keys() {
        let mut seen: Vec<(&ComponentName, Write)> = Vec::new();
        for component in app.components.keys() {
            let writing = app.writing(environment, component);
            writing.problems().into_iter().for_each(|(key, why)| add(format!("`{at}.{key}`: {why}")));
            let ordered = app.tag_rule(environment, component).filter(|nearest| nearest.rule.is_ordered());
            if let (Pin::Digest, Some(key), Some(rule)) = (writing.pin, &writing.pin_key, ordered) {
                let rule = rule.key;
                add(format!(
                    "`{at}.{key}`: without a tag nothing tells which image is older, as `{at}.{rule}` wants; write `both`"
                ));
            }
            let same = seen.iter().find(|(_, other)| *other == writing.write && writing.write.is_one_place());
            if let (Some((other, _)), Some(key)) = (same, &writing.key) {
                add(format!(
                    "`{at}.{key}`: `{other}` and `{component}` would be written to the same place; put `{{component}}` \
                     into it"
                ));
            }
            seen.push((component, writing.write));
        }
    }
    found.extend(shared(at, app));
    found
}

/// Environments that are one in the repository: what is written for the first would be in the second before its gates.
fn shared(at: &str, app: &App) -> Vec<String> {
    let all: Vec<_> = app.environments.iter().collect();
    let mut found = Vec::new();
    let branch = |name: &EnvironmentName| app.gitops_of(name).map(|gitops| gitops.branch);
    for (n, (name, environment)) in all.iter().enumerate() {
        for (other, before) in all[..n].iter().filter(|(other, _)| branch(other) == branch(name)) {
            let same = |component| {
                let (write, theirs) = (app.writing(name, component).write, app.writing(other, component).write);
                // A pointer is into one file; others look at all below a folder.
                let is_deep = !matches!(write, Write::Values(_));
                let (path, below) = (environment.path.as_str(), before.path.as_str());
                write == theirs && (path == below || is_deep && (is_below(path, below) || is_below(below, path)))
            };
            if app.components.keys().any(same) {
                let (path, theirs) = (&environment.path, &before.path);
                found.push(format!(
                    "`{at}.environments.{name}.path`: what is written there is `{other}`'s as well, whose path is \
                     `{}`: `{}` would change before its gates open; give each a path or a branch of its own, or a `write`",
                    theirs.as_str(),
                    path.as_str()
                ));
            }
        }
    }
    found
}

impl Write {
    /// Whether it names a place by itself, so that two components must not have the same.
    fn is_one_place(&self) -> bool {
        match self {
            Self::Manifests(manifests) => manifests.container.is_some(),
            Self::Kustomize(kustomize) => kustomize.name.is_some(),
            Self::Values(_) => true,
        }
    }
}

impl Writing {
    fn problems(&self) -> Vec<(String, String)> {
        let Some(key) = &self.key else { return Vec::new() };
        let unknown =
            self.write.texts().into_iter().filter_map(|(below, text)| Some((below, unknown(text.as_deref()?)?)));
        let unknown = unknown.map(|(below, name)| {
            (format!("{key}.{below}"), format!("`{{{name}}}` stands for nothing; there is `{{component}}`"))
        });
        let mut found: Vec<_> = unknown.collect();
        if let Write::Values(values) = &self.write {
            let problems = values.problems(self.pin).into_iter();
            found.extend(problems.map(|(below, why)| (format!("{key}.values{below}"), why)));
        }
        found
    }
}

impl Write {
    /// Where a component's name may stand, by key.
    fn texts(&self) -> Vec<(&'static str, Option<String>)> {
        match self {
            Self::Manifests(m) => vec![
                ("manifests.container", m.container.clone()),
                ("manifests.workload", m.workload.as_ref().map(|workload| workload.name.clone())),
            ],
            Self::Kustomize(k) => {
                vec![("kustomize.file", k.file.as_ref().map(ToString::to_string)), ("kustomize.name", k.name.clone())]
            }
            Self::Values(v) => {
                let pointer = |pointer: &Option<Pointer>| pointer.as_ref().map(ToString::to_string);
                vec![
                    ("values.file", v.file.as_ref().map(ToString::to_string)),
                    ("values.image", pointer(&v.image)),
                    ("values.registry", pointer(&v.registry)),
                    ("values.repository", pointer(&v.repository)),
                    ("values.tag", pointer(&v.tag)),
                    ("values.digest", pointer(&v.digest)),
                ]
            }
        }
    }
}

/// A word in braces, where a component's name was surely meant; two braces are some template's.
fn unknown(text: &str) -> Option<String> {
    let is_word = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    text.match_indices('{').find_map(|(at, _)| {
        let (name, _) = text[at + 1..].split_once('}')?;
        (is_word(name) && !text[..at].ends_with('{')).then(|| name.to_owned())
    })
}

impl Values {
    /// What would leave nothing to write, or something else than is pinned; by key below its own.
    fn problems(&self, pin: Pin) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let parts = [&self.registry, &self.repository, &self.tag, &self.digest];
        let is_apart = parts.iter().any(|part| part.is_some());
        match (&self.image, is_apart) {
            (Some(_), true) => {
                found.push((".image", "it holds the whole reference; leave out its parts, or it".into()));
            }
            (None, false) => found.push(("", "it says no place; give it `tag` and `digest`, or `image`".to_owned())),
            _ => {}
        }
        if self.registry.is_some() && self.repository.is_none() {
            found.push((".registry", "it goes with a `repository`".to_owned()));
        }
        if is_apart && self.image.is_none() {
            match (pin, &self.tag, &self.digest) {
                (Pin::Digest, _, None) => found.push(("", "there is no place for the digest; give it `digest`".into())),
                (Pin::Tag, None, _) => found.push(("", "there is no place for the tag; give it `tag`".into())),
                (Pin::Both, None, _) => {
                    found.push(("", "there is no place for the tag; give it `tag`, or write `pin: digest`".into()));
                }
                _ => {}
            }
        }
        let all: Vec<_> = parts.into_iter().flatten().collect();
        if let Some(twice) = all.iter().enumerate().find(|(n, pointer)| all[..*n].contains(pointer)) {
            found.push(("", format!("two parts stand at `{}`; each needs its own", twice.1)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Config;
    use super::super::{Kustomize, Manifests};
    use super::*;

    const SHOP: &str = "
apps:
  shop:
    repository: acme/shop
    write: { values: { tag: '/{component}/tag', digest: '/{component}/digest' } }
    components:
      web: { image: ghcr.io/acme/web }
      api: { image: ghcr.io/acme/api, write: kustomize, pin: tag }
    gitops: { repository: https://github.com/acme/gitops.git }
    environments:
      dev: { path: dev, sync: { argocd: d }, write: { manifests: { container: '{component}' } }, pin: digest }
      staging: { path: staging, sync: { argocd: s } }
";

    fn parse(text: &str) -> Result<App, String> {
        let config = Config::parse(text, "windlass.yaml".as_ref()).map_err(|error| error.to_string())?;
        Ok(config.apps.into_values().next().unwrap())
    }

    #[test]
    fn the_nearest_way_to_write_counts() {
        let app = parse(SHOP).unwrap();
        let of = |environment: &str, component: &str| {
            let Writing { write, pin, .. } = app.writing(&environment.parse().unwrap(), &component.parse().unwrap());
            (write, pin)
        };
        let pointer = |text: &str| Some(Pointer::try_from(text.to_owned()).unwrap());
        let values = Values { tag: pointer("/web/tag"), digest: pointer("/web/digest"), ..Values::default() };
        assert_eq!(of("staging", "web"), (Write::Values(values), Pin::Both));
        assert_eq!(of("staging", "api"), (Write::Kustomize(Kustomize::default()), Pin::Tag));
        let container = Some("api".to_owned());
        assert_eq!(of("dev", "api"), (Write::Manifests(Manifests { container, ..Manifests::default() }), Pin::Digest));
        let plain = parse(&SHOP.replace("    write: { values", "    #")).unwrap();
        let writing = plain.writing(&"staging".parse().unwrap(), &"web".parse().unwrap());
        assert_eq!((writing.write, writing.pin), (Write::default(), Pin::Both));
    }

    #[test]
    fn what_contradicts_itself_or_cannot_be_read_is_told_by_its_key() {
        let values = "values: { tag: '/{component}/tag', digest: '/{component}/digest' }";
        for (from, to, key, hint) in [
            (values, "values: {}", "apps.shop.write.values", "it says no place"),
            (values, "values", "apps.shop.write.values", "nothing stands there"),
            (values, "values: { image: /i, tag: /t }", "apps.shop.write.values.image", "whole reference"),
            (
                values,
                "values: { registry: '/{component}/r', tag: '/{component}/t' }",
                "apps.shop.write.values.registry",
                "repository",
            ),
            (values, "values: { tag: '/{component}', digest: '/{component}' }", "apps.shop.write.values", "two parts"),
            (values, "values: { digest: '/{component}' }", "apps.shop.write.values", "`pin: digest`"),
            (values, "values: { tag: image.tag }", "apps.shop.write.values.tag", "`/image/tag`"),
            (values, "values: { tag: /a~2 }", "apps.shop.write.values.tag", "no JSON pointer"),
            (values, "values: { file: ../x, tag: /a }", "apps.shop.write.values.file", "root"),
            (values, "valeus: {}", "apps.shop.write", "valeus"),
            ("write: kustomize", "write: kustomise", "apps.shop.components.api.write", "kustomise"),
            ("write: kustomize", "write: { kustomize: { nam: x } }", "apps.shop.components.api.write.kustomize", "nam"),
            ("pin: tag", "pin: tags", "apps.shop.components.api.pin", "tags"),
            ("container: '{component}'", "container: app", "apps.shop.environments.dev.write", "`api` and `web`"),
            (
                "container: '{component}'",
                "workload: web",
                "apps.shop.environments.dev.write.manifests.workload",
                "Deployment/shop",
            ),
            (
                "pin: digest",
                "pin: digest, tags: { semver: '*' }",
                "apps.shop.environments.dev.pin",
                "`apps.shop.environments.dev.tags`",
            ),
        ] {
            let text = SHOP.replace(from, to);
            assert_ne!(text, SHOP, "{from}");
            let error = parse(&text).unwrap_err();
            assert!(error.contains(&format!("`{key}")) && error.contains(hint), "{key}: {error}");
        }
    }

    #[test]
    fn environments_do_not_share_what_is_written() {
        let plain = SHOP
            .replace("    write: { values: { tag: '/{component}/tag', digest: '/{component}/digest' } }\n", "")
            .replace(", write: { manifests: { container: '{component}' } }, pin: digest", "")
            .replace(", write: kustomize, pin: tag", "");
        for (dev, staging, is_told) in [
            ("dev", "staging", false),
            ("apps/a", "apps/ab", false),
            ("dev", "dev", true),
            ("dev", "dev/eu", true),
            ("dev/eu", "dev", true),
            (".", "dev", true),
        ] {
            let text = plain
                .replace("path: dev", &format!("path: {dev}"))
                .replace("path: staging", &format!("path: {staging}"));
            let error = parse(&text).err().unwrap_or_default();
            let words = "`apps.shop.environments.staging.path`: what is written there is `dev`'s as well";
            assert_eq!(error.contains(words), is_told, "{dev} {staging}: {error}");
        }
        // The same path is another place on another branch.
        for (branch, is_told) in [("live", false), ("main", true)] {
            let text = plain.replace("path: staging", &format!("path: dev, branch: {branch}"));
            assert_eq!(parse(&text).is_err(), is_told, "{branch}");
        }
        // One file may hold several, each at a place of its own.
        let one = plain.replace(
            "path: staging",
            "path: values.yaml, write: { values: { tag: '/staging/{component}' } }, pin: tag",
        );
        let places = |dev: &str| {
            one.replace("path: dev", &format!("path: values.yaml, write: {{ values: {{ tag: '{dev}' }} }}, pin: tag"))
        };
        parse(&places("/dev/{component}")).unwrap();
        assert!(
            parse(&places("/staging/{component}")).unwrap_err().contains("give each a path or a branch of its own")
        );
    }

    #[test]
    fn a_pointers_parts_are_keys() {
        let pointer = Pointer::try_from("/a~1b/~01//0".to_owned()).unwrap();
        assert_eq!(pointer.parts().collect::<Vec<_>>(), ["a/b", "~1", "", "0"]);
        assert_eq!(Pointer::of("a/~").parts().collect::<Vec<_>>(), ["a/~"]);
    }
}
