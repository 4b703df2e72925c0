//! Reading the layers into one [`Config`].

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use config::{Environment, File, FileFormat};

use super::{Config, check, words::readable};

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
        /// The parser's words, with line and column.
        why: String,
    },
    /// A key is unknown, missing or holds what it cannot.
    #[error("{path}: `{key}`: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The key's path: `apps.backstage.environments.staging.path`.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// Keys that are right one by one and wrong together.
    #[error("{path}:\n{}", problems.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
    Contradictions {
        /// The file.
        path: PathBuf,
        /// Each problem, beginning with its key's path.
        problems: Vec<String>,
    },
}

/// What the command line sets, by key path: `("receiver.listen", "127.0.0.1:0")`.
pub type Overrides = Vec<(String, String)>;

impl Config {
    /// Reads the file and the layers over it, and checks the whole.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|why| ConfigError::Unreadable { path: path.into(), why })?;
        Self::from_yaml(&text, path, overrides, Environment::with_prefix("WINDLASS"))
    }

    /// Reads a text as if it were the file at `path`, without the environment; for tests and checks.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::from_yaml(text, path, &Vec::new(), Environment::with_prefix("WINDLASS").source(Some(HashMap::new())))
    }

    fn from_yaml(text: &str, path: &Path, overrides: &Overrides, env: Environment) -> Result<Self, ConfigError> {
        let syntax = |why: config::ConfigError| ConfigError::Syntax { path: path.into(), why: why.to_string() };
        let env = env
            .separator("__")
            .prefix_separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("workers")
            .with_list_parse_key("network.allow");
        let mut layers = config::Config::builder().add_source(File::from_str(text, FileFormat::Yaml)).add_source(env);
        for (key, value) in overrides {
            layers = layers.set_override(key, value.as_str()).map_err(syntax)?;
        }
        let merged = layers.build().map_err(syntax)?;
        let config: Self = serde_path_to_error::deserialize(merged).map_err(|error| ConfigError::Key {
            path: path.into(),
            key: error.path().to_string(),
            why: readable(&error.inner().to_string()),
        })?;
        let problems = check::problems(&config);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Contradictions { path: path.into(), problems }) }
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
            ("[env:GITHUB_SECRET]", "'hunter2\", expected for key `x`'", "a text, expected a sequence"),
            ("kind: github", "kind: githup", "sources.github.kind"),
            ("kind: github", "kind: githup", "`githup` is none of its values; these are: `acr`, "),
            (
                "when: [failed, rolled_back]",
                "when: [faild]",
                "`notify[0].when[0]`: `faild` is none of its values; these are: `approval`, ",
            ),
            (
                "path: staging, sync: { argocd: shop-staging }",
                "path: staging, sync: argocd",
                "apps.shop.environments.staging.sync`: ",
            ),
            ("sync: { argocd: shop-staging }", "sync: shop", "expected `argocd` or `command`"),
            ("sync: { argocd: shop-staging }", "sync: { argocd: shop, command: [x] }", "it takes one key"),
            (
                "sync: { argocd: shop-staging }",
                "sync: { argocd: [shop] }",
                "apps.shop.environments.staging.sync.argocd`: ",
            ),
            ("sync: { argocd: shop-staging }", "sync: 5", "expected one of its words, or one key"),
            ("deploy: [main]", "build: command", "apps.shop.build`: "),
            ("deploy: [main]", "write: { kustomize: {}, manifests: {} }", "apps.shop.write`: it takes one key"),
            ("kind: github", "kind: github, proof: hmac", "sources.github.proof`: "),
            (
                "path: staging,",
                "path: staging, freezes: [{ from: 2026-12-20, until: 2026-12-21 }],",
                "freezes[0]`: `reason` is missing below it",
            ),
            ("path: staging, ", "", "apps.shop.environments.staging`: `path` is missing below it"),
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
}
