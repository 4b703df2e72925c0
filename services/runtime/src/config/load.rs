//! Reading the layers into one [`Config`].

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use config::{ConfigError as ReadError, Map, Source, Value};

use super::{
    Config, check,
    overrides::{self, Override},
    words::readable,
    yaml::{self, Lines},
};

/// Why there is no configuration: which key, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {why}; name another with --config, or write one")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// The file is no YAML.
    #[error("{path} is not valid YAML: {why}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line, and what to do.
        why: String,
    },
    /// What is set over the file has no form that can be set.
    #[error("`{shown}`: {why}")]
    Override {
        /// The variable, or the argument.
        shown: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A key is unknown, missing or holds what it cannot.
    #[error("{place}: `{key}`: {why}")]
    Key {
        /// The file and the line, as `windlass.yaml:14`; or what set it over the file.
        place: String,
        /// The key's path: `apps.backstage.environments.staging.path`.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// Keys that are right one by one and wrong together.
    #[error("{path}:\n{}", problems.iter().zip(places).map(|(p, at)| format!("  - {p}{at}")).collect::<Vec<_>>().join("\n"))]
    Contradictions {
        /// The file.
        path: PathBuf,
        /// Each problem, beginning with its key's path.
        problems: Vec<String>,
        /// Where each stands, as ` (line 14)`; empty where nothing of it is written.
        places: Vec<String>,
    },
}

/// What the command line sets, by key path: `("receiver.listen", "127.0.0.1:0")`.
pub type Overrides = Vec<(String, String)>;

impl Config {
    /// Reads the file and the layers over it, and checks the whole.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_with_places(path, overrides).map(|(config, _)| config)
    }

    /// The same with where each key stands, for whoever finds something wrong that only a look elsewhere shows.
    pub fn load_with_places(path: &Path, overrides: &Overrides) -> Result<(Self, Places), ConfigError> {
        let text = std::fs::read(path).map_err(|why| ConfigError::Unreadable { path: path.into(), why })?;
        let text = String::from_utf8(text).map_err(|_| {
            let why = "it is not written in UTF-8; have your editor save it so".to_owned();
            ConfigError::Syntax { path: path.into(), why }
        })?;
        Self::from_yaml(&text, path, overrides, std::env::vars_os())
    }

    /// Reads a text as if it were the file at `path`, without the environment; for tests and checks.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::from_yaml(text, path, &Vec::new(), std::iter::empty()).map(|(config, _)| config)
    }

    fn from_yaml(
        text: &str,
        path: &Path,
        arguments: &Overrides,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Places), ConfigError> {
        let syntax = |why| ConfigError::Syntax { path: path.into(), why };
        let document = yaml::read(text).map_err(syntax)?;
        let unset = |(shown, why)| ConfigError::Override { shown, why };
        let mut over = overrides::of_environment(variables).map_err(unset)?;
        over.extend(overrides::of_arguments(arguments).map_err(unset)?);
        let places = Places { path: path.into(), lines: document.lines, over };
        let mut merged = config::Config::builder().add_source(Written(document.values));
        for one in &places.over {
            merged = merged.add_source(one.clone());
        }
        let merged = merged.build().map_err(|why| syntax(why.to_string()))?;
        let config: Self = serde_path_to_error::deserialize(merged)
            .map_err(|error| places.unfit(error.path().to_string(), &error.inner().to_string()))?;
        let problems = check::problems(&config);
        if problems.is_empty() {
            return Ok((config, places));
        }
        let places = problems.iter().map(|problem| places.of(problem)).collect();
        Err(ConfigError::Contradictions { path: path.into(), problems, places })
    }
}

/// The file's own keys.
#[derive(Debug, Clone)]
struct Written(Map<String, Value>);

impl Source for Written {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ReadError> {
        Ok(self.0.clone())
    }
}

/// Where keys come from.
pub struct Places {
    path: PathBuf,
    lines: Lines,
    over: Vec<Override>,
}

impl Places {
    fn unfit(&self, key: String, why: &str) -> ConfigError {
        let (why, path) = (readable(why), self.path.display());
        if let Some(set) = self.over.iter().rev().find(|set| set.is_about(&key, &why)) {
            let place = format!("`{}`, over {path}", set.shown());
            return ConfigError::Key { place, why: format!("{why}{}", set.hint(&why)), key };
        }
        let place = self.lines.of(&key).map_or_else(|| path.to_string(), |line| format!("{path}:{line}"));
        ConfigError::Key { place, key, why }
    }

    /// Where the key stands that a problem begins with, in backticks: ` (line 14)`, or ` (set by …)`; empty where nothing
    /// of it is written.
    pub fn of(&self, problem: &str) -> String {
        let key = problem.split('`').nth(1).unwrap_or_default();
        if let Some(set) = self.over.iter().rev().find(|set| set.is_about(key, "")) {
            return format!(" (set by `{}`)", set.shown());
        }
        self.lines.of(key).map(|line| format!(" (line {line})")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = r#"
sources:
  github: { kind: github, secrets: [env:GITHUB_SECRET] }
apps:
  shop:
    repository: Acme/Shop
    deploy: [main]
    hotfix: ["hotfix/*"]
    test: [{ name: unit, run: [yarn, "test:all"], timeout: 90s }]
    scan: [{ tool: trivy }, { tool: mine, run: [./scan, "{output}"], format: sarif, ignore: [{ id: CVE-1, reason: x, until: 2027-01-31 }] }]
    components:
      frontend: { image: ghcr.io/acme/shop-frontend, dockerfile: packages/app/Dockerfile }
    gitops: { repository: https://github.com/acme/gitops.git }
    environments:
      staging: { path: staging, sync: { argocd: shop-staging }, health: [{ url: "https://s.example/health", json: { /status: ok } }] }
      production: { path: production, after: staging, rollback: automatic, sync: { command: [./deploy, now] } }
notify:
  - { slack: env:SLACK, when: [failed, rolled_back] }
"#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, "windlass.yaml".as_ref())
    }

    #[test]
    fn the_reference_config_is_read() {
        let config = parse(GOOD).unwrap();
        let app = config.apps.values().next().unwrap();
        assert_eq!(app.repository, "Acme/Shop");
        assert_eq!(app.test[0].timeout.as_secs(), 90);
        assert_eq!(app.clone_url(), "https://github.com/Acme/Shop.git");
        assert_eq!(app.lane(&"hotfix/x".parse().unwrap()), proto::Lane::Hotfix);
        assert_eq!(
            app.first_environments(proto::Lane::Deploy).map(|(n, _)| n.as_str()).collect::<Vec<_>>(),
            ["staging"]
        );
    }

    #[test]
    fn an_error_names_its_key() {
        for (from, to, wanted) in [
            ("path: staging", "path: ../staging", "apps.shop.environments.staging.path"),
            ("tool: trivy", "tol: trivy", "apps.shop.scan[0]"),
            ("timeout: 90s", "timeout: soon", "`soon` is not a duration"),
            ("ghcr.io/acme/shop-frontend", "shop-frontend", "apps.shop.components.frontend.image"),
            ("[env:GITHUB_SECRET]", "[hunter2]", "sources.github.secrets[0]"),
            ("after: staging", "after: stagin", "apps.shop.environments.production.after"),
            ("[env:GITHUB_SECRET]", "hunter2", "sources.github.secrets"),
            ("[env:GITHUB_SECRET]", "'hunter2\", expected for key `x`'", "a text stands there; write a list"),
            ("kind: github", "kind: githup", "sources.github.kind"),
            (
                "kind: github",
                "kind: githup",
                "`githup` is none of its values; write `github`, if that is meant; these are: `acr`, ",
            ),
            (
                "when: [failed, rolled_back]",
                "when: [faild]",
                "`notify[0].when[0]`: `faild` is none of its values; write `failed`, if that is meant; these are: `approval`, ",
            ),
            (
                "path: staging, sync: { argocd: shop-staging }",
                "path: staging, sync: argocd",
                "apps.shop.environments.staging.sync`: ",
            ),
            (
                "sync: { argocd: shop-staging }",
                "sync: shop",
                "`shop` is none of its values; these are: `argocd`, `command`",
            ),
            ("sync: { argocd: shop-staging }", "sync: { argocd: shop, command: [x] }", "it takes one key"),
            (
                "sync: { argocd: shop-staging }",
                "sync: { argocd: [shop] }",
                "apps.shop.environments.staging.sync.argocd`: ",
            ),
            ("sync: { argocd: shop-staging }", "sync: 5", "a number stands there; write one of these: `argocd: …`, "),
            ("deploy: [main]", "build: command", "apps.shop.build`: "),
            ("deploy: [main]", "write: { kustomize: {}, manifests: {} }", "apps.shop.write`: it takes one key"),
            ("kind: github", "kind: github, proof: hmac", "sources.github.proof`: "),
            (
                "path: staging,",
                "path: staging, freezes: [{ from: 2026-12-20, until: 2026-12-21 }],",
                "freezes[0]`: `reason` is missing below it",
            ),
            ("path: staging, ", "", "apps.shop.environments.staging`: `path` is missing below it; add it"),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn names_keep_their_case_and_dots() {
        let text = GOOD
            .replace("timeout: 90s", "env: { CI_Mode: Yes }")
            .replace("notify:", "registries:\n  127.0.0.1:5000: { plain_http: true }\nnotify:");
        let config = parse(&text).unwrap();
        assert_eq!(config.apps.values().next().unwrap().test[0].env["CI_Mode"], "Yes");
        assert!(config.registries["127.0.0.1:5000"].plain_http);
    }

    #[test]
    fn broken_yaml_says_where() {
        let error = parse("apps: [").unwrap_err().to_string();
        assert!(error.contains("windlass.yaml is not valid YAML") && error.contains("line"), "{error}");
    }

    #[test]
    fn what_is_set_over_the_file_reaches_everywhere_and_is_named_where_it_is_wrong() {
        let set = |arguments: &[(&str, &str)], variables: &[(&str, &str)]| {
            let arguments = arguments.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let read = Config::from_yaml(GOOD, "windlass.yaml".as_ref(), &arguments, variables.into_iter());
            read.map(|(config, _)| config)
        };
        let config = set(
            &[
                ("apps.shop.test[0].timeout", "5m"),
                ("registries", "{ghcr.io: {plain_http: true}}"),
                ("ops.listen", "127.0.0.1:2"),
                ("git.message", "{app} to {environment}"),
                ("receiver.listen", "[::1]:8080"),
            ],
            &[
                ("WINDLASS__WORKERS", "bumper, syncer"),
                ("windlass__registries", "{docker.io: {username: me, password: 'env:P'}}"),
                ("WINDLASS__OPS__LISTEN", "127.0.0.1:1"),
                ("WINDLASS__RECEIVER__SPOOL", "false"),
                ("WINDLASS_CONFIG", "x.yaml"),
                ("PATH", "/bin"),
            ],
        );
        let config = config.unwrap();
        assert_eq!(config.apps.values().next().unwrap().test[0].timeout.as_secs(), 300);
        assert!(config.registries["ghcr.io"].plain_http && config.registries["docker.io"].password.is_some());
        assert_eq!((config.ops.listen.as_str(), config.receiver.listen.as_str()), ("127.0.0.1:2", "[::1]:8080"));
        assert!(config.receiver.spool.is_none() && config.workers.len() == 2);

        for (arguments, variables, wanted) in [
            (
                &[("ops.listn", "x")][..],
                &[][..],
                "`--set ops.listn`, over windlass.yaml: `ops.listn`: there is no key `listn`",
            ),
            (&[("opps.listen", "x")], &[], "`--set opps.listen`, over windlass.yaml: `opps`: there is no key `opps`"),
            (&[("registries.ghcr.io.plain_http", "true")], &[], "in braces, as in `--set 'registries={ghcr.io: "),
            (&[("registries.127.0.0.1:5000.plain_http", "true")], &[], "no path of keys; write "),
            (
                &[("workers", "[bumper")],
                &[],
                "`--set workers`, over windlass.yaml: `workers[0]`: what stands there is none of its values",
            ),
            (
                &[("registries", "{a: [}")],
                &[],
                "`--set registries`, over windlass.yaml: `registries`: a text stands there; write keys below it",
            ),
            (&[("harness.lease", "5")], &[], "`--set harness.lease`, over windlass.yaml: `harness.lease`: `5` is not"),
            (&[("sources.github.secrets[7]", "env:X")], &[], "secrets=[…, …]`"),
            (&[("sources.github.secrets[-7]", "env:X")], &[], "secrets=[…, …]`"),
            (&[("sources.github.secrets[x]", "env:X")], &[], "no path of keys; write "),
            (&[("sources.github.secrets[0", "env:X")], &[], "no path of keys; write "),
            (&[("sources.github.secrets[99999999999]", "env:X")], &[], "no path of keys; write "),
            (&[("apps.shop.deploy", "main")], &[], "a text stands there; write a list, in brackets: `[one, two]`"),
            (&[], &[("WINDLASS__WORKERS", "")], "`workers[0]`: what stands there is none of its values"),
            (&[], &[("WINDLASS__OPS__LISTEN", "x")], "(set by `WINDLASS__OPS__LISTEN`)"),
            (&[], &[("WINDLASS__HARNESS", "5")], "`WINDLASS__HARNESS`, over windlass.yaml: `harness`: a number stands"),
            (&[], &[("WINDLASS__", "5")], "`WINDLASS__`: `` is no path of keys"),
        ] {
            let why = set(arguments, variables).unwrap_err().to_string();
            assert!(why.contains(wanted), "{wanted}: {why}");
        }
    }
}
